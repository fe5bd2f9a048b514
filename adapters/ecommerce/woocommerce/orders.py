"""Orders of a WooCommerce shop as evidence: what was sold, before anything was given back.

WooCommerce leaves an order's amounts alone when it is refunded (`totals_are_net_of_refunds` is no), so they are
read as they stand, and what was given back comes from the refunds.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters.ecommerce.woocommerce.settings import WooCommerceConfig, order_key
from adapters.ecommerce.woocommerce.wire import Fee, Line, Order, Refund, RefundLine
from contracts import Customer, DocumentEvidence, Facts, Ignored, Key, Tender, VoucherUse
from contracts.documents import first_tax_id
from contracts.facts import CENTS_MAX, Method, State

UNPAID_STATUSES = frozenset({"pending", "on-hold"})
# A shop may take any of these back, also after payment. What it says last counts: `void` can be undone.
VOID_STATUSES = frozenset({"cancelled", "failed", "trash"})
DRAFT_STATUSES = frozenset({"checkout-draft", "auto-draft"})
METHODS: dict[str, Method] = {"pix:e2e": "pix"}
COUPONS_MAX = 16


def order_facts(order: Order, refunds: Sequence[Refund] | None, config: WooCommerceConfig) -> Facts:
    """Return what an order says now, or why it says nothing. `refunds` is `None` where they were not asked for."""
    state = _state(order, config)
    if state is None:
        return [Ignored(reason="not_placed" if order.status in DRAFT_STATUSES else "unknown_status")]
    if order.currency != "BRL":
        return [Ignored(reason="foreign_currency")]
    if order.status == "trash" and order.date_paid_gmt is not None:
        return [Ignored(reason="deleted_after_payment")]  # bookkeeping: nobody got money back
    placed = _placed(order)
    if placed is None:
        return [Ignored(reason="amounts_mismatch")]
    as_of = max([order.date_modified_gmt, *(refund.date_created_gmt for refund in refunds or ())])
    returned_cents, returned_items_cents = _given_back(order, refunds)
    evidence = DocumentEvidence(
        kind="order",
        keys=(order_key(order.id, config),),
        state=state,
        sold_at=order.date_paid_gmt or order.date_created_gmt,
        customer=_customer(order, config),
        gross_cents=placed.gross_cents,
        discount_cents=placed.discount_cents,
        shipping_cents=placed.shipping_cents,
        fees_cents=placed.fees_cents,
        returned_cents=returned_cents,
        returned_items_cents=returned_items_cents,
        voucher_codes=tuple(code for code, _ in _coupons(order)),
        tenders=(_tender(order, config),),
        as_of=as_of,
    )
    return [evidence, *_voucher_uses(order, state, as_of, config)]


def _state(order: Order, config: WooCommerceConfig) -> State | None:
    """Return what the shop's word means, `None` for one it does not mean anything to us."""
    if order.status in VOID_STATUSES:
        return "void"
    if order.status == "refunded":
        return "captured"
    if order.status in config.paid_statuses:
        return "authorised" if order.date_paid_gmt is None else "captured"
    return "authorised" if order.status in UNPAID_STATUSES else None


class _Placed(NamedTuple):
    gross_cents: int
    discount_cents: int
    shipping_cents: int
    fees_cents: int


def _placed(order: Order) -> _Placed | None:
    """Return the amounts of the order, tax included; together they make `total`, which is what was charged.

    `None` if the parts do not explain the total. A centavo a line is what rounding of taxes explains.
    """
    shipping_cents = order.shipping_total + order.shipping_tax
    fees_cents = sum(fee for fee in map(_with_tax, order.fee_lines) if fee > 0)
    rebates_cents = -sum(fee for fee in map(_with_tax, order.fee_lines) if fee < 0)
    listed_cents = sum(line.subtotal + line.subtotal_tax for line in order.line_items)
    stated_cents = sum(map(_with_tax, order.line_items)) - rebates_cents
    goods_cents = order.total - shipping_cents - fees_cents
    lines = len(order.line_items) + len(order.fee_lines)
    if abs(goods_cents - stated_cents) > lines or max(listed_cents, order.total) > CENTS_MAX:
        return None
    items_cents = max(0, goods_cents)
    gross_cents = max(listed_cents, items_cents)
    # A rebate larger than the goods takes off delivery, too.
    charged_shipping_cents = min(shipping_cents, order.total - items_cents)
    charged_fees_cents = order.total - items_cents - charged_shipping_cents
    return _Placed(gross_cents, gross_cents - items_cents, charged_shipping_cents, charged_fees_cents)


def _with_tax(line: Line | Fee | RefundLine) -> int:
    return line.total + line.total_tax


def _given_back(order: Order, refunds: Sequence[Refund] | None) -> tuple[int, int | None]:
    """Return the money given back so far and the goods' part of it, `None` where the shop does not tell."""
    if order.status == "refunded":
        return order.total, None
    if refunds is None:
        return min(max(0, -sum(refund.total for refund in order.refunds)), order.total), None
    parts = [_goods_part(refund) for refund in refunds]
    known = [part for part in parts if part is not None]
    returned_cents = min(sum(refund.amount for refund in refunds), order.total)
    if len(known) < len(parts):
        return returned_cents, None
    return returned_cents, min(sum(known), returned_cents)


def _goods_part(refund: Refund) -> int | None:
    """Return the goods' part of a refund if its lines explain its amount: a lump sum names none."""
    goods_cents = _sum(refund.line_items)
    rest_cents = _sum(refund.shipping_lines) + _sum(refund.fee_lines)
    return goods_cents if goods_cents >= 0 and goods_cents + rest_cents == refund.amount else None


def _sum(lines: Iterable[RefundLine]) -> int:
    return -sum(map(_with_tax, lines))


def _coupons(order: Order) -> Iterator[tuple[str, int]]:
    """Yield each coupon code, which WooCommerce keeps in lower case, with the money it took off."""
    for line in order.coupon_lines[:COUPONS_MAX]:
        if line.code is not None:
            yield line.code, min(line.discount + line.discount_tax, CENTS_MAX)


def _voucher_uses(
    order: Order, state: State, as_of: datetime, config: WooCommerceConfig
) -> Iterator[VoucherUse]:
    """Yield one use per coupon. A refunded order keeps its coupon used, a cancelled one frees it."""
    for code, amount_cents in _coupons(order):
        yield VoucherUse(
            code=code, order=order_key(order.id, config), state=state, amount_cents=amount_cents, as_of=as_of
        )


def _tender(order: Order, config: WooCommerceConfig) -> Tender:
    kind = config.payment_keys.get(order.payment_method or "")
    if kind is None or order.transaction_id is None:
        return Tender(amount_cents=order.total)
    key = Key(kind, order.transaction_id)
    return Tender(keys=(key,), method=METHODS.get(kind, "unknown"), amount_cents=order.total)


def _customer(order: Order, config: WooCommerceConfig) -> Customer | None:
    """Return the first true CPF or CNPJ, else the first text that stands in such a place.

    Which field a shop keeps it in depends on its plug-ins, and with the block checkout on the shop alone.
    """
    metas = {meta.key: meta.value for meta in order.meta_data}
    places = (order.billing.cpf, *(metas.get(name) for name in config.document_metas), order.billing.cnpj)
    document = first_tax_id(places)
    return None if document is None else Customer(document=document)
