"""Shopify's GraphQL Admin API, as far as it is read: shopify.dev/docs/api/admin-graphql.

Amounts are decimal texts inside `shopMoney`, the store's own currency; they are made centavos here, once.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from contracts import Malformed, cents
from contracts.facts import Cents, Instant
from contracts.wire import DocumentText, Wire, Word


def _reais(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("not a decimal text")  # noqa: TRY004 -- pydantic turns it into a fault of this place
    try:
        return cents(value)
    except Malformed as malformed:
        raise ValueError(malformed.why) from None


def _in_the_shops_money(value: Any) -> Any:
    """Return the amount of a `MoneyBag`; what is none is refused by the type behind this one."""
    money = value.get("shopMoney") if isinstance(value, dict) else None
    return _reais(money.get("amount") if isinstance(money, dict) else None)


Bag = Annotated[Cents, BeforeValidator(_in_the_shops_money)]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
Id = Annotated[int, Field(ge=1, lt=1 << 63)]


class OrderHook(Wire):
    """What is believed of a webhook about an order: which one. Its body lacks the CPF."""

    id: Id


class RefundHook(Wire):
    order_id: Id


class LocalizedField(Wire):
    key: str
    value: DocumentText = Field(default=None, repr=False)


class LocalizedFields(Wire):
    nodes: tuple[LocalizedField, ...] = ()


class Attribute(Wire):
    key: str
    value: DocumentText = Field(default=None, repr=False)


class Address(Wire):
    company: DocumentText = Field(default=None, repr=False)


class Money(Wire):
    """Of a discount: an amount, or, where it is a percentage, none."""

    amount: Annotated[Cents | None, BeforeValidator(_reais), Field(default=None)]


class Discount(Wire):
    """How a discount came to be; only one by a code has a `code`."""

    code: Word = Field(default=None, repr=False)
    value: Money


class Discounts(Wire):
    nodes: tuple[Discount, ...] = ()


class Transaction(Wire):
    kind: str
    status: str
    gateway: Word = None
    authorization: Annotated[Word, Field(default=None, alias="authorizationCode")]
    cents: Annotated[Bag, Field(alias="amountSet")]


class Order(Wire):
    id: Annotated[Digits, Field(alias="legacyResourceId")]
    status: Annotated[str | None, Field(default=None, alias="displayFinancialStatus")]
    test: bool
    currency: Annotated[str, Field(alias="currencyCode")]
    taxes_included: Annotated[bool, Field(alias="taxesIncluded")]
    processed_at: Annotated[Instant, Field(alias="processedAt")]
    updated_at: Annotated[Instant, Field(alias="updatedAt")]
    cancelled_at: Annotated[Instant | None, Field(default=None, alias="cancelledAt")]
    # All of them before returns, as the reference has it; `current...` would be net of them.
    total_cents: Annotated[Bag, Field(alias="totalPriceSet")]
    goods_cents: Annotated[Bag, Field(alias="subtotalPriceSet")]
    discount_cents: Annotated[Bag, Field(alias="totalDiscountsSet")]
    tax_cents: Annotated[Bag, Field(alias="totalTaxSet")]
    tip_cents: Annotated[Bag, Field(alias="totalTipReceivedSet")]
    refunded_cents: Annotated[Bag, Field(alias="totalRefundedSet")]
    refunded_shipping_cents: Annotated[Bag, Field(alias="totalRefundedShippingSet")]
    discounts: Annotated[Discounts, Field(default=Discounts(), alias="discountApplications")]
    transactions: tuple[Transaction, ...] = ()
    localized: Annotated[LocalizedFields, Field(default=LocalizedFields(), alias="localizedFields")]
    attributes: Annotated[tuple[Attribute, ...], Field(default=(), alias="customAttributes")]
    billing: Annotated[Address | None, Field(default=None, alias="billingAddress")]


class NamedOrder(Wire):
    order: Order | None


class OrderAnswer(Wire):
    data: NamedOrder


class Unreadable(Wire):
    """An order of a list that is not as documented. It must not hold up the others."""


class Turn(Wire):
    more: Annotated[bool, Field(alias="hasNextPage")]
    cursor: Annotated[str | None, Field(default=None, alias="endCursor")]


class OrderList(Wire):
    nodes: tuple[Annotated[Order | Unreadable, Field(union_mode="left_to_right")], ...]
    turn: Annotated[Turn, Field(alias="pageInfo")]


class Orders(Wire):
    orders: OrderList


class OrdersAnswer(Wire):
    data: Orders


class Node(Wire):
    id: str


class Found(Wire):
    node: Annotated[Node | None, Field(alias="codeDiscountNodeByCode")]


class FoundAnswer(Wire):
    data: Found


class UserError(Wire):
    """A no to what was asked for. Its message repeats it, and is not read."""

    code: str | None = None


class Changed(Wire):
    node: Annotated[Node | None, Field(default=None, alias="codeDiscountNode")]
    errors: Annotated[tuple[UserError, ...], Field(alias="userErrors")]


class Creation(Wire):
    made: Annotated[Changed, Field(alias="discountCodeBasicCreate")]


class CreationAnswer(Wire):
    data: Creation


class Deletion(Wire):
    made: Annotated[Changed, Field(alias="discountCodeDelete")]


class DeletionAnswer(Wire):
    data: Deletion


class Shop(Wire):
    domain: Annotated[str, Field(alias="myshopifyDomain")]
    name: str
    currency: Annotated[str, Field(alias="currencyCode")]


class ThisShop(Wire):
    shop: Shop


class ShopAnswer(Wire):
    data: ThisShop


class Extensions(Wire):
    code: str = "UNKNOWN"


class Error(Wire):
    extensions: Extensions = Extensions()


class Errors(Wire):
    """What every answer may hold beside its data, or instead of it."""

    errors: tuple[Error, ...] = ()


class Token(Wire):
    """The answer of the sign-in; of an app whose tokens do not expire it has no refresh token."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]{8,256}$")]
    refresh_token: Annotated[str, StringConstraints(pattern=r"^[!-~]{0,256}$")] = ""
