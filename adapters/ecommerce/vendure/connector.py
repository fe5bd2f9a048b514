"""The Vendure connector as one record: a signed nudge, the order behind it, and vouchers as coupons.

Found by the entry point `vendure`; nothing imports it by name.
"""

from urllib.parse import urlsplit

from adapters.ecommerce.vendure import coupons
from adapters.ecommerce.vendure.changes import EVERY_SECONDS, page, receive, signature, start
from adapters.ecommerce.vendure.graphql import ask, credentials
from adapters.ecommerce.vendure.settings import VendureConfig
from adapters.ecommerce.vendure.wire import ChannelAnswer
from contracts import Account, Connector, Coupons, Limits, Poll, Steps, Webhook


def check(config: VendureConfig) -> Steps[Account]:
    """Return the channel that the API key opens: a store is its address, and a channel of it an account."""
    channel = (yield from ask("{ activeChannel { id code } }", {}, ChannelAnswer, config)).data.channel
    where = urlsplit(config.store_url).netloc
    return Account(f"{where}/{channel.id}", f"{where} ({channel.code})")


connector = Connector(
    slug="vendure",
    name="Vendure",
    config=VendureConfig,
    docs="adapters/ecommerce/vendure/README.md",
    trusts=("confirmed", "declared"),
    base_url=lambda config: config.store_url,
    credentials=credentials,
    # The store is the merchant's own server; nothing of Vendure's counts requests.
    limits=Limits(requests_per_minute=600, concurrent=4),
    webhook=Webhook(signature=signature, receive=receive),
    poll=Poll(every_seconds=EVERY_SECONDS, start=start, page=page),
    coupons=Coupons(create=coupons.create, find=coupons.find, revoke=coupons.revoke),
    check=check,
)
