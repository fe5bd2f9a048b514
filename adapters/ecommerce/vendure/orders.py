"""Orders of a Vendure store as evidence: what was placed, before anything was taken out or given back.

Vendure nets cancellations out of every total, quantity and discount. What remains as it was are the placed
quantities, the unit prices, the shipping prices and the payments: the order is rebuilt from these.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters.ecommerce.vendure.settings import VendureConfig, order_key
from adapters.ecommerce.vendure.wire import Order, Payment, Refund
from contracts import Customer, DocumentEvidence, Facts, Ignored, Key, Tender, VoucherUse
from contracts.facts import Method, State

# packages/core/src/service/helpers/order-state-machine/order-state.ts and the default order process.
PAID_STATES = frozenset(
    {
        "PaymentSettled",
        "PartiallyShipped",
        "Shipped",
        "PartiallyDelivered",
        "Delivered",
        "Modifying",
        "ArrangingAdditionalPayment",
    }
)
# Money that is held or taken. A declined or cancelled payment keeps its full amount in the list.
GOOD_PAYMENTS = frozenset({"Authorized", "Settled"})
METHODS: dict[str, Method] = {"pix:e2e": "pix"}
CANCELLATION = "CANCEL_ORDER"


def order_facts(order: Order, config: VendureConfig) -> Facts:
    """Return what an order says now, or why it says nothing."""
    reason = _why_nothing(order)
    if reason is not None:
        return [Ignored(reason=reason)]
    state = _state(order)
    return [_evidence(order, state, config), *_voucher_uses(order, state, config)]


def _why_nothing(order: Order) -> str | None:
    if order.type == "Seller":
        return "seller_order"  # its aggregate order is the purchase; to count both would be to count twice
    if order.placed_at is None:
        return "not_placed"
    if order.currency != "BRL":
        return "foreign_currency"
    return None if _is_known(order.state) else "unknown_status"


def _is_known(state: str) -> bool:
    return state in PAID_STATES or state in {"PaymentAuthorized", "Cancelled"}


def _state(order: Order) -> State:
    """An order that was cancelled after it was paid stays a sale, of which everything was given back."""
    if order.state == "PaymentAuthorized":
        return "authorised"
    if order.state == "Cancelled" and not any(p.state == "Settled" for p in order.payments or ()):
        return "void"
    return "captured"


def _evidence(order: Order, state: State, config: VendureConfig) -> DocumentEvidence:
    payments = [payment for payment in order.payments or () if payment.state in GOOD_PAYMENTS]
    money = [payment for payment in payments if payment.method not in config.loyalty_methods]
    placed = _placed(order, _sum(payments) if payments else order.total_cents)
    returned_cents, returned_items_cents = _given_back(order, money)
    return DocumentEvidence(
        kind="order",
        keys=(order_key(order.code, config),),
        state=state,
        sold_at=order.placed_at,
        customer=_customer(order),
        gross_cents=placed.gross_cents,
        discount_cents=placed.discount_cents,
        shipping_cents=placed.shipping_cents,
        fees_cents=placed.fees_cents,
        paid_with_loyalty_cents=_sum(payments) - _sum(money),
        returned_cents=returned_cents,
        returned_items_cents=returned_items_cents,
        voucher_codes=tuple(code for code, _ in _coupons(order)),
        tenders=tuple(_tender(payment, config) for payment in money),
        as_of=_changed_at(order),
    )


class _Placed(NamedTuple):
    gross_cents: int
    discount_cents: int
    shipping_cents: int
    fees_cents: int


def _placed(order: Order, total_cents: int) -> _Placed:
    """Return the amounts of the order as it was placed; together they make `total_cents`, what was paid.

    Discounts are what is missing: Vendure shrinks its own list of them with every line that is cancelled.
    """
    listed_cents = sum(line.unit_cents * max(line.placed, line.quantity) for line in order.lines)
    fees_cents = sum(surcharge.cents for surcharge in order.surcharges if surcharge.cents > 0)
    shipping_cents = _shipping(order)
    items_cents = max(0, total_cents - shipping_cents - fees_cents)
    gross_cents = max(listed_cents, items_cents)
    charged_shipping_cents = min(shipping_cents, total_cents)
    return _Placed(
        gross_cents,
        gross_cents - items_cents,
        charged_shipping_cents,
        total_cents - items_cents - charged_shipping_cents,
    )


def _shipping(order: Order) -> int:
    """Return what delivery cost after promotions; that it was cancelled later is not one of them."""
    discounts = (
        discount.cents
        for line in order.shipping
        for discount in line.discounts
        if discount.source != CANCELLATION
    )
    return max(0, sum(line.cents for line in order.shipping) + sum(discounts))


def _given_back(order: Order, money: Sequence[Payment]) -> tuple[int, int | None]:
    """Return the money given back so far and the goods' part of it, `None` where the store does not tell.

    Only settled refunds count: a pending one is a plan. What went back to a voucher is no money. Goods
    that are taken out of an order without a refund give nothing back; a cancelled order gives back all.
    """
    if order.state == "Cancelled":
        return _sum(payment for payment in money if payment.state == "Settled"), None
    refunds = [refund for payment in money for refund in payment.refunds if refund.state == "Settled"]
    parts = [_goods_part(refund) for refund in refunds]
    known = [part for part in parts if part is not None]
    items_cents = sum(known) if known and len(known) == len(parts) else None
    return sum(refund.total_cents for refund in refunds), items_cents


def _goods_part(refund: Refund) -> int | None:
    """Return the goods' part of a refund: the merchant names lines or delivery, or just an amount."""
    if refund.lines or refund.shipping_cents:
        return max(0, refund.total_cents - refund.shipping_cents)
    return None


