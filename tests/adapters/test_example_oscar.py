"""The one-file connector of examples/: what a shop of somebody's own says, and what comes of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts import (
    Customer,
    Delivery,
    DocumentEvidence,
    Forged,
    HmacBody,
    Ignored,
    Key,
    Malformed,
    Reply,
    Request,
)
from contracts.facts import AnyFact
from contracts.plans import run
from gateway.catalogue import connector_at

NOW = datetime(2031, 1, 9, 15, 0, tzinfo=UTC)
OSCAR = connector_at(Path(__file__).parents[2] / "examples/connectors/oscar.py")
CONFIG = OSCAR.config.model_validate({"shop": "praca", "secret": "invented-secret-of-the-shop"})
ORDER = {
    "number": "200017",
    "status": "new",
    "currency": "BRL",
    "date_placed": "2031-01-09T11:03:09-03:00",
    "total_incl_tax": "94.800000000000",
    "shipping_incl_tax": "10.00",
    "items_before_discounts": "99.80",
    "vouchers": [{"code": "PONTE-200017"}, {"code": None}],
    "cpf": "CPF 529.982.247-25",
}


def said(topic: str = "order.placed", **changes: Any) -> AnyFact:
    assert OSCAR.webhook is not None
    body = json.dumps({**ORDER, **changes}).encode()
    (fact,) = run(OSCAR.webhook.receive(Delivery(body, {"x-peer-topic": topic}), CONFIG), never)
    return fact


def never(request: Request) -> Reply:
    raise AssertionError(f"the shop is asked nothing: {request.path}")


def test_an_order_is_told_whole() -> None:
    placed = datetime(2031, 1, 9, 14, 3, 9, tzinfo=UTC)
    assert said() == DocumentEvidence(
        kind="order",
        keys=(Key("order:praca", "200017"),),
        sold_at=placed,
        gross_cents=9980,
        discount_cents=1500,
        shipping_cents=1000,
        voucher_codes=("PONTE-200017",),
        customer=Customer(document="529.982.247-25"),
        as_of=placed,
    )


def test_a_cancelled_order_is_given_back_whole() -> None:
    fact = said("order.cancelled", status="Cancelled")
    assert isinstance(fact, DocumentEvidence)
    assert (fact.returned_cents, fact.money_cents) == (9480, 9480)


@pytest.mark.parametrize("notes", [None, "", "deixar na portaria 123", "529.982.247-251"])
def test_notes_without_a_cpf_are_no_customer(notes: str | None) -> None:
    fact = said(cpf=notes)
    assert isinstance(fact, DocumentEvidence)
    assert fact.customer is None


def test_what_is_no_order_of_ours_is_ignored_and_what_contradicts_itself_refused() -> None:
    assert said("product.changed") == Ignored(reason="topic_ignored")
    assert said(currency="ARS") == Ignored(reason="foreign_currency")
    with pytest.raises(Malformed, match="total_incl_tax"):
        said(total_incl_tax="109.81")


def test_only_the_shop_is_believed() -> None:
    assert OSCAR.webhook is not None
    signature = OSCAR.webhook.signature(CONFIG)
    assert isinstance(signature, HmacBody)
    proof = signature.sign(b"{}")
    signature.check(Delivery(b"{}", proof), NOW)
    with pytest.raises(Forged):
        signature.check(Delivery(b"{ }", proof), NOW)
