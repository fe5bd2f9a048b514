"""WooCommerce's REST API v3, as far as it is read: woocommerce.github.io/woocommerce-rest-api-docs.

Amounts are decimal texts, `*_gmt` instants lack their zone; both are made exact here, once.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, RootModel

from contracts import Malformed, cents
from contracts.facts import CENTS_MAX, Instant
from contracts.wire import DocumentText, Wire, Word


def _reais(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("not a decimal text")  # noqa: TRY004 -- pydantic turns it into a fault of this place
    try:
        return cents(value, negative=True)
    except Malformed as malformed:
        raise ValueError(malformed.why) from None


def _gmt(value: Any) -> datetime | None:
    # "2031-01-09T14:03:09", without a zone: the field's name says it.
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value, re.ASCII):
        raise ValueError("not an instant of GMT")
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("no such instant") from None


Gmt = Annotated[Instant, BeforeValidator(_gmt)]
MaybeGmt = Annotated[Instant | None, BeforeValidator(_gmt)]
Amount = Annotated[int, BeforeValidator(_reais), Field(ge=0)]
Signed = Annotated[int, BeforeValidator(_reais), Field(ge=-CENTS_MAX)]
Id = Annotated[int, Field(ge=1, lt=1 << 63)]


class Identified(Wire):
    """All that a message about a deleted order holds."""

    id: Id


class RefundSum(Wire):
    """A refund as the order itself tells it: with a minus, and without what it was for."""

    total: Signed


class Billing(Wire):
    """Of the plug-in Brazilian Market; without it neither field is there."""

    cpf: DocumentText = Field(default=None, repr=False)
    cnpj: DocumentText = Field(default=None, repr=False)


class Meta(Wire):
    key: str
    value: DocumentText = Field(default=None, repr=False)


class Line(Wire):
    """Of goods: `subtotal` before discounts, `total` after them, both without tax."""

    subtotal: Amount
    subtotal_tax: Amount
    total: Amount
    total_tax: Amount


class Fee(Wire):
    """A charge, or with a minus a discount: so plug-ins reward payment by Pix."""

    total: Signed
    total_tax: Signed


class CouponLine(Wire):
    code: Word = Field(default=None, repr=False)
    discount: Amount
    discount_tax: Amount


class Order(Wire):
    id: Id
    status: str
    currency: str
    date_created_gmt: MaybeGmt = None
    date_modified_gmt: Gmt
    date_paid_gmt: MaybeGmt = None
    total: Amount
    shipping_total: Amount
    shipping_tax: Amount
    billing: Billing = Billing()
    meta_data: tuple[Meta, ...] = ()
    payment_method: Word = None
    transaction_id: Word = None
    line_items: tuple[Line, ...]
    fee_lines: tuple[Fee, ...] = ()
    coupon_lines: tuple[CouponLine, ...] = ()
    # What they are made of stands at /orders/{id}/refunds.
    refunds: tuple[RefundSum, ...] = ()


class Unreadable(Wire):
    """An order of a list that is not as documented. It must not hold up the others."""


class RefundLine(Wire):
    """What of a line was given back: with a minus."""

    total: Signed
    total_tax: Signed


class Refund(Wire):
    """One refund. `amount` is what was given back, whatever the lines say."""

    date_created_gmt: Gmt
    amount: Amount
    line_items: tuple[RefundLine, ...] = ()
    shipping_lines: tuple[RefundLine, ...] = ()
    fee_lines: tuple[RefundLine, ...] = ()


class Coupon(Wire):
    id: Id
    code: str = Field(repr=False)


class Orders(RootModel[tuple[Annotated[Order | Unreadable, Field(union_mode="left_to_right")], ...]]):
    """A page of `GET /orders`."""


class Refunds(RootModel[tuple[Refund, ...]]):
    """Answer of `GET /orders/{id}/refunds`."""


class Coupons(RootModel[tuple[Coupon, ...]]):
    """Answer of `GET /coupons`."""


class Currency(Wire):
    code: str


class Fault(Wire):
    """How WordPress says no."""

    code: str = ""
