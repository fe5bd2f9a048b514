"""The Shopify connector as one record: signed webhooks, the order behind them, discount codes, and the sign-in.

Found by the entry point `shopify`; nothing imports it by name.
"""

from adapters.ecommerce.shopify import coupons
from adapters.ecommerce.shopify.changes import EVERY_SECONDS, page, receive, signature, start
from adapters.ecommerce.shopify.graphql import ask, credentials
from adapters.ecommerce.shopify.settings import ShopifyConfig
from adapters.ecommerce.shopify.signing import authorize, exchange, refresh
from adapters.ecommerce.shopify.wire import ShopAnswer
from contracts import Account, Connector, Coupons, Limits, Poll, SignIn, Steps, VendorRefused, Webhook


def check(config: ShopifyConfig) -> Steps[Account]:
    """Return the store that the token opens. One that does not sell in reais is refused."""
    document = "{ shop { myshopifyDomain name currencyCode } }"
    shop = (yield from ask(document, {}, ShopAnswer, config)).data.shop
    if shop.domain != config.shop:
        raise VendorRefused("other_store", "the token does not open this store")
    if shop.currency != "BRL":
        raise VendorRefused("foreign_currency", "the store does not sell in reais")
    return Account(shop.domain, shop.name)


connector = Connector(
    slug="shopify",
    name="Shopify",
    config=ShopifyConfig,
    docs="adapters/ecommerce/shopify/README.md",
    trusts=("confirmed", "declared"),
    base_url=lambda config: f"https://{config.shop}",
    credentials=credentials,
    # 100 points flow in each second on the smallest plan; a page of orders is held to cost less than 200.
    limits=Limits(requests_per_minute=60, concurrent=2),
    webhook=Webhook(signature=signature, receive=receive),
    poll=Poll(every_seconds=EVERY_SECONDS, start=start, page=page),
    coupons=Coupons(create=coupons.create, find=coupons.find, revoke=coupons.revoke),
    sign_in=SignIn(
        authorize=authorize,
        exchange=exchange,
        refresh=refresh,
        base_url=lambda config: f"https://{config.shop}",
    ),
    check=check,
)
