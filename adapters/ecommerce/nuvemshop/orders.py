"""Orders of a Nuvemshop store as evidence.

Refunds leave the amounts alone (`totals_are_net_of_refunds` is no), and only a whole refund is told at all.
"""

from collections.abc import Iterator
from typing import NamedTuple

from adapters.ecommerce.nuvemshop.settings import NuvemshopConfig, order_key
from adapters.ecommerce.nuvemshop.wire import Order
from contracts import Customer, DocumentEvidence, Facts, Ignored, Key, Tender, VoucherUse
from contracts.documents import first_tax_id
from contracts.facts import CENTS_MAX, Method, State

STATUSES = frozenset({"open", "closed", "cancelled"})
PAYMENTS: dict[str, State] = {
    "pending": "authorised",
    "authorized": "authorised",
    "paid": "captured",
    "refunded": "captured",
    "voided": "void",
    "abandoned": "void",
}
METHODS: dict[str, Method] = {
    "credit_card": "credit",
    "debit_card": "debit",
    "pix": "pix",
    "boleto": "boleto",
    "cash": "cash",
}
COUPONS_MAX = 16


def order_facts(order: Order, config: NuvemshopConfig) -> Facts:
    """Return what an order says now, or why it says nothing."""
    state = _state(order)
    if state is None:
        return [Ignored(reason="unknown_status")]
    if order.currency != "BRL":
        return [Ignored(reason="foreign_currency")]
    placed = _placed(order)
    if placed is None:
        return [Ignored(reason="amounts_mismatch")]
    refunded = order.payment_status == "refunded"
    evidence = DocumentEvidence(
        kind="order",
        keys=(order_key(order.id, config),),
        state=state,
        sold_at=order.paid_at or order.created_at,
        customer=_customer(order),
        gross_cents=placed.gross_cents,
        discount_cents=placed.discount_cents,
        shipping_cents=order.shipping_cost_customer,
        returned_cents=order.total if refunded else 0,
        voucher_codes=tuple(_codes(order)),
        tenders=(_tender(order, config),),
        as_of=order.updated_at,
    )
    return [evidence, *_voucher_uses(order, state, config)]


def _state(order: Order) -> State | None:
    """Return what the store's two words mean together, `None` if one of them is new to us."""
    if order.status not in STATUSES:
        return None
    state = PAYMENTS.get(order.payment_status)
    return "void" if order.status == "cancelled" and state is not None else state


class _Placed(NamedTuple):
    gross_cents: int
    discount_cents: int


def _placed(order: Order) -> _Placed | None:
    """Return goods and discount, whichever of two ways the store's `subtotal` is meant; `None` if neither adds up.

    The reference calls it the price before shipping, and not whether the discount is still in it.
    """
    shipping_cents, discount_cents = order.shipping_cost_customer, order.discount
    if order.subtotal - discount_cents + shipping_cents == order.total and discount_cents <= order.subtotal:
        return _Placed(order.subtotal, discount_cents)
    gross_cents = order.subtotal + discount_cents
    if order.subtotal + shipping_cents == order.total and gross_cents <= CENTS_MAX:
        return _Placed(gross_cents, discount_cents)
    return None


def _codes(order: Order) -> Iterator[str]:
    for coupon in (order.coupon or ())[:COUPONS_MAX]:
        if coupon.code is not None:
            yield coupon.code


def _voucher_uses(order: Order, state: State, config: NuvemshopConfig) -> Iterator[VoucherUse]:
    """Yield one use per coupon. The store tells one sum for all of them: each may have taken that much."""
    for code in _codes(order):
        yield VoucherUse(
            code=code,
            order=order_key(order.id, config),
            state=state,
            amount_cents=order.discount_coupon,
            as_of=order.updated_at,
        )


def _tender(order: Order, config: NuvemshopConfig) -> Tender:
    details = order.payment_details
    method = METHODS.get((details.method if details else None) or "", "unknown")
    kind = config.payment_keys.get(order.gateway or "")
    keys = (Key(kind, order.gateway_id),) if kind and order.gateway_id else ()
    return Tender(keys=keys, method=method, amount_cents=order.total)


def _customer(order: Order) -> Customer | None:
    """Return the first true CPF or CNPJ, that of the order before that of the account, else the first text."""
    places = (order.contact_identification, order.customer.identification if order.customer else None)
    document = first_tax_id(places)
    return None if document is None else Customer(document=document)