def _coupons(order: Order) -> Iterator[tuple[str, int]]:
    """Yield each coupon code with the money it took off.

    `couponCodes` proves nothing: a code whose promotion is gone stays there and takes nothing off.
    """
    for promotion in order.promotions:
        source = f"PROMOTION:{promotion.id}"
        taken_cents = -sum(discount.cents for discount in order.discounts if discount.source == source)
        if promotion.code is not None and (taken_cents > 0 or order.state == "Cancelled"):
            yield promotion.code, max(0, taken_cents)


def _voucher_uses(order: Order, state: State, config: VendureConfig) -> Iterator[VoucherUse]:
    """Yield one use per coupon. A cancelled order frees its coupon, and Vendure lets it be used again."""
    for code, amount_cents in _coupons(order):
        yield VoucherUse(
            code=code,
            order=order_key(order.code, config),
            state="void" if order.state == "Cancelled" else state,
            amount_cents=amount_cents,
            as_of=_changed_at(order),
        )


def _tender(payment: Payment, config: VendureConfig) -> Tender:
    kind = config.payment_keys.get(payment.method)
    if kind is None or payment.transaction_id is None:
        return Tender(amount_cents=payment.amount_cents)
    key = Key(kind, payment.transaction_id)
    return Tender(keys=(key,), method=METHODS.get(kind, "unknown"), amount_cents=payment.amount_cents)


def _customer(order: Order) -> Customer | None:
    """Return the CPF that was typed for this order, else the one of the shopper's account."""
    holders = (order.fields, order.customer.fields if order.customer else None)
    documents = (holder.document for holder in holders if holder is not None)
    document = next((document for document in documents if document is not None), None)
    return None if document is None else Customer(document=document)


def _changed_at(order: Order) -> datetime:
    """Return when this became true: a store without the plug-in leaves `updatedAt` alone on a refund."""
    moments = [order.updated_at]
    for payment in order.payments or ():
        moments += [payment.updated_at, *(refund.updated_at for refund in payment.refunds)]
    return max(moments)


def _sum(payments: Iterable[Payment]) -> int:
    return sum(payment.amount_cents for payment in payments)
