"""What changed in a WooCommerce shop: webhooks that carry the order, and a list of everything modified since.

WooCommerce never repeats a webhook and switches it off after five failures, so the list is what heals.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from adapters.ecommerce.woocommerce.asking import ROOT, ask, refusal
from adapters.ecommerce.woocommerce.orders import order_facts
from adapters.ecommerce.woocommerce.settings import WooCommerceConfig
from adapters.ecommerce.woocommerce.wire import Identified, Order, Orders, Refund, Refunds
from contracts import Delivery, Facts, HmacBody, Ignored, Malformed, Page, Plan, Reply, Steps, get
from contracts.facts import AnyFact
from contracts.signatures import Signature
from contracts.wire import parse

TOLD_TOPICS = frozenset({"order.created", "order.updated", "order.restored"})
EVERY_SECONDS = 120
PAGE = 50
# The shop's clock has whole seconds, and a slow request shows its changes later than their time stamp.
OVERLAP = timedelta(minutes=2)
SECOND = timedelta(seconds=1)


def signature(config: WooCommerceConfig) -> Signature:
    """Return WooCommerce's scheme: HMAC-SHA256 of the body, in base64."""
    secrets = (config.webhook_secret, config.former_webhook_secret)
    told = tuple(secret.get_secret_value().encode() for secret in secrets if secret is not None)
    return HmacBody(told, "x-wc-webhook-signature", encoding="base64")


def greeting(delivery: Delivery) -> bool:
    """Whether this is the ping of WC_Webhook::deliver_ping: a form with the webhook's number, never signed."""
    return re.fullmatch(rb"webhook_id=[0-9]{1,20}", delivery.body) is not None


def receive(delivery: Delivery, config: WooCommerceConfig) -> Plan[Facts]:
    """Return what a webhook says. The body is the order as it stands when the webhook is sent, so it is believed.

    Only refunds are asked for: the order names their sums, and not what of them was goods. The delivery id
    is never read: two deliveries of one second share it.
    """
    topic = delivery.headers.get("x-wc-webhook-topic", "")
    if topic == "order.deleted":
        return _named_order(parse(Identified, delivery.body).id, config)
    if topic not in TOLD_TOPICS:
        return [Ignored(reason="topic_ignored")]
    order = parse(Order, delivery.body)
    return _told(order, config) if _is_refunded_in_part(order, config) else order_facts(order, None, config)


def _named_order(order_id: int, config: WooCommerceConfig) -> Steps[Facts]:
    """Return what became of an order that was deleted: in the trash it can still be read."""
    order = yield from ask(get(f"{ROOT}/orders/{order_id}"), Order)
    if order is None:
        return [Ignored(reason="order_not_found")]
    if order.id != order_id:
        raise Malformed("id: not the order that was asked for")
    return (yield from _told(order, config))


def _told(order: Order, config: WooCommerceConfig) -> Steps[Facts]:
    return order_facts(order, (yield from _refunds(order, config)), config)


def _refunds(order: Order, config: WooCommerceConfig) -> Steps[tuple[Refund, ...] | None]:
    """Return the refunds of an order, `None` if their sums, which the order tells itself, must do."""
    if not _is_refunded_in_part(order, config):
        return None
    found = yield from ask(get(f"{ROOT}/orders/{order.id}/refunds", per_page="100"), Refunds)
    return None if found is None else found.root


def _is_refunded_in_part(order: Order, config: WooCommerceConfig) -> bool:
    return bool(order.refunds) and order.status in config.paid_statuses


class _Cursor(NamedTuple):
    """Where a round began, where it stands, and how many of that instant it has read.

    Written as the three parts with blanks between them; a round that is over leaves the first one alone.
    """

    floor: datetime
    after: datetime
    skip: int

    @classmethod
    def read(cls, text: str) -> "_Cursor":
        floor, after, skip = text.split(" ") if " " in text else (text, text, "0")
        return cls(datetime.fromisoformat(floor), datetime.fromisoformat(after), int(skip))

    def __str__(self) -> str:
        return f"{self.floor.isoformat()} {self.after.isoformat()} {self.skip}"


def start(at: datetime) -> str:
    """Return the cursor of everything that changed since `at`."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat()


def page(cursor: str, config: WooCommerceConfig) -> Steps[Page]:
    """Return the next orders, those modified first before the others; `modified_after` leaves its instant out.

    What shares an instant with the last order read is read again; when the round is over, the next one
    begins two minutes before the last change, for what became visible late.
    """
    at = _Cursor.read(cursor)
    wanted = {
        # Without a zone: WP_Date_Query would turn the instant into the site's own time first.
        "modified_after": (at.after - SECOND).strftime("%Y-%m-%dT%H:%M:%S"),
        "dates_are_gmt": "true",
        "orderby": "modified",
        "order": "asc",
        "offset": str(at.skip),
        "per_page": str(PAGE),
    }
    reply: Reply = yield get(f"{ROOT}/orders", **wanted)
    if reply.status != 200:
        raise refusal(reply)
    listed = parse(Orders, reply.body).root
    facts: list[AnyFact] = []
    for order in listed:
        if isinstance(order, Order):
            facts += yield from _told(order, config)
        else:
            facts.append(Ignored(reason="order_unreadable"))
    last_at = max((order.date_modified_gmt for order in listed if isinstance(order, Order)), default=at.after)
    if not listed or not _more(reply, at.skip + len(listed), len(listed)):
        return Page(facts, start(max(at.floor, last_at - OVERLAP)), done=True)
    # Nothing later on this page: go on inside that instant, or it would be read for ever.
    skip = at.skip + len(listed) if last_at == at.after else 0
    return Page(facts, str(_Cursor(at.floor, last_at, skip)), done=False)


def _more(reply: Reply, read: int, listed: int) -> bool:
    """Whether the shop has more than was read; where something takes its header away, a full page says so."""
    total = reply.headers.get("x-wp-total", "")
    return read < int(total[:12]) if total.isdecimal() else listed == PAGE
