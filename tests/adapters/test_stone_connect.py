import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.stone.connect import receive, signature
from adapters.stone.connector import connector
from adapters.stone.settings import SIGNATURE_HEADER, StoneConfig
from contracts import RS256, Basic, Delivery, Forged, Ignored, Malformed, PaymentEvidence, Reply, Request
from contracts.conformance.conversations import config_of, hold
from contracts.conformance.samples import Sample, read
from contracts.facts import AnyFact, Facts, Method
from contracts.plans import is_steps, run

NOW = datetime(2031, 1, 9, 14, 3, 12, tzinfo=UTC)
PRIVATE = generate_private_key(65537, 2048)
KEYS = {"k1": PRIVATE.public_key()}
SAMPLES = Path(__file__).parents[2] / "adapters/stone/samples"
PAID = read(SAMPLES / "charge_paid.http")
CONFIRMED = read(SAMPLES / "charge_paid_confirmed.http")
PAID_CONFIG = config_of(PAID, connector)
CONFIRMED_CONFIG = config_of(CONFIRMED, connector)

Change = Callable[[Any], object]


def message(change: Change, sample: Sample = PAID) -> bytes:
    document = json.loads(sample.delivery.body)
    change(document)
    return json.dumps(document).encode()


def facts(body: bytes) -> Facts:
    """Return what a signed message of this body says; the five errors are raised."""
    result = hold(replace(PAID, delivery=Delivery(body)), connector).result
    if isinstance(result, Exception):
        raise result
    return list(result)


def answer(sample: Sample) -> Reply:
    """Return Stone's answer to the one question of a sample."""
    reply = sample.exchanges[0].reply
    assert reply is not None
    return reply


def said(**charge: Any) -> AnyFact:
    """Return the one fact of a paid charge with these fields changed."""
    event = charge.pop("event", "charge.paid")
    [fact] = facts(message(lambda m: (m.update(type=event), m["data"].update(charge))))
    return fact


def payment(**charge: Any) -> PaymentEvidence:
    fact = said(**charge)
    assert isinstance(fact, PaymentEvidence)
    return fact


def always(reply: Reply) -> Callable[[Request], Reply]:
    return lambda _request: reply


def kinds(evidence: PaymentEvidence) -> list[str]:
    return [key.kind for key in evidence.keys]


def test_stones_signature_opens_the_door_and_four_forgeries_do_not() -> None:
    scheme = signature(PAID_CONFIG)
    assert isinstance(scheme, RS256)
    body = PAID.delivery.body
    headers = scheme.sign(body, "k1", PRIVATE)
    scheme.check(Delivery(body, headers), NOW, KEYS)
    reasons = []
    for forged, held, keys in (
        (body.replace(b"4590", b"9590"), headers, KEYS),
        (body, scheme.sign(body, "k1", generate_private_key(65537, 2048)), KEYS),
        (body, {}, KEYS),
        (body, headers, {}),
    ):
        with pytest.raises(Forged) as caught:
            scheme.check(Delivery(forged, held), NOW, keys)
        reasons.append(caught.value.reason)
    assert reasons == ["wrong", "wrong", "absent", "unknown_key"]
    assert list(headers) == [SIGNATURE_HEADER]


def test_a_basic_installation_opens_to_its_password_only_and_never_to_a_signature() -> None:
    scheme = signature(CONFIRMED_CONFIG)
    assert isinstance(scheme, Basic)
    scheme.check(Delivery(b"", scheme.sign()), NOW)
    signed = RS256("https://keys.example", SIGNATURE_HEADER).sign(b"", "k1", PRIVATE)
    for headers in ({}, signed, Basic("ponte", "guessed").sign(), Basic("eve", "invented-password").sign()):
        with pytest.raises(Forged):
            scheme.check(Delivery(b"", headers), NOW, KEYS)


def test_the_message_of_another_account_is_forged_even_if_well_signed() -> None:
    with pytest.raises(Forged) as caught:
        facts(message(lambda m: m["account"].update(id="acc_Other")))
    assert caught.value.reason == "other_account"


