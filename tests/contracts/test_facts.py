from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.facts import (
    CENTS_MAX,
    Customer,
    DocumentEvidence,
    Evidence,
    Ignored,
    Key,
    Operation,
    PaymentEvidence,
    VoucherUse,
)

AS_OF = datetime(2026, 8, 3, 14, 0, tzinfo=UTC)
ATK = Key("stone:atk", "51000000000017")
cents = st.integers(0, 10**9)


def order(**members: int) -> DocumentEvidence:
    order = {"kind": "order", "keys": (Key("order:loja", "7"),), "as_of": AS_OF}
    return DocumentEvidence.model_validate({**order, **members})


def test_evidence_survives_json_unchanged() -> None:
    evidence = PaymentEvidence(
        keys=(ATK,),
        links=(Key("reservation", "9007199254740993"),),
        method="credit",
        captured_cents=12345,
        operations=(
            Operation(space="stone:tran", key="t1", amount_cents=None, instalment=2, happened_at=AS_OF),
        ),
        customer=Customer(document="529.982.247-25"),
        as_of=AS_OF,
    )
    read = TypeAdapter[PaymentEvidence | DocumentEvidence](Evidence).validate_json(evidence.model_dump_json())
    assert read == evidence
    assert read.keys == (ATK,)


@given(gross=cents, discount=cents, shipping=cents, fees=cents, loyalty=cents)
def test_a_document_that_adds_up_splits_into_goods_and_the_rest(
    gross: int, discount: int, shipping: int, fees: int, loyalty: int
) -> None:
    members = {
        "gross_cents": gross,
        "discount_cents": discount,
        "shipping_cents": shipping,
        "fees_cents": fees,
    }
    total = gross - discount + shipping + fees
    if discount > gross or loyalty > total:
        with pytest.raises(ValidationError):
            order(**members, paid_with_loyalty_cents=loyalty)
        return
    document = order(**members, paid_with_loyalty_cents=loyalty)
    assert document.total_cents == total
    assert document.money_cents == total - loyalty
    assert 0 <= document.items_cents <= document.money_cents
    assert document.items_cents in (0, gross - discount - loyalty)


def test_more_goods_given_back_than_money_is_refused() -> None:
    assert order(gross_cents=10, returned_cents=5, returned_items_cents=5).returned_items_cents == 5
    with pytest.raises(ValidationError):
        order(gross_cents=10, returned_cents=5, returned_items_cents=6)


@pytest.mark.parametrize("amount", [-1, CENTS_MAX + 1, 1.0, "1", True])
def test_an_amount_is_whole_centavos_within_bounds_or_refused(amount: object) -> None:
    with pytest.raises(ValidationError):
        PaymentEvidence(keys=(ATK,), as_of=AS_OF, captured_cents=amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "key",
    [
        ("Stone:atk", "1"),
        ("stone:", "1"),
        ("stone:atk", ""),
        ("stone:atk", "1 2"),
        ("stone:atk", "1\n"),
        ("stone:atk", "x" * 129),
        ("stone:atk", "é"),
        ("stone:atk\n", "1"),
    ],
)
def test_a_key_of_odd_kind_or_value_is_refused(key: tuple[str, str]) -> None:
    with pytest.raises(ValidationError):
        PaymentEvidence(keys=(Key(*key),), as_of=AS_OF)


def test_evidence_needs_a_key_and_an_aware_instant() -> None:
    with pytest.raises(ValidationError):
        PaymentEvidence(keys=(), as_of=AS_OF)
    with pytest.raises(ValidationError):
        PaymentEvidence(keys=(ATK,), as_of=AS_OF.replace(tzinfo=None))


def test_a_fact_cannot_be_changed_nor_say_more_than_it_may() -> None:
    fact = Ignored(reason="order.closed")
    with pytest.raises(ValidationError):
        fact.reason = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Ignored.model_validate({"reason": "order.closed", "trust": "file"})


def test_neither_repr_nor_refusal_shows_a_person_or_a_voucher() -> None:
    customer = Customer(document="529.982.247-25", phone="+5511987654321")
    assert "529" not in repr(customer)
    assert "98765" not in repr(customer)
    used = VoucherUse(code="SECRETCODE", order=ATK, state="captured", amount_cents=1, as_of=AS_OF)
    assert "SECRETCODE" not in repr(used)
    with pytest.raises(ValidationError) as refused:
        Customer(document="529.982.247-25" * 3)
    assert "529" not in str(refused.value)
