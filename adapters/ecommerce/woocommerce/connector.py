"""The WooCommerce connector as one record: signed webhooks, a list of changes, and vouchers as coupons.

Found by the entry point `woocommerce`; nothing imports it by name.
"""

from urllib.parse import urlsplit

from adapters.ecommerce.woocommerce import coupons
from adapters.ecommerce.woocommerce.asking import ROOT, ask, credentials
from adapters.ecommerce.woocommerce.changes import EVERY_SECONDS, greeting, page, receive, signature, start
from adapters.ecommerce.woocommerce.settings import WooCommerceConfig
from adapters.ecommerce.woocommerce.wire import Currency
from contracts import Account, Connector, Coupons, Limits, Poll, Steps, VendorRefused, Webhook, get


def check(config: WooCommerceConfig) -> Steps[Account]:
    """Return the shop that the key opens: a shop is its address. One that does not sell in reais is refused."""
    currency = yield from ask(get(f"{ROOT}/data/currencies/current"), Currency)
    if currency is None:
        raise VendorRefused("no_woocommerce", "no WooCommerce answers at this address")
    if currency.code != "BRL":
        raise VendorRefused("foreign_currency", "the shop does not sell in reais")
    where = urlsplit(config.store_url)
    name = f"{where.netloc}{where.path}".rstrip("/").lower()
    return Account(name, name)


connector = Connector(
    slug="woocommerce",
    name="WooCommerce",
    config=WooCommerceConfig,
    docs="adapters/ecommerce/woocommerce/README.md",
    trusts=("signed", "declared"),
    base_url=lambda config: config.store_url,
    credentials=credentials,
    # No limit but the merchant's own hosting; a page of fifty orders may ask for the refunds of each.
    limits=Limits(requests_per_minute=240, concurrent=2),
    webhook=Webhook(signature=signature, receive=receive, greeting=greeting),
    poll=Poll(every_seconds=EVERY_SECONDS, start=start, page=page),
    coupons=Coupons(create=coupons.create, find=coupons.find, revoke=coupons.revoke),
    check=check,
)
