"""Orders of a VTEX account as evidence: what was sold, before anything was given back.

VTEX lowers neither `value` nor `totals` by a return invoice or a gift card (`totals_are_net_of_refunds` is no):
both are read from their own places.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from adapters.ecommerce.vtex.settings import VtexConfig, order_key
from adapters.ecommerce.vtex.wire import Order, Package, Payment
from contracts import Customer, DocumentEvidence, Facts, Ignored, Key, Tender
from contracts.documents import first_tax_id
from contracts.facts import CENTS_MAX, Method, State

# help.vtex.com/en/tutorial/order-flow-and-status--tutorials_196, and the states of developers.vtex.com's pages.
UNPAID_STATUSES = frozenset(
    {
        "order-created",
        "order-completed",
        "on-order-completed",
        "payment-pending",
        "approve-payment",
        "waiting-for-sellers-confirmation",
        "waiting-for-order-authorization",
    }
)
# Here `authorizedDate` tells whether it was paid; a wish to cancel changes nothing yet.
LATER_STATUSES = frozenset(
    {
        "payment-approved",
        "window-to-cancel",
        "waiting-for-seller-decision",
        "waiting-for-authorization",
        "waiting-for-manual-authorization",
        "waiting-ffmt-authorization",
        "authorize-fulfillment",
        "waiting-for-fulfillment",
        "ready-for-handling",
        "start-handling",
        "handling",
        "invoice",
        "invoiced",
        "request-cancel",
        "cancellation-requested",
        "cancel",
    }
)
ENDED_STATUSES = frozenset({"canceled", "replaced"})
OWN_ORIGIN = "Marketplace"
METHODS: dict[str, Method] = {
    "creditCard": "credit",
    "debitCard": "debit",
    "instantPayment": "pix",
    "bankInvoice": "boleto",
    "promissory": "other",
    "giftCard": "other",
}
TENDERS_MAX = 32


def order_facts(order: Order, config: VtexConfig) -> Facts:
    """Return what an order says now, or why it says nothing."""
    reason = _why_nothing(order, config)
    if reason is not None:
        return [Ignored(reason=reason)]
    placed = _placed(order)
    if placed is None:
        return [Ignored(reason="amounts_mismatch")]
    payments = _payments(order)
    loyalty_cents = _paid_with_loyalty(order, payments, config)
    state = _state(order)
    returned_cents, returned_items_cents = _given_back(order, state, order.value - loyalty_cents)
    evidence = DocumentEvidence(
        kind="order",
        keys=(order_key(order.id, config),),
        state=state,
        sold_at=order.authorized_at or order.created_at,
        customer=_customer(order),
        gross_cents=placed.gross_cents,
        discount_cents=placed.discount_cents,
        shipping_cents=placed.shipping_cents,
        fees_cents=placed.fees_cents,
        paid_with_loyalty_cents=loyalty_cents,
        returned_cents=returned_cents,
        returned_items_cents=returned_items_cents,
        tenders=tuple(_tenders(order, payments, config)),
        as_of=order.changed_at,
    )
    return [evidence]


def _why_nothing(order: Order, config: VtexConfig) -> str | None:
    if order.status == "incomplete":
        return "not_placed"
    if order.status not in UNPAID_STATUSES | LATER_STATUSES | ENDED_STATUSES:
        return "unknown_status"
    if order.preferences.currency != "BRL":
        return "foreign_currency"
    # `Fulfillment` and `Chain`: another marketplace has the shopper and the sale.
    return None if order.origin == OWN_ORIGIN or config.marketplace_sales else "sold_elsewhere"


def _state(order: Order) -> State:
    """Return what the status means. A replaced order is void: the one that replaces it is the sale."""
    if order.status == "replaced":
        return "void"
    if order.status in UNPAID_STATUSES or order.authorized_at is None:
        return "void" if order.status == "canceled" else "authorised"
    return "captured"


class _Placed(NamedTuple):
    gross_cents: int
    discount_cents: int
    shipping_cents: int
    fees_cents: int


def _placed(order: Order) -> _Placed | None:
    """Return the amounts of the order; together they make `value`. `None` if its totals do not explain it."""
    listed_cents = max(0, _total(order, "Items"))
    unexplained_cents = order.value - sum(total.value for total in order.totals)
    if abs(unexplained_cents) > abs(order.rounding) or listed_cents > CENTS_MAX:
        return None
    shipping_cents = min(max(0, _total(order, "Shipping")), order.value)
    others = (total.value for total in order.totals if total.id not in {"Items", "Discounts", "Shipping"})
    # Taxes and interest; what lowers the order, such as a change of it, lowers its goods.
    fees_cents = min(sum(cents for cents in others if cents > 0), order.value - shipping_cents)
    items_cents = order.value - shipping_cents - fees_cents
    gross_cents = max(listed_cents, items_cents)
    return _Placed(gross_cents, gross_cents - items_cents, shipping_cents, fees_cents)


def _total(order: Order, name: str) -> int:
    return sum(total.value for total in order.totals if total.id == name)


def _payments(order: Order) -> tuple[Payment, ...]:
    """Return the payments that stand; a transaction that was given up stays in the order, not active."""
    transactions = order.paid.transactions if order.paid is not None else ()
    return tuple(payment for each in transactions if each.active for payment in each.payments)


def _is_ours(payment: Payment, config: VtexConfig) -> bool:
    """Whether a card of ours paid. VTEX names a provider with other payments, too: the group decides."""
    return payment.group == "giftCard" and payment.gift_card_provider == config.provider_id


def _paid_with_loyalty(order: Order, payments: Sequence[Payment], config: VtexConfig) -> int:
    """Return what our cards paid of this order. Of payments that several orders share it has its part."""
    paid_cents = sum(payment.value for payment in payments)
    ours_cents = sum(payment.value for payment in payments if _is_ours(payment, config))
    if paid_cents <= order.value:
        return ours_cents
    return -(-ours_cents * order.value // paid_cents)


def _tenders(order: Order, payments: Sequence[Payment], config: VtexConfig) -> Iterator[Tender]:
    """Yield the payments in money, unless they are those of other orders of the purchase, too."""
    if sum(payment.value for payment in payments) != order.value:
        return
    money = [payment for payment in payments if not _is_ours(payment, config)]
    for payment in money[:TENDERS_MAX]:
        method = METHODS.get(payment.group or "", "unknown")
        yield Tender(keys=_keys(payment, config), method=method, amount_cents=payment.value)


def _keys(payment: Payment, config: VtexConfig) -> tuple[Key, ...]:
    kind = config.payment_keys.get(payment.group or "")
    return () if kind is None or payment.tid is None else (Key(kind, payment.tid),)


def _given_back(order: Order, state: State, money_cents: int) -> tuple[int, int | None]:
    """Return the money given back so far and the goods' part of it, `None` where the order does not tell.

    A cancelled order gives back all of it. What a card of ours paid goes back by the gift-card protocol.
    """
    if order.status == "canceled" and state == "captured":
        return money_cents, None
    packages = order.packed.packages if order.packed is not None else ()
    returns = [package for package in packages if package.type == "Input"]
    returned_cents = min(sum(map(_refunded, returns)), money_cents)
    return returned_cents, returned_cents if all(map(_is_goods, returns)) else None


def _refunded(package: Package) -> int:
    """Return what a return invoice gives back: its restitution, else, where none is named, its own value."""
    refund = package.restitutions.refund if package.restitutions is not None else None
    return package.value if refund is None else refund.value


def _is_goods(package: Package) -> bool:
    """Whether a return invoice says that it gives back goods only: no delivery, no compensation."""
    refund = package.restitutions.refund if package.restitutions is not None else None
    items = (refund.items or ()) if refund is not None else ()
    return bool(items) and not any(item.freight or item.compensation for item in items)


def _customer(order: Order) -> Customer | None:
    """Return the first true CPF or CNPJ, else the first text that stands in such a place.

    The person's comes before the company's, as at the checkout (`contracts.giftcards`): who may spend has earned.
    """
    if order.client is None:
        return None
    document = first_tax_id((order.client.document, order.client.company))
    return None if document is None else Customer(document=document)