def test_an_unsigned_webhook_is_believed_in_nothing_but_the_charge_it_names() -> None:
    asked: list[Request] = []

    def stone(request: Request) -> Reply:
        asked.append(request)
        return answer(CONFIRMED)

    [fact] = run(receive(CONFIRMED.delivery, CONFIRMED_CONFIG), stone)
    assert isinstance(fact, PaymentEvidence)
    assert (fact.captured_cents, fact.trust) == (4590, "confirmed")
    assert [(r.method, r.path, dict(r.headers)) for r in asked] == [
        ("GET", "/charges/ch_7dKq0PbHcVs4TnYe", {"servicereferername": "5f0invented"})
    ]


def test_a_charge_that_stone_does_not_know_is_ignored_and_another_one_is_malformed() -> None:
    plan = receive(CONFIRMED.delivery, CONFIRMED_CONFIG)
    assert run(plan, always(Reply(404))) == [Ignored(reason="charge_not_found")]
    other = Reply(200, answer(CONFIRMED).body.replace(b"ch_7dKq0PbHcVs4TnYe", b"ch_Other"))
    timeless = Reply(
        200,
        re.sub(rb'"(paid|created|updated)_at": "[^"]+"', rb'"\1_at": null', answer(CONFIRMED).body),
    )
    for reply in (other, timeless, Reply(200, b"{}"), Reply(418)):
        with pytest.raises(Malformed):
            run(receive(CONFIRMED.delivery, CONFIRMED_CONFIG), always(reply))


@given(data=st.data())
def test_a_mutated_answer_of_stone_is_malformed_or_understood(data: st.DataObject) -> None:
    body = bytearray(answer(CONFIRMED).body)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    plan = receive(CONFIRMED.delivery, CONFIRMED_CONFIG)
    try:
        facts = run(plan, always(Reply(200, bytes(body))))
    except Malformed:
        return
    assert all(fact.about in {"payment", "ignored"} for fact in facts)


def test_an_order_that_stone_still_has_open_keeps_its_reservation() -> None:
    sample = read(SAMPLES / "order_closed_confirmed.http")
    config = config_of(sample, connector)
    body = answer(sample).body.replace(b'"closed": true', b'"closed": false')
    for status, reason in ((b"paid", "order_still_open"), (b"", "order_not_found")):
        reply = Reply(200, body.replace(b'"canceled"', b'"%s"' % status)) if status else Reply(404)
        plan = receive(sample.delivery, config)
        assert run(plan, always(reply)) == [Ignored(reason=reason)]
    with pytest.raises(Malformed):
        run(receive(sample.delivery, config), always(Reply(200, body.replace(b"or_Yh5", b"or_Xx5"))))


def test_a_name_that_would_lead_elsewhere_is_never_asked_for() -> None:
    for named in ("ch_1/../../orders", "ch_1?x=1", "../ch_1", "ch_", ""):
        body = CONFIRMED.delivery.body.replace(b"ch_7dKq0PbHcVs4TnYe", named.encode())
        with pytest.raises(Malformed):
            is_steps(receive(Delivery(body), CONFIRMED_CONFIG))


@pytest.mark.parametrize("code", ["4477", "5100000000001a", "510000000000170", "５1000000000017", "", None])
def test_a_code_that_has_not_the_shape_of_an_atk_is_no_key(code: str | None) -> None:
    assert kinds(payment(code=code)) == ["pagarme:charge", "stone:itk", "reservation"]


@pytest.mark.parametrize(
    ("metadata", "code", "number"),
    [
        ({"loyalty_reservation": "42"}, "PDV7-1001", "42"),
        ({"loyalty_reservation": 42}, None, "42"),
        ({"loyalty_reservation": {"a": 1}}, "x", None),
        ({"loyalty_reservation": True}, "x", None),
        ({}, "5170000000000000042", "5170000000000000042"),
        ({}, "1001", None),
        ({}, "20310109140311", None),
        ({"loyalty_reservation": "9223372036854775808"}, "x", None),
        ({"loyalty_reservation": "0731"}, "x", None),
        (None, None, None),
    ],
)
def test_a_reservation_is_a_63_bit_number_of_ours(
    metadata: Any, code: str | None, number: str | None
) -> None:
    keys = payment(order={"id": "or_1", "code": code, "metadata": metadata}).keys
    assert [key.value for key in keys if key.kind == "reservation"] == ([number] if number else [])


