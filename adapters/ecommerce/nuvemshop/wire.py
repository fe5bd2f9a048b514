"""Nuvemshop's API, as far as it is read: tiendanube.github.io/api-documentation.

Amounts are decimal texts and become centavos here; whatever is a person's stays out, but for the document.
"""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, RootModel

from contracts import Malformed, cents
from contracts.facts import Instant
from contracts.wire import DocumentText, Wire, Word


def _reais(value: Any) -> int:
    if value is None:
        return 0
    if not isinstance(value, str):
        raise ValueError("not a decimal text")  # noqa: TRY004 -- pydantic turns it into a fault of this place
    try:
        return cents(value)
    except Malformed as malformed:
        raise ValueError(malformed.why) from None


def _instant(value: Any) -> datetime | None:
    # "2022-02-23T12:25:18+0000": the offset without a colon.
    if value is None:
        return None
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)"
    if not isinstance(value, str) or not re.fullmatch(shape, value, re.ASCII):
        raise ValueError("not an instant with its zone")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("no such instant") from None


def _number(value: Any) -> Any:
    return str(value) if type(value) is int else value


Amount = Annotated[int, BeforeValidator(_reais), Field(ge=0)]
At = Annotated[Instant, BeforeValidator(_instant)]
MaybeAt = Annotated[Instant | None, BeforeValidator(_instant)]
# A number in one place and its text in another.
StoreId = Annotated[str, BeforeValidator(_number), Field(pattern=r"^[0-9]{1,20}$")]
Id = Annotated[int, Field(ge=1, lt=1 << 63)]
Stated = Annotated[bool, BeforeValidator(lambda value: value is not None)]


class Notification(Wire):
    """A webhook names what it is about. Those that the privacy law asks for name no event, only whose data."""

    store_id: StoreId
    event: str = ""
    id: Id | None = None
    orders_to_redact: Stated = False
    data_request: Stated = False
    cart_id: Stated = False


class Coupon(Wire):
    id: Id
    code: Word = Field(default=None, repr=False)
    deleted_at: Stated = False


class UsedCoupon(Wire):
    code: Word = Field(default=None, repr=False)


class Buyer(Wire):
    """Only there if the app has the scope `read_customers`."""

    identification: DocumentText = Field(default=None, repr=False)


class PaymentDetails(Wire):
    method: str | None = None


class Order(Wire):
    id: Id
    status: str
    payment_status: str
    currency: str
    subtotal: Amount
    discount: Amount = 0
    discount_coupon: Amount = 0
    shipping_cost_customer: Amount = 0
    total: Amount
    coupon: tuple[UsedCoupon, ...] | None = None
    gateway: Word = None
    gateway_id: Word = None
    payment_details: PaymentDetails | None = None
    contact_identification: DocumentText = Field(default=None, repr=False)
    customer: Buyer | None = None
    created_at: At
    updated_at: At
    paid_at: MaybeAt = None


class Unreadable(Wire):
    """An order of a list that is not as documented. It must not hold up the others."""


class Orders(RootModel[tuple[Annotated[Order | Unreadable, Field(union_mode="left_to_right")], ...]]):
    """A page of `GET /orders`."""


class Coupons(RootModel[tuple[Coupon, ...]]):
    """A page of `GET /coupons`."""


class Store(Wire):
    id: StoreId
    main_currency: str
    original_domain: str


class Deleted(Wire):
    """The answer to a `DELETE`: nothing."""


class Token(Wire):
    """What the sign-in brings: a token that does not expire, and the store, which is called a user there."""

    access_token: str = Field(min_length=1, max_length=256, repr=False)
    user_id: StoreId
