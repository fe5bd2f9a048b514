"""What changed in a Nuvemshop store: webhooks that name an order, and a list of everything updated since.

Both lead to the order itself, so that push and poll cannot tell two stories.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from adapters.ecommerce.nuvemshop.asking import ask, request, understood
from adapters.ecommerce.nuvemshop.orders import order_facts
from adapters.ecommerce.nuvemshop.settings import NuvemshopConfig
from adapters.ecommerce.nuvemshop.wire import Notification, Order, Orders
from contracts import Delivery, Facts, Forged, HmacBody, Ignored, Malformed, Page, Plan, Reply, Steps
from contracts.facts import AnyFact
from contracts.signatures import Signature
from contracts.wire import parse

EVERY_SECONDS = 300
PAGE = 200
OVERLAP = timedelta(minutes=2)
SECOND = timedelta(seconds=1)
# "any" is documented as authorized, pending and paid: an order that was refunded leaves that list.
ASKED_STATUSES = ("any", "refunded", "voided")
# Nothing here to redact: names, mail and addresses are never read, and the hub's own members are the
# programme's. That it was asked for is counted, so that a person can answer.
REASONS = {
    "store/redact": "redact_store",
    "customers/redact": "redact_customer",
    "customers/data_request": "data_request",
    "app/uninstalled": "app_uninstalled",
    "app/suspended": "app_suspended",
    "cart": "cart_unanswered",  # Nuvemshop's discount callback: vouchers are coupons here
}


def signature(config: NuvemshopConfig) -> Signature:
    """Return Nuvemshop's scheme: HMAC-SHA256 of the body with the app's secret, in hexadecimal."""
    return HmacBody((config.app_secret.get_secret_value().encode(),), "x-linkedstore-hmac-sha256")


def receive(delivery: Delivery, config: NuvemshopConfig) -> Plan[Facts]:
    """Return what became of the order that a webhook names. Refused as `Forged`: another store of the app."""
    said = parse(Notification, delivery.body)
    if said.store_id != config.store_id:
        raise Forged("other_store")
    event = said.event or _unnamed(said)
    if not event.startswith("order/"):
        return [Ignored(reason=REASONS.get(event, "event_ignored"))]
    if said.id is None:
        raise Malformed("id: missing")
    return _named_order(said.id, config)


def _unnamed(said: Notification) -> str:
    """Return the event of a webhook that names none: it goes to an address of its own, and so tells by its shape."""
    if said.cart_id:
        return "cart"
    if said.orders_to_redact:
        return "customers/redact"
    return "customers/data_request" if said.data_request else "store/redact"


def _named_order(order_id: int, config: NuvemshopConfig) -> Steps[Facts]:
    order = yield from ask(request(config, "GET", f"/orders/{order_id}"), Order)
    if order is None:
        return [Ignored(reason="order_not_found")]
    if order.id != order_id:
        raise Malformed("id: not the order that was asked for")
    return order_facts(order, config)


class _Cursor(NamedTuple):
    """Where a round began, where the next one will, and where this one stands.

    `turn` is the place in `ASKED_STATUSES`, `total` how many orders the list had on its last page. Written
    as the five parts with blanks between them; a round that is over leaves the next beginning alone.
    """

    floor: datetime
    top: datetime
    turn: int
    page: int
    total: int

    @classmethod
    def read(cls, text: str) -> "_Cursor":
        floor, top, *rest = text.split(" ") if " " in text else (text, text, "0", "1", "0")
        return cls(datetime.fromisoformat(floor), datetime.fromisoformat(top), *map(int, rest))

    def __str__(self) -> str:
        return f"{self.floor.isoformat()} {self.top.isoformat()} {self.turn} {self.page} {self.total}"


def start(at: datetime) -> str:
    """Return the cursor of everything that changed since `at`."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat()


def page(cursor: str, config: NuvemshopConfig) -> Steps[Page]:
    """Return the next orders; no order of them is promised, and none is relied on.

    All pages of a round ask since the same moment. The next round begins two minutes before the last change
    on the first page: that much had happened for certain when this round began.
    """
    at = _Cursor.read(cursor)
    wanted = {
        "updated_at_min": (at.floor - SECOND).isoformat(),
        "payment_status": ASKED_STATUSES[at.turn],
        "page": str(at.page),
        "per_page": str(PAGE),
    }
    reply: Reply = yield request(config, "GET", "/orders", query=wanted)
    # A page after the last one is 404, and so is the first page of nothing.
    listed = () if reply.status == 404 else understood(reply, Orders).root
    facts: list[AnyFact] = []
    for order in listed:
        facts += (
            order_facts(order, config) if isinstance(order, Order) else [Ignored(reason="order_unreadable")]
        )
    top = at.top
    if (at.turn, at.page) == (0, 1):
        top = max([top, *(order.updated_at for order in listed if isinstance(order, Order))])
    following = _following(at._replace(top=top), reply, len(listed))
    if following is None:
        return Page(facts, start(max(at.floor, top - OVERLAP)), done=True)
    return Page(facts, str(following), done=False)


def _following(at: _Cursor, reply: Reply, listed: int) -> _Cursor | None:
    """Return where the round goes on, `None` if it is over.

    A list that became shorter lost an order to another list, and what came after it moved to pages that were
    read before: it is read again.
    """
    stated = reply.headers.get("x-total-count", "")
    total = int(stated[:12]) if stated.isdecimal() else (at.page - 1) * PAGE + listed
    if listed and total < at.total:
        return at._replace(page=1, total=0)
    if listed and (at.page * PAGE < total or listed == PAGE):
        return at._replace(page=at.page + 1, total=total)
    if at.turn + 1 < len(ASKED_STATUSES):
        return at._replace(turn=at.turn + 1, page=1, total=0)
    return None
