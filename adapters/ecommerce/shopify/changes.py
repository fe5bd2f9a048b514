"""What changed in a Shopify store: signed webhooks that name an order, and the list of everything updated since.

Both ask the same question, so that push and poll cannot tell two stories.
"""

from datetime import UTC, datetime, timedelta

from adapters.ecommerce.shopify.graphql import ask
from adapters.ecommerce.shopify.orders import order_facts
from adapters.ecommerce.shopify.settings import ShopifyConfig
from adapters.ecommerce.shopify.wire import Order, OrderAnswer, OrderHook, OrdersAnswer, RefundHook
from contracts import Delivery, Facts, Forged, HmacBody, Ignored, Malformed, Page, Plan, Steps
from contracts.facts import AnyFact
from contracts.signatures import Signature
from contracts.wire import parse

EVERY_SECONDS = 120
PAGE = 10
# A long transaction shows its changes later than their time stamp.
OVERLAP = timedelta(minutes=2)
# Nothing personal is kept under Shopify's names: members are found by document, and erased by the hub.
REASONS = {
    "app/uninstalled": "app_uninstalled",
    "customers/data_request": "privacy_request",
    "customers/redact": "privacy_request",
    "shop/redact": "privacy_request",
}

_MONEY = "{ shopMoney { amount } }"
_ORDER = f"""
  legacyResourceId displayFinancialStatus test currencyCode taxesIncluded processedAt updatedAt cancelledAt
  totalPriceSet {_MONEY} subtotalPriceSet {_MONEY} totalDiscountsSet {_MONEY} totalTaxSet {_MONEY}
  totalTipReceivedSet {_MONEY} totalRefundedSet {_MONEY} totalRefundedShippingSet {_MONEY}
  discountApplications(first: 10) {{ nodes {{
    ... on DiscountCodeApplication {{ code }} value {{ ... on MoneyV2 {{ amount }} }} }} }}
  transactions(first: 20) {{ kind status gateway authorizationCode amountSet {_MONEY} }}
  localizedFields(first: 10) {{ nodes {{ key value }} }}
  customAttributes {{ key value }}
  billingAddress {{ company }}"""
_ONE = f"query($id: ID!) {{ order(id: $id) {{ {_ORDER} }} }}"
_MANY = f"""query($query: String!, $after: String) {{
  orders(first: {PAGE}, after: $after, sortKey: UPDATED_AT, query: $query) {{
    nodes {{ {_ORDER} }} pageInfo {{ hasNextPage endCursor }} }} }}"""


def signature(config: ShopifyConfig) -> Signature:
    """Return Shopify's scheme: HMAC-SHA256 of the body under the app's secret, in base64."""
    secrets = (config.client_secret, config.former_client_secret)
    told = tuple(secret.get_secret_value().encode() for secret in secrets if secret is not None)
    return HmacBody(told, "x-shopify-hmac-sha256", encoding="base64")


def receive(delivery: Delivery, config: ShopifyConfig) -> Plan[Facts]:
    """Return what became of the order that a webhook names. `Forged` if it is another store's.

    One app's secret signs for all its stores, so the store's name is checked, too.
    """
    if delivery.headers.get("x-shopify-shop-domain") != config.shop:
        raise Forged("other_store")
    topic = delivery.headers.get("x-shopify-topic", "")
    if topic.startswith("orders/"):
        return _named_order(parse(OrderHook, delivery.body).id, config)
    if topic == "refunds/create":
        return _named_order(parse(RefundHook, delivery.body).order_id, config)
    return [Ignored(reason=REASONS.get(topic, "topic_ignored"))]


def _named_order(order_id: int, config: ShopifyConfig) -> Steps[Facts]:
    wanted = {"id": f"gid://shopify/Order/{order_id}"}
    order = (yield from ask(_ONE, wanted, OrderAnswer, config)).data.order
    if order is None:
        return [Ignored(reason="order_not_found")]
    if order.id != str(order_id):
        raise Malformed("legacyResourceId: not the order that was asked for")
    return order_facts(order, config)


def start(at: datetime) -> str:
    """Return the cursor of everything that changed since `at`."""
    return _written(at)


def page(cursor: str, config: ShopifyConfig) -> Steps[Page]:
    """Return the next orders, those updated first before the others.

    A cursor is where the round began; within a round also the newest update it has read, and Shopify's own
    cursor. The next round begins two minutes before that update, for what became visible late.
    """
    since, newest, after = (*cursor.split(" ", 2), cursor, "")[:3] if " " in cursor else (cursor, cursor, "")
    # Without a status Shopify's search leaves some orders out.
    wanted = {"query": f"status:any updated_at:>='{since}'", "after": after or None}
    found = (yield from ask(_MANY, wanted, OrdersAnswer, config)).data.orders
    facts: list[AnyFact] = []
    for order in found.nodes:
        if isinstance(order, Order):
            facts += order_facts(order, config)
        else:
            facts.append(Ignored(reason="order_unreadable"))
    updates = (order.updated_at for order in found.nodes if isinstance(order, Order))
    read_at = max([datetime.fromisoformat(newest), *updates])
    if found.turn.more and found.turn.cursor:
        return Page(facts, f"{since} {_written(read_at)} {found.turn.cursor}", done=False)
    return Page(facts, _written(max(datetime.fromisoformat(since), read_at - OVERLAP)), done=True)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
