"""The VTEX connector as one record: hook, feed, and the cards that its checkout asks for.

Found by the entry point `vtex`; nothing imports it by name. It publishes no coupons: VTEX's can never be
deleted, and VTEX warns of many of them, so vouchers are used as cards.
"""

from adapters.ecommerce.vtex.changes import (
    EVERY_SECONDS,
    check,
    credentials,
    greeting,
    page,
    receive,
    signature,
    start,
)
from adapters.ecommerce.vtex.settings import VtexConfig, provider_keys
from contracts import Connector, Limits, Poll, Webhook
from contracts.giftcards import provider

connector = Connector(
    slug="vtex",
    name="VTEX",
    config=VtexConfig,
    docs="adapters/ecommerce/vtex/README.md",
    trusts=("confirmed", "declared"),
    base_url=lambda config: config.base_url,
    credentials=credentials,
    # VTEX allows 6,000 a minute to a whole account; above, the merchant's own panel would stop, too.
    limits=Limits(requests_per_minute=600, concurrent=4),
    webhook=Webhook(signature=signature, receive=receive, greeting=greeting),
    poll=Poll(every_seconds=EVERY_SECONDS, start=start, page=page),
    checkout=provider(provider_keys),
    check=check,
)