@pytest.mark.parametrize(
    ("funding", "transaction", "method"),
    [
        ("debit", "cash", "debit"),
        ("Credit", "cash", "credit"),
        ("prepaid", "cash", "prepaid"),
        ("voucher", "cash", "voucher"),
        (None, "pix", "pix"),
        (None, "credit_card", "credit"),
        (None, "cash", "unknown"),
        ("barter", "cash", "unknown"),
    ],
)
def test_the_funding_source_tells_the_method_and_cash_tells_nothing(
    funding: str | None, transaction: str, method: Method
) -> None:
    fact = payment(
        metadata={"account_funding_source": funding}, last_transaction={"transaction_type": transaction}
    )
    assert fact.method == method


def test_what_was_paid_earns_and_never_what_the_order_asks() -> None:
    assert payment(paid_amount=4000).captured_cents == 4000
    assert payment(paid_amount=None).captured_cents == 4590
    assert payment(event="charge.overpaid", paid_amount=5000).captured_cents == 5000
    with pytest.raises(Malformed):
        said(event="charge.underpaid", paid_amount=None)
    with pytest.raises(Malformed):
        said(status="overpaid", paid_amount=None)


def test_texts_padded_with_blanks_or_empty_are_read_as_they_are_meant() -> None:
    metadata = json.loads(PAID.delivery.body)["data"]["metadata"]
    padded = {name: f" {value}  " for name, value in metadata.items() if name != "transaction_timestamp"}
    assert payment(code="51000000000017 ", metadata={**metadata, **padded}) == payment()
    emptied = payment(metadata=dict.fromkeys(padded, ""))
    assert (emptied.terminal_ref, emptied.method, kinds(emptied)[-1]) == (None, "unknown", "reservation")


def test_a_charge_without_an_order_stands_for_itself() -> None:
    assert (payment(order=None).links, kinds(payment(order=None))) == (
        (),
        ["stone:atk", "pagarme:charge", "stone:itk"],
    )


def test_webhook_and_terminal_name_the_same_sale_alike() -> None:
    [reported] = hold(read(SAMPLES / "terminal_approved.http"), connector).facts
    assert isinstance(reported, PaymentEvidence)
    assert {key.kind for key in set(reported.keys) & set(payment().keys)} == {
        "stone:atk",
        "stone:itk",
        "reservation",
    }
    assert abs(reported.sold_at - payment().sold_at).total_seconds() < 1  # type: ignore[operator]


def test_the_instalments_of_a_purchase_do_not_change_what_it_says() -> None:
    metadata = json.loads(PAID.delivery.body)["data"]["metadata"]
    facts = [payment(metadata={**metadata, "installment_quantity": count}) for count in ("0", "1", "10", "")]
    assert facts.count(facts[0]) == 4


def test_only_money_that_moved_is_captured() -> None:
    assert (payment(event="charge.updated", status="pending").state, payment().state) == (
        "authorised",
        "captured",
    )
    for status in ("processing", "pending", "a_new_status"):
        waiting = payment(event="charge.updated", status=status, canceled_amount=0)
        assert (waiting.state, waiting.captured_cents, waiting.sold_at) == ("authorised", None, None)
    given_up = payment(event="charge.updated", status="canceled", paid_at=None, paid_amount=None)
    assert (given_up.state, given_up.captured_cents) == ("void", None)
    undone = payment(event="charge.updated", status="canceled")
    assert (undone.state, undone.captured_cents, undone.returned_cents) == ("captured", 4590, 4590)


