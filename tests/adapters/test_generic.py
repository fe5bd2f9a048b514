import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.erp.generic.connector import FACTS_MAX, GenericConfig, receive, signature
from contracts import Delivery, Facts, Forged, HmacFields, Malformed

NOW = datetime(2031, 1, 9, 15, 0, tzinfo=UTC)
AS_OF = "2031-01-09T15:00:00Z"
CONFIG = GenericConfig.model_validate(
    {"namespace": "pdv7", "secret": "invented-secret-new", "former_secret": "invented-secret-old"}
)
NAMES = {"x-ponte-key": "pdv7", "x-ponte-nonce": "n-1"}
PAYMENT = {"about": "payment", "keys": [["stone:atk", "1"]], "captured_cents": 1, "as_of": AS_OF}
ORDER = {
    "about": "document",
    "kind": "order",
    "keys": [["order:pdv7", "1"]],
    "gross_cents": 1,
    "as_of": AS_OF,
}
USE = {
    "about": "voucher_use",
    "code": "C",
    "order": ["order:pdv7", "1"],
    "state": "void",
    "amount_cents": 1,
    "as_of": AS_OF,
}
CLOSED = {"about": "reservation_closed", "reservation": ["reservation", "1"], "as_of": AS_OF}


def received(*facts: Any) -> Facts:
    return receive(Delivery(json.dumps({"facts": facts}).encode()), CONFIG)


def refused(*facts: Any) -> str:
    with pytest.raises(Malformed) as caught:
        received(*facts)
    return caught.value.why


def test_both_secrets_open_the_door_and_four_forgeries_do_not() -> None:
    body = b'{"facts":[]}'
    scheme = signature(CONFIG)
    headers = scheme.sign(body, NOW, NAMES)
    scheme.check(Delivery(body, headers), NOW)
    scheme.check(Delivery(body, HmacFields((b"invented-secret-old",)).sign(body, NOW, NAMES)), NOW)
    stranger = HmacFields((b"invented-secret-bad",))
    for forged, held, at in (
        (b'{"facts":[1]}', headers, NOW),
        (body, stranger.sign(body, NOW, NAMES), NOW),
        (body, {}, NOW),
        (body, headers, NOW + timedelta(seconds=301)),
    ):
        with pytest.raises(Forged):
            scheme.check(Delivery(forged, held), at)


def test_keys_are_written_as_pairs_or_by_name() -> None:
    assert received(PAYMENT) == received({**PAYMENT, "keys": [{"kind": "stone:atk", "value": "1"}]})


@pytest.mark.parametrize(
    "kind", ["stone:atk", "stone:itk", "pix:e2e", "pagarme:charge", "authorisation", "payment:pdv7"]
)
def test_a_payment_may_be_named_by_the_acquirer_or_by_the_system_itself(kind: str) -> None:
    assert len(received({**PAYMENT, "keys": [[kind, "1"]]})) == 1
    assert len(received({**ORDER, "tenders": [{"keys": [[kind, "1"]], "amount_cents": 1}]})) == 1


@pytest.mark.parametrize("kind", ["order:pdv7", "file:pdv7", "nfe:chave"])
def test_a_document_may_be_named_by_the_tax_office_or_by_the_system_itself(kind: str) -> None:
    assert len(received({**ORDER, "keys": [[kind, "1"]]}, {**PAYMENT, "links": [[kind, "1"]]})) == 2


