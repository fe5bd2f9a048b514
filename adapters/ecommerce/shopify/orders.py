"""Orders of a Shopify store as evidence: what was sold, before anything was given back.

The amounts that are read are those "before returns"; the `current` ones, which Shopify lowers, are not
(`totals_are_net_of_refunds` is no).
"""

from collections.abc import Iterator
from typing import NamedTuple

from adapters.ecommerce.shopify.settings import ShopifyConfig, order_key
from adapters.ecommerce.shopify.wire import Order, Transaction
from contracts import Customer, DocumentEvidence, Facts, Ignored, Key, Tender, VoucherUse
from contracts.documents import first_tax_id, is_tax_id
from contracts.facts import CENTS_MAX, Method, State

# shopify.dev/docs/api/admin-graphql/latest/enums/OrderDisplayFinancialStatus
PAID_STATUSES = frozenset({"PAID", "PARTIALLY_REFUNDED", "REFUNDED"})
UNPAID_STATUSES = frozenset({"PENDING", "AUTHORIZED", "PARTIALLY_PAID", "EXPIRED"})
BRAZILIAN_FIELD = "TAX_CREDENTIAL_BR"
TAKEN = frozenset({"SALE", "CAPTURE"})
METHODS: dict[str, Method] = {"pix:e2e": "pix"}
CODES_MAX = 16


def order_facts(order: Order, config: ShopifyConfig) -> Facts:
    """Return what an order says now, or why it says nothing."""
    state = _state(order)
    if state is None:
        return [Ignored(reason="unknown_status")]
    if order.currency != "BRL":
        return [Ignored(reason="foreign_currency")]
    placed = _placed(order)
    if placed is None:
        return [Ignored(reason="amounts_mismatch")]
    returned_cents, returned_items_cents = _given_back(order, state)
    evidence = DocumentEvidence(
        kind="order",
        keys=(order_key(order.id, config),),
        state=state,
        sold_at=order.processed_at,
        customer=_customer(order, config),
        gross_cents=placed.gross_cents,
        discount_cents=order.discount_cents,
        shipping_cents=placed.shipping_cents,
        fees_cents=placed.fees_cents,
        returned_cents=returned_cents,
        returned_items_cents=returned_items_cents,
        voucher_codes=tuple(code for code, _ in _coupons(order)),
        tenders=tuple(_tenders(order, config)),
        as_of=order.updated_at,
        test=order.test,
    )
    return [evidence, *_voucher_uses(order, state, config)]


def _state(order: Order) -> State | None:
    """Return what the status means, `None` for one that means nothing to us."""
    if order.status in PAID_STATUSES:
        return "captured"
    if order.status == "VOIDED" or (order.status in UNPAID_STATUSES and order.cancelled_at is not None):
        return "void"
    return "authorised" if order.status in UNPAID_STATUSES else None


class _Placed(NamedTuple):
    gross_cents: int
    shipping_cents: int
    fees_cents: int


def _placed(order: Order) -> _Placed | None:
    """Return the amounts of the order; together they make its total. `None` if its parts exceed it.

    Delivery is what remains of the total: of `totalShippingPriceSet` the reference says two things at once.
    """
    added_tax_cents = 0 if order.taxes_included else order.tax_cents
    fees_cents = added_tax_cents + order.tip_cents
    shipping_cents = order.total_cents - order.goods_cents - fees_cents
    gross_cents = order.goods_cents + order.discount_cents
    if shipping_cents < 0 or gross_cents > CENTS_MAX:
        return None
    return _Placed(gross_cents, shipping_cents, fees_cents)


def _given_back(order: Order, state: State) -> tuple[int, int | None]:
    """Return the money given back so far and the goods' part of it, `None` where the order does not tell.

    A cancelled order, and one that is refunded as a whole, gives back all of it.
    """
    if state == "captured" and (order.cancelled_at is not None or order.status == "REFUNDED"):
        return order.total_cents, None
    returned_cents = min(order.refunded_cents, order.total_cents)
    # Where taxes are added, a refund has its part of them, and of what is not told.
    told = order.taxes_included and order.refunded_shipping_cents <= returned_cents
    return returned_cents, returned_cents - order.refunded_shipping_cents if told else None


def _coupons(order: Order) -> Iterator[tuple[str, int]]:
    """Yield each discount code with the money it took off, 0 for a code of the store's own that is a percentage."""
    for discount in order.discounts.nodes[:CODES_MAX]:
        if discount.code is not None:
            yield discount.code, min(discount.value.amount or 0, order.discount_cents)


def _voucher_uses(order: Order, state: State, config: ShopifyConfig) -> Iterator[VoucherUse]:
    """Yield one use per code of a fixed amount. A cancelled order frees its codes, a refunded one does not."""
    for code, amount_cents in _coupons(order):
        if amount_cents and not order.test:
            yield VoucherUse(
                code=code,
                order=order_key(order.id, config),
                state="void" if order.cancelled_at is not None else state,
                amount_cents=amount_cents,
                as_of=order.updated_at,
            )


def _tenders(order: Order, config: ShopifyConfig) -> Iterator[Tender]:
    for transaction in order.transactions:
        if transaction.kind in TAKEN and transaction.status == "SUCCESS":
            yield _tender(transaction, config)


def _tender(transaction: Transaction, config: ShopifyConfig) -> Tender:
    kind = config.payment_keys.get(transaction.gateway or "")
    if kind is None or transaction.authorization is None:
        return Tender(amount_cents=transaction.cents)
    key = Key(kind, transaction.authorization)
    return Tender(keys=(key,), method=METHODS.get(kind, "unknown"), amount_cents=transaction.cents)


def _customer(order: Order, config: ShopifyConfig) -> Customer | None:
    """Return the first true CPF or CNPJ, else the first text that stands in a place for one.

    Shopify's own Brazilian field comes first, then the attributes of themes and payment apps; a company's
    name may hold a CNPJ, and counts only if it is one.
    """
    fields = [field.value for field in order.localized.nodes if field.key == BRAZILIAN_FIELD]
    held = {attribute.key.lower(): attribute.value for attribute in order.attributes}
    attributes = [held.get(name.lower()) for name in config.document_attributes]
    company = order.billing.company if order.billing is not None else None
    companies = [company] if company is not None and is_tax_id(company) else []
    document = first_tax_id((*fields, *attributes, *companies))
    return None if document is None else Customer(document=document)