def test_a_refund_counts_by_the_total_and_never_by_the_one_operation() -> None:
    last = {"id": "tran_2", "amount": 300, "status": "canceled"}
    partial = payment(event="charge.partial_canceled", canceled_amount=900, last_transaction=last)
    assert (partial.returned_cents, partial.operations) == (900, ())
    full = payment(event="charge.refunded", canceled_amount=None, last_transaction=last)
    assert (full.returned_cents, full.state) == (4590, "captured")
    alone = payment(event="charge.partial_canceled", canceled_amount=None, last_transaction=last)
    assert [(op.space, op.key, op.amount_cents) for op in alone.operations] == [
        ("pagarme:transaction", "tran_2", 300)
    ]
    with pytest.raises(Malformed):
        said(event="charge.partial_canceled", canceled_amount=None, last_transaction=None)


def test_a_chargeback_takes_all_that_remained() -> None:
    fact = payment(event="charge.chargedback", canceled_amount=590)
    assert (fact.returned_cents, fact.charged_back_cents) == (590, 4000)


@pytest.mark.parametrize("amount", [-1, 45.9, 4590.0, "4590", True, 10**12, [4590]])
@pytest.mark.parametrize("field", ["amount", "paid_amount", "canceled_amount"])
def test_an_amount_that_is_no_whole_centavos_is_malformed_and_not_repeated(field: str, amount: Any) -> None:
    with pytest.raises(Malformed) as caught:
        said(**{field: amount})
    assert f"data.{field}" in caught.value.why
    assert str(amount) not in caught.value.why


def test_foreign_money_and_failed_attempts_are_ignored_by_name() -> None:
    assert said(currency="USD") == Ignored(reason="currency_not_brl")
    assert said(event="charge.updated", status="failed") == Ignored(reason="charge_not_paid")
    with pytest.raises(Malformed):
        said(currency=None)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("charge.payment_failed", "charge_not_paid"),
        ("charge.antifraud_reproved", "charge_not_paid"),
        ("order.created", "order_earns_nothing"),
        ("chargeback.received", "chargeback_received"),
        ("subscription.created", "type_unknown"),
        ("529.982.247-25", "type_unknown"),
    ],
)
def test_an_event_that_moves_no_money_is_ignored_whatever_it_holds(event: str, reason: str) -> None:
    body = message(lambda m: m.update(type=event, data=None))
    assert facts(body) == [Ignored(reason=reason)]


def test_an_order_without_a_reservation_closes_nothing() -> None:
    body = message(
        lambda m: m.update(type="order.closed", data={"id": "or_1", "code": "PDV7-1", "closed": True})
    )
    assert facts(body) == [Ignored(reason="order_without_reservation")]


def test_the_document_of_an_order_is_taken_only_if_the_installation_says_so_and_it_is_one() -> None:
    config = PAID_CONFIG.model_copy(update={"use_customer_document": True})
    for held, wanted in (("529.982.247-25", "52998224725"), ("529.982.247-26", None), ("", None)):
        body = PAID.delivery.body.replace(b"529.982.247-25", held.encode())
        [fact] = run(receive(Delivery(body), config), always(Reply(500)))
        assert isinstance(fact, PaymentEvidence)
        assert (fact.customer.document if fact.customer else None) == wanted
    assert payment().customer is None


def test_a_basic_installation_without_its_secrets_is_refused_and_none_is_shown() -> None:
    given = {"account_id": "acc_1", "authenticity": "basic", "basic_user": "u", "basic_password": "hush-hush"}
    with pytest.raises(ValidationError) as caught:
        StoneConfig.model_validate(given)
    assert "hush" not in str(caught.value)
    assert connector.credentials(PAID_CONFIG).headers() == {}
    assert connector.credentials(CONFIRMED_CONFIG).headers()["authorization"].startswith("Basic ")
    assert connector.base_url is not None
    assert connector.base_url(PAID_CONFIG) == "https://api.pagar.me/core/v5"


@pytest.mark.parametrize(
    "address", ["http://keys.example/jwks", "ftp://x", "http://127.0.0.1.evil.example/", ""]
)
def test_keys_are_never_fetched_over_a_wire_that_anyone_may_change(address: str) -> None:
    with pytest.raises(ValidationError):
        StoneConfig(account_id="acc_1", jwks_url=address)
    assert StoneConfig(account_id="acc_1", jwks_url="http://127.0.0.1:8099/jwks").jwks_url.endswith("/jwks")
