"""VTEX's messages, as far as they are read: developers.vtex.com/docs/api-reference/orders-api.

Of money the orders API knows whole centavos only; the gift-card protocol, which knows reais, is not here.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, RootModel, StringConstraints

from contracts.facts import CENTS_MAX, Cents, Instant
from contracts.wire import DocumentText, Wire, Word

_flag = BeforeValidator(lambda value: value is True)

OrderId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Handle = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
Signed = Annotated[int, Field(ge=-CENTS_MAX, le=CENTS_MAX)]
Flag = Annotated[bool, _flag]


class Origin(Wire):
    account: Annotated[str, Field(alias="Account")]


class Notification(Wire):
    """What the hook sends: which order changed. Its state is not read, the order is."""

    order_id: Annotated[OrderId, Field(alias="OrderId")]
    origin: Annotated[Origin, Field(alias="Origin")]


class Event(Wire):
    """One item of the feed. `handle` takes it off the queue."""

    order_id: Annotated[OrderId, Field(alias="orderId")]
    handle: Handle


class Feed(RootModel[tuple[Event, ...]]):
    """Answer of `GET /api/orders/feed`."""


class Listed(Wire):
    order_id: Annotated[OrderId, Field(alias="orderId")]
    created_at: Annotated[Instant, Field(alias="creationDate")]


class Paging(Wire):
    pages: Annotated[int, Field(ge=0)]


class OrderList(Wire):
    """Answer of `GET /api/oms/pvt/orders`."""

    listed: Annotated[tuple[Listed, ...], Field(alias="list")]
    paging: Paging


class Total(Wire):
    id: str
    value: Signed


class Client(Wire):
    document: DocumentText = Field(default=None, repr=False)
    company: Annotated[DocumentText, Field(default=None, alias="corporateDocument", repr=False)]


class Preferences(Wire):
    currency: Annotated[str, Field(alias="currencyCode")]


class Payment(Wire):
    group: str | None = None
    value: Cents
    tid: Word = None
    gift_card_provider: Annotated[str | None, Field(default=None, alias="giftCardProvider")]


class Transaction(Wire):
    active: Annotated[Flag, Field(default=False, alias="isActive")]
    payments: tuple[Payment, ...] = ()


class Payments(Wire):
    transactions: tuple[Transaction, ...] = ()


class Returned(Wire):
    freight: Annotated[Flag, Field(default=False, alias="useFreight")]
    compensation: Annotated[Flag, Field(default=False, alias="isCompensation")]


class Refund(Wire):
    value: Cents
    items: tuple[Returned, ...] | None = None


class Restitutions(Wire):
    refund: Annotated[Refund | None, Field(default=None, alias="Refund")]


class Package(Wire):
    """An invoice: `Output` of what is sent, `Input` of what came back."""

    type: str | None = None
    value: Annotated[Cents, Field(default=0, alias="invoiceValue")]
    restitutions: Restitutions | None = None


class Packages(Wire):
    packages: tuple[Package, ...] = ()


class Order(Wire):
    id: Annotated[OrderId, Field(alias="orderId")]
    status: str
    origin: str
    value: Cents
    totals: tuple[Total, ...]
    rounding: Annotated[Signed, Field(default=0, alias="roundingError")]
    created_at: Annotated[Instant, Field(alias="creationDate")]
    changed_at: Annotated[Instant, Field(alias="lastChange")]
    authorized_at: Annotated[Instant | None, Field(default=None, alias="authorizedDate")]
    preferences: Annotated[Preferences, Field(alias="storePreferencesData")]
    client: Annotated[Client | None, Field(default=None, alias="clientProfileData")]
    paid: Annotated[Payments | None, Field(default=None, alias="paymentData")]
    packed: Annotated[Packages | None, Field(default=None, alias="packageAttachment")]
