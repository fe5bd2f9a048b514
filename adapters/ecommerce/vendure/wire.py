"""What a Vendure store answers, as far as it is read; Vendure's own schema is `packages/core/src/api/schema`.

Money is whole minor units there too (`Money`, two digits), so no amount is converted.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from contracts.facts import CENTS_MAX, Cents, Instant
from contracts.wire import DocumentText, Wire, Word

Code = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Signed = Annotated[int, Field(ge=-CENTS_MAX, le=CENTS_MAX)]


class Nudge(Wire):
    """Which order changed. What it became is asked of the store.

    A store's own plug-in may send the whole order; its code is all that is read of it.
    """

    order: Annotated[
        Code, BeforeValidator(lambda value: value.get("code") if isinstance(value, dict) else value)
    ]


class Line(Wire):
    quantity: Annotated[int, Field(ge=0, le=10**6)]
    # Stays when lines are cancelled; 0 on a line that a modification added afterwards.
    placed: Annotated[int, Field(ge=0, le=10**6, alias="orderPlacedQuantity")]
    unit_cents: Annotated[Cents, Field(alias="unitPriceWithTax")]


class Discount(Wire):
    source: Annotated[str, Field(alias="adjustmentSource")]
    cents: Annotated[Signed, Field(alias="amountWithTax")]


class ShippingLine(Wire):
    # `discountedPriceWithTax` falls to 0 when the order is cancelled, by a discount of its own.
    cents: Annotated[Cents, Field(alias="priceWithTax")]
    discounts: tuple[Discount, ...] = ()


class Surcharge(Wire):
    cents: Annotated[Signed, Field(alias="priceWithTax")]


class Promotion(Wire):
    id: str
    code: Annotated[Word, Field(default=None, alias="couponCode", repr=False)]


class RefundLine(Wire):
    quantity: int


class Refund(Wire):
    state: str
    total_cents: Annotated[Cents, Field(alias="total")]
    shipping_cents: Annotated[Cents, Field(alias="shipping")]
    lines: tuple[RefundLine, ...] = ()
    updated_at: Annotated[Instant, Field(alias="updatedAt")]


class Payment(Wire):
    method: str
    state: str
    amount_cents: Annotated[Cents, Field(alias="amount")]
    transaction_id: Annotated[Word, Field(default=None, alias="transactionId")]
    refunds: tuple[Refund, ...] = ()
    updated_at: Annotated[Instant, Field(alias="updatedAt")]


class CpfField(Wire):
    document: DocumentText = Field(default=None, repr=False)


class Buyer(Wire):
    fields: Annotated[CpfField | None, Field(default=None, alias="customFields")]


class Order(Wire):
    code: Code
    type: str
    state: str
    currency: Annotated[str, Field(alias="currencyCode")]
    placed_at: Annotated[Instant | None, Field(default=None, alias="orderPlacedAt")]
    updated_at: Annotated[Instant, Field(alias="updatedAt")]
    total_cents: Annotated[Cents, Field(alias="totalWithTax")]
    lines: tuple[Line, ...]
    shipping: Annotated[tuple[ShippingLine, ...], Field(alias="shippingLines")]
    surcharges: tuple[Surcharge, ...] = ()
    discounts: tuple[Discount, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    payments: tuple[Payment, ...] | None = None
    fields: Annotated[CpfField | None, Field(default=None, alias="customFields")]
    customer: Buyer | None = None


class OrderList(Wire):
    items: tuple[Order, ...]


class Orders(Wire):
    orders: OrderList


class OrdersAnswer(Wire):
    data: Orders


class PromotionList(Wire):
    items: tuple[Promotion, ...]


class Promotions(Wire):
    promotions: PromotionList


class PromotionsAnswer(Wire):
    data: Promotions


class Created(Wire):
    """A promotion, or the error result that stands in its place."""

    id: str | None = None
    error: Annotated[
        str, StringConstraints(pattern=r"^[A-Z_]{1,60}$"), Field(default="NO_ERROR", alias="errorCode")
    ]


class Creation(Wire):
    promotion: Annotated[Created, Field(alias="createPromotion")]


class CreationAnswer(Wire):
    data: Creation


class Deleted(Wire):
    result: str


class Deletion(Wire):
    promotion: Annotated[Deleted, Field(alias="deletePromotion")]


class DeletionAnswer(Wire):
    data: Deletion


class Channel(Wire):
    id: str
    code: str


class ActiveChannel(Wire):
    channel: Annotated[Channel, Field(alias="activeChannel")]


class ChannelAnswer(Wire):
    data: ActiveChannel


class Extensions(Wire):
    code: str = "unknown"


class Error(Wire):
    extensions: Extensions = Extensions()


class Errors(Wire):
    """What every answer may hold beside its data, or instead of it."""

    errors: tuple[Error, ...] = ()
