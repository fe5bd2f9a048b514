"""How the store is asked for orders: one order that a nudge names, and everything that changed since a moment.

Both ask the same question, so that push and poll cannot tell two stories.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from adapters.ecommerce.vendure.graphql import ask
from adapters.ecommerce.vendure.orders import order_facts
from adapters.ecommerce.vendure.settings import VendureConfig
from adapters.ecommerce.vendure.wire import Nudge, Order, OrdersAnswer
from contracts import Delivery, Facts, HmacBody, Ignored, Malformed, Page, Steps
from contracts.signatures import Signature
from contracts.wire import parse

SIGNATURE_HEADER = "x-ponte-signature"
EVERY_SECONDS = 30
PAGE = 20
# SQLite stores keep whole seconds, and a long transaction shows its changes later than their time stamp.
OVERLAP = timedelta(minutes=2)
INSTANT = timedelta(milliseconds=1)

_DISCOUNTS = "discounts { adjustmentSource amountWithTax }"
_ORDER = f"""
  code type state currencyCode orderPlacedAt updatedAt totalWithTax
  lines {{ quantity orderPlacedQuantity unitPriceWithTax }}
  shippingLines {{ priceWithTax {_DISCOUNTS} }}
  surcharges {{ priceWithTax }}
  {_DISCOUNTS}
  promotions {{ id couponCode }}
  payments {{ method state amount transactionId updatedAt
    refunds {{ state total shipping updatedAt lines {{ quantity }} }} }}"""


def signature(config: VendureConfig) -> Signature:
    """Return the scheme of the plug-in: HMAC-SHA256 of the body, in hexadecimal."""
    secrets = (config.webhook_secret, config.former_webhook_secret)
    told = tuple(secret.get_secret_value().encode() for secret in secrets if secret is not None)
    return HmacBody(told, SIGNATURE_HEADER, prefix="sha256=")


def receive(delivery: Delivery, config: VendureConfig) -> Steps[Facts]:
    """Return what became of the order that a nudge names. Carts are not orders yet."""
    code = parse(Nudge, delivery.body).order
    return _named_order(code, config)


def _named_order(code: str, config: VendureConfig) -> Steps[Facts]:
    orders = yield from _orders({"filter": {"code": {"eq": code}}, "take": 1}, config)
    if not orders:
        return [Ignored(reason="order_not_found")]
    if orders[0].code != code:
        raise Malformed("code: not the order that was asked for")
    return order_facts(orders[0], config)


class _Cursor(NamedTuple):
    """Where a round began, where it stands, and how many of that instant it has read.

    Written as the three parts with blanks between them; a round that is over leaves the first one alone.
    """

    floor: datetime
    after: datetime
    skip: int

    @classmethod
    def read(cls, text: str) -> "_Cursor":
        floor, *rest = text.split(" ")
        began_at = datetime.fromisoformat(floor)
        return (
            cls(began_at, datetime.fromisoformat(rest[0]), int(rest[1]))
            if rest
            else cls(began_at, began_at, 0)
        )

    def __str__(self) -> str:
        return f"{self.floor.isoformat()} {self.after.isoformat()} {self.skip}"


def start(at: datetime) -> str:
    """Return the cursor of everything that changed since `at`."""
    return at.astimezone(UTC).isoformat()


def page(cursor: str, config: VendureConfig) -> Steps[Page]:
    """Return the next orders, those that changed first before the others.

    What shares an instant with the last order read is read again; when the round is over, the next one
    begins two minutes before the last change, for what became visible late.
    """
    at = _Cursor.read(cursor)
    wanted = {
        "filter": {"updatedAt": {"after": _written(at.after - INSTANT)}, "orderPlacedAt": {"isNull": False}},
        "sort": {"updatedAt": "ASC"},
        "skip": at.skip,
        "take": PAGE,
    }
    orders = yield from _orders(wanted, config)
    facts = [fact for order in orders for fact in order_facts(order, config)]
    last_at = max((order.updated_at for order in orders), default=at.after)
    if len(orders) < PAGE:
        return Page(facts, start(max(at.floor, last_at - OVERLAP)), done=True)
    # A whole page of one instant: go on inside it, or it would be read for ever.
    skip = at.skip + PAGE if last_at == at.after else 0
    return Page(facts, str(_Cursor(at.floor, last_at, skip)), done=False)


def _orders(options: dict[str, Any], config: VendureConfig) -> Steps[tuple[Order, ...]]:
    answer = yield from ask(_document(config), {"options": options}, OrdersAnswer, config)
    return answer.data.orders.items


def _document(config: VendureConfig) -> str:
    """Return the question. Asking for a custom field that the store does not have is an error there."""
    of_order, of_customer = _cpf(config.cpf_order_field), _cpf(config.cpf_customer_field)
    customer = f"customer {{ {of_customer} }}" if of_customer else ""
    wanted = f"{_ORDER} {of_order} {customer}"
    return f"query($options: OrderListOptions!) {{ orders(options: $options) {{ items {{{wanted} }} }} }}"


def _cpf(field: str | None) -> str:
    return "" if field is None else f"customFields {{ document: {field} }}"


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