@pytest.mark.parametrize(
    "kind",
    [
        "reservation",
        "launch:pdv7",
        "launch",
        "order:pdv8",
        "order",
        "file:pdv8",
        "payment:pdv8",
        "payment",
        "x:y",
    ],
)
def test_what_is_ours_or_another_systems_is_refused_wherever_it_stands(kind: str) -> None:
    key = [kind, "1"]
    assert refused({**PAYMENT, "keys": [["stone:atk", "1"], key]}).startswith("facts.0.keys.1:")
    assert refused(PAYMENT, {**PAYMENT, "links": [key]}).startswith("facts.1.links.0:")
    assert refused({**ORDER, "keys": [key]}).startswith("facts.0.keys.0:")
    assert refused({**ORDER, "links": [key]}).startswith("facts.0.links.0:")
    assert refused({**ORDER, "tenders": [{"keys": [key], "amount_cents": 1}]}).startswith(
        "facts.0.tenders.0.keys.0:"
    )
    assert refused({**USE, "order": key}).startswith("facts.0.order:")
    if kind != "reservation":
        assert refused({**CLOSED, "reservation": key}).startswith("facts.0.reservation:")


def test_a_payment_is_never_named_as_a_document_nor_a_document_as_a_payment() -> None:
    assert refused({**PAYMENT, "keys": [["order:pdv7", "1"]]})
    assert refused({**ORDER, "keys": [["stone:atk", "1"]]})
    assert refused({**PAYMENT, "links": [["stone:atk", "1"]]})


def test_one_wrong_fact_refuses_the_whole_body() -> None:
    assert (
        refused(PAYMENT, ORDER, {**PAYMENT, "captured_cents": -1})
        == "facts.2.payment.captured_cents: greater_than_equal"
    )


def test_five_hundred_facts_are_taken_and_one_more_is_not() -> None:
    assert len(received(*[PAYMENT] * FACTS_MAX)) == FACTS_MAX
    assert refused(*[PAYMENT] * (FACTS_MAX + 1)) == "facts: too_long"


@pytest.mark.parametrize("cents", [1.0, "1", True, 0.29, 10**12, -1])
def test_an_amount_is_whole_centavos_or_refused(cents: Any) -> None:
    assert refused({**PAYMENT, "captured_cents": cents}).startswith("facts.0.payment.captured_cents:")


@pytest.mark.parametrize(
    "fact",
    [
        {**PAYMENT, "52998224725": 1},
        {**PAYMENT, "about": "52998224725"},
        {**PAYMENT, "method": "52998224725"},
        {**PAYMENT, "keys": [["52998224725", "1"]]},
        {**PAYMENT, "as_of": "52998224725"},
        {**PAYMENT, "customer": {"document": "52998224725", "52998224725": "52998224725"}},
        {**ORDER, "discount_cents": 52998224725, "gross_cents": 1},
        "52998224725",
    ],
)
def test_a_refusal_names_the_place_and_never_what_stood_there(fact: Any) -> None:
    why = refused(fact)
    assert why.startswith("facts.0")
    assert "52998224725" not in why


@pytest.mark.parametrize(
    "as_of",
    ["1999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2031-01-09T15:00:00", "9999-12-31T23:59:59Z", 0],
)
def test_an_instant_without_a_zone_or_outside_these_centuries_is_refused(as_of: Any) -> None:
    assert refused({**PAYMENT, "as_of": as_of}).startswith("facts.0.payment.as_of:")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"facts":{}}', b"\xff", b'{"facts":[NaN]}', b'{"facts":[],"x":1}']
)
def test_what_is_no_list_of_facts_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        receive(Delivery(body), CONFIG)


def test_trust_is_passed_on_as_a_wish_and_ignored_is_not_a_systems_word() -> None:
    [fact] = received({**PAYMENT, "trust": "declared"})
    assert getattr(fact, "trust", None) == "declared"
    assert refused({"about": "ignored", "reason": "x"}) == "facts.0: union_tag_invalid"


@pytest.mark.parametrize(
    "change", [{"namespace": "a b"}, {"namespace": ""}, {"secret": "short"}, {"other": 1}]
)
def test_a_config_that_would_be_weak_or_ambiguous_is_refused_unseen(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        GenericConfig.model_validate({"namespace": "pdv7", "secret": "invented-secret-new", **change})
    assert "short" not in str(caught.value).replace("too_short", "").replace("string_too_short", "")
