"""A connector in one file: a django-oscar shop, whose developer posts each order when it is placed or cancelled.

Oscar itself sends nothing, so the message is the shop's own: an event in `x-peer-topic`, the order as JSON,
and `x-peer-hmac-sha256`, the HMAC-SHA256 of the body in base64. tests/peers has such a shop, and this file
between it and the hub:

    ponte serve --connectors-dir examples/connectors
"""

import re
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from contracts import (
    Connector,
    Customer,
    Delivery,
    DocumentEvidence,
    Facts,
    HmacBody,
    Ignored,
    Key,
    Malformed,
    Webhook,
    cents,
)
from contracts.wire import Word, parse

TOPICS = frozenset({"order.placed", "order.cancelled"})
# A guest writes the CPF into a box for notes, with a word before it or without.
CPF = re.compile(r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}(?!\d)", re.ASCII)


class OscarConfig(BaseModel):
    """One shop. `shop` is the name under which its orders are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    shop: str = Field(pattern=r"^[a-z0-9-]{2,40}$")
    secret: SecretStr = Field(min_length=16)


class Used(BaseModel):
    """A voucher of an order."""

    code: Word = None


class Order(BaseModel):
    """An order as it stands. Oscar writes amounts with up to twelve places, of which two mean anything."""

    number: str = Field(pattern=r"^[0-9]{1,20}$")
    status: str
    currency: str
    date_placed: AwareDatetime
    total_incl_tax: str
    shipping_incl_tax: str
    items_before_discounts: str
    vouchers: list[Used] = []
    cpf: Annotated[str | None, Field(max_length=200, repr=False)] = None


def signature(config: OscarConfig) -> HmacBody:
    """Return how the shop proves itself."""
    return HmacBody((config.secret.get_secret_value().encode(),), "x-peer-hmac-sha256", encoding="base64")


def receive(delivery: Delivery, config: OscarConfig) -> Facts:
    """Return all that the shop knows of the order now; a cancelled one is given back whole."""
    if delivery.headers.get("x-peer-topic") not in TOPICS:
        return [Ignored(reason="topic_ignored")]
    order = parse(Order, delivery.body)
    if order.currency != "BRL":
        return [Ignored(reason="foreign_currency")]
    total_cents, shipping_cents = cents(order.total_incl_tax), cents(order.shipping_incl_tax)
    gross_cents = cents(order.items_before_discounts)
    discount_cents = gross_cents + shipping_cents - total_cents
    if discount_cents < 0:
        raise Malformed("total_incl_tax: more than goods and delivery")
    return [
        DocumentEvidence(
            kind="order",
            keys=(Key(f"order:{config.shop}", order.number),),
            sold_at=order.date_placed,
            gross_cents=gross_cents,
            discount_cents=discount_cents,
            shipping_cents=shipping_cents,
            returned_cents=total_cents if order.status == "Cancelled" else 0,
            voucher_codes=tuple(used.code for used in order.vouchers if used.code),
            customer=_customer(order),
            # The message bears no time of its own; what is given back only grows, so none is needed.
            as_of=order.date_placed,
        )
    ]


def _customer(order: Order) -> Customer | None:
    found = CPF.search(order.cpf or "")
    return Customer(document=found[0]) if found else None


connector = Connector(
    slug="oscar",
    name="django-oscar",
    config=OscarConfig,
    docs="README.md",
    trusts=("signed",),
    webhook=Webhook(signature=signature, receive=receive),
)
