"""The assertions about convergence, as far as they are pure; that about lots and expiry is the ledger's.

A failure names its seed: `generate(seed)` of `history.py` is the whole counter-example.
"""

from datetime import timedelta
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.facts import TRUSTS, DocumentEvidence, Key, PaymentEvidence
from loyalty.award import units
from loyalty.evidence import NOTHING_COVERED, Claim, Given, Statement
from loyalty.payments import kept_of_operations
from loyalty.sales import Sale, converge, name_sales
from tests.loyalty import oracle, properties
from tests.loyalty.desk import EPOCH, stamp
from tests.loyalty.history import RATES, ZONE, generate

ORDER, OTHER, ATK = Key("order:loja", "77"), Key("order:loja", "78"), Key("stone:atk", "1")


def test_after_the_last_file_every_history_comes_to_the_truth() -> None:
    properties.check_truth(range(1_500))


@pytest.mark.parametrize("first", range(0, 2_000, 500))
def test_two_thousand_shuffles_with_duplicates_and_losses_post_the_truth(first: int) -> None:
    properties.check_shuffles(range(first, first + 500))


def test_every_permutation_of_six_batches_is_the_set_at_every_step_and_the_truth_at_the_end() -> None:
    properties.check_permutations(range(5_000, 5_004))


def test_delivery_by_delivery_the_incremental_result_is_that_of_the_set() -> None:
    properties.check_every_arrival(range(10_000, 10_120))


def test_repeated_evidence_and_a_poll_of_old_figures_write_no_movement() -> None:
    properties.check_repeats(range(20_000, 20_200))


def test_a_device_alone_adds_no_unit_and_removes_none_after_coverage() -> None:
    properties.check_forgeries(range(30_000, 30_600))


def test_the_histories_hold_what_the_properties_are_about() -> None:
    purchases = [p for seed in range(300) for p in generate(seed).purchases]
    payments = [p for purchase in purchases for p in purchase.payments]
    kinds = {b.kind for p in payments for b in p.back}

    assert kinds == {"return", "chargeback", "reinstatement"}
    assert any(p.mistaken for p in payments)
    assert any(p.relisted for p in payments if p.back)
    assert any(len(p.instalments) > 1 for p in payments)
    assert any(p.cancelled for p in purchases)
    assert any(p.loyalty_cents for p in purchases)
    assert any(len(p.invoices) > 1 and p.ordered for p in purchases)
    assert any(len({cpf for _, _, cpf in p.said_owner}) > 1 for p in purchases)
    assert any(oracle.truth(p, RATES, ZONE).kept.denominator > 1 for p in purchases)


# ------------------------------------------------------------------------------------------ arithmetic of one payment
GROSS = st.lists(st.integers(1, 1000), min_size=1, max_size=4)
TAKINGS = st.lists(
    st.tuples(st.sampled_from(("return", "chargeback")), st.integers(1, 1500), st.none() | st.integers(1, 5)),
    max_size=6,
)


def _ops(takings: list[tuple[str, int, int | None]]) -> list[Given]:
    return [
        Given(f"k{n}", "return" if kind == "return" else "chargeback", cents, instalment, EPOCH)
        for n, (kind, cents, instalment) in enumerate(takings)
    ]


@given(GROSS, TAKINGS)
def test_kept_lies_between_nothing_and_the_capture_and_only_falls(
    gross: list[int], takings: list[tuple[str, int, int | None]]
) -> None:
    ops = _ops(takings)
    kept = [kept_of_operations(gross, ops[:n]) for n in range(len(ops) + 1)]

    assert kept[0] == sum(gross)
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] >= max(0, sum(gross) - sum(op.amount_cents for op in ops))


@given(GROSS, TAKINGS)
def test_reinstating_every_chargeback_leaves_the_refunds_alone(
    gross: list[int], takings: list[tuple[str, int, int | None]]
) -> None:
    ops = _ops(takings)
    won = [
        Given(op.key, "reinstatement", op.amount_cents, op.instalment, EPOCH)
        for op in ops
        if op.kind == "chargeback"
    ]

    assert kept_of_operations(gross, [*ops, *won]) == kept_of_operations(
        gross, [op for op in ops if op.kind == "return"]
    )


@given(GROSS)
def test_refunds_of_every_instalment_leave_exactly_nothing(gross: list[int]) -> None:
    assert kept_of_operations(gross, _ops([("return", cents, n) for n, cents in enumerate(gross, 1)])) == 0


# ------------------------------------------------------------------------------------------ views that cannot agree
@given(st.integers(1, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_what_no_view_knows_wholly_lies_between_the_truths_and_is_flagged(
    money: int, store: int, acquirer: int
) -> None:
    store, acquirer = min(store, money), min(acquirer, money)
    order = DocumentEvidence(
        keys=(ORDER,), kind="order", gross_cents=money, returned_cents=store, as_of=EPOCH
    )
    payment = PaymentEvidence(
        keys=(ATK,), links=(ORDER,), captured_cents=money, returned_cents=acquirer, as_of=EPOCH
    )

    (sale,) = converge(
        [stamp(order, "signed", EPOCH), stamp(payment, "signed", EPOCH)], (), NOTHING_COVERED, ZONE
    )

    distinct, same = max(0, money - store - acquirer), money - max(store, acquirer)
    assert distinct <= sale.kept <= same
    assert ("returns_disagree" in sale.flags) == (store != acquirer)
    assert sale.views == (() if store == acquirer else (("order", store), ("payments", acquirer)))


@settings(max_examples=40)
@given(st.integers(1, 10_000), st.integers(0, 3000), st.data())
def test_refunds_of_a_document_in_pieces_end_at_exactly_zero(
    goods: int, shipping: int, data: st.DataObject
) -> None:
    so_far, total = 0, goods + shipping
    kept = [Fraction(goods)]
    while so_far < total:
        so_far = data.draw(st.integers(so_far + 1, total))
        order = DocumentEvidence(
            keys=(ORDER,),
            kind="order",
            gross_cents=goods,
            shipping_cents=shipping,
            returned_cents=so_far,
            as_of=EPOCH,
        )
        (sale,) = converge([stamp(order, "signed", EPOCH)], (), NOTHING_COVERED, ZONE)
        kept.append(sale.kept)

    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == units(kept[-1], 7_000_000) == 0


# ------------------------------------------------------------------------------------------ owners and names
def _paid(ref: str, *links: Key, owner: str | None = None, hours: int = 0) -> PaymentEvidence:
    said = {"keys": (Key("stone:atk", ref),), "links": links, "captured_cents": 500}
    said["as_of"] = EPOCH + timedelta(hours=hours)
    return PaymentEvidence.model_validate({**said, "customer": {"document": owner} if owner else None})


def test_the_operator_decides_last_and_a_claim_only_where_nobody_spoke() -> None:
    terminal = stamp(_paid("1", owner="ana"), "device", EPOCH)
    silent = stamp(_paid("1"), "device", EPOCH)
    claim = Claim("c1", ATK, "eve", EPOCH)
    decided = [
        Claim(f"d{n}", ATK, who, EPOCH + timedelta(days=n), decided=True)
        for n, who in enumerate(("bia", "caio"))
    ]

    def owner(said: list[object], claims: list[Claim]) -> tuple[str | None, tuple[str, ...]]:
        (sale,) = converge(said, claims, NOTHING_COVERED, ZONE)  # type: ignore[arg-type]
        return sale.owner, sale.flags

    assert owner([silent], [claim]) == ("eve", ())
    assert owner([terminal], [claim]) == ("ana", ("owner_conflict",))
    assert owner([terminal], [claim, decided[0]]) == ("bia", ())
    assert owner([terminal], [*reversed(decided), claim]) == ("caio", ())


def test_within_a_rank_the_earliest_word_names_the_owner() -> None:
    early, late = _paid("1", ORDER, owner="bia"), _paid("2", ORDER, owner="ana", hours=1)

    (sale,) = converge(
        [stamp(late, "signed", EPOCH), stamp(early, "signed", EPOCH)], (), NOTHING_COVERED, ZONE
    )

    assert sale.owner == "bia"


def test_a_claimed_document_names_an_owner_no_better_than_a_terminal() -> None:
    said = {"keys": (ORDER,), "kind": "order", "gross_cents": 500, "as_of": EPOCH + timedelta(hours=1)}
    forged = DocumentEvidence.model_validate({**said, "customer": {"document": "eve"}})

    (sale,) = converge(
        [stamp(forged, "declared", EPOCH), stamp(_paid("1", ORDER, owner="ana"), "signed", EPOCH)],
        (),
        NOTHING_COVERED,
        ZONE,
    )

    assert sale.owner == "ana"


def _sale(*statement_ids: str) -> Sale:
    return Sale(statement_ids, ATK, EPOCH, None, 0, Fraction(0), 0, 0, True, False, None, (), None)  # noqa: FBT003


def test_a_merge_keeps_the_oldest_id_and_a_split_leaves_it_with_the_oldest_evidence() -> None:
    age = {name: (EPOCH + timedelta(hours=n), name) for n, name in enumerate("abcd")}

    assert name_sales([_sale("a", "b", "c")], {"b": "s2", "a": "s1"}, age) == ("s1",)
    assert name_sales([_sale("b", "d"), _sale("a", "c")], {"a": "s1", "b": "s1", "c": "s1"}, age) == (
        None,
        "s1",
    )
    assert name_sales([_sale("a", "c"), _sale("b")], {"a": "s1", "b": "s2", "c": "s2"}, age) == ("s1", "s2")
    assert name_sales([_sale("d")], {}, age) == (None,)


CENTS = st.integers(0, 2_000)
STATES = st.sampled_from(["authorised", "captured", "void"])
TRUST = st.sampled_from(TRUSTS)
HOURS = st.integers(0, 30)


@st.composite
def _operations(draw: st.DrawFn) -> tuple[dict[str, object], ...]:
    def operation(n: int) -> dict[str, object]:
        kind = draw(st.sampled_from(["return", "chargeback", "reinstatement"]))
        at = EPOCH + timedelta(hours=draw(HOURS))
        return {
            "space": "s",
            "key": f"k{n}",
            "kind": kind,
            "amount_cents": draw(st.none() | CENTS),
            "happened_at": at,
        }

    return tuple(operation(n) for n in range(draw(st.sampled_from((0, 0, 0, 1, 2)))))


@st.composite
def _anything(draw: st.DrawFn) -> Statement:
    """What any source may say, true or not, of two payments and of three documents of two kinds."""
    at = EPOCH + timedelta(hours=draw(HOURS))
    said = {"state": draw(STATES), "sold_at": EPOCH, "as_of": at, "operations": draw(_operations())}
    atks = (Key("stone:atk", "1"), Key("stone:atk", "2"))
    if draw(st.booleans()):
        figures = {name: draw(st.none() | CENTS) for name in ("returned_cents", "charged_back_cents")}
        told: dict[str, object] = {
            "keys": (draw(st.sampled_from(atks)),),
            "links": draw(st.sampled_from([(), (ORDER,)])),
        }
        paid = {"method": "credit", "captured_cents": draw(st.none() | CENTS)}
        return stamp(PaymentEvidence.model_validate(said | figures | told | paid), draw(TRUST), EPOCH)
    returned, gross = draw(CENTS), draw(CENTS)
    money = {
        "gross_cents": gross + draw(st.integers(0, 500)), "shipping_cents": draw(st.integers(0, 300)),
        "paid_with_loyalty_cents": draw(st.integers(0, gross)), "returned_cents": returned,
        "returned_items_cents": draw(st.none() | st.integers(0, returned)),
    }  # fmt: skip
    kind, key = draw(st.sampled_from([("order", ORDER), ("fiscal", Key("nfe:chave", "9")), ("order", OTHER)]))
    told = {"keys": (key,), "kind": kind, "links": draw(st.sampled_from([(), atks[:1], atks]))}
    return stamp(DocumentEvidence.model_validate(said | money | told), draw(TRUST), EPOCH)


@settings(max_examples=3_000)
@given(
    st.lists(_anything(), min_size=1, max_size=4, unique_by=lambda s: s.digest),
    st.randoms(use_true_random=False),
)
def test_whatever_anybody_says_a_sale_keeps_no_less_than_nothing_and_no_more_than_its_base(
    said: list[Statement], random: Random
) -> None:
    sales = converge(said, (), NOTHING_COVERED, ZONE)
    assert all(0 <= sale.kept <= sale.base_cents for sale in sales)
    random.shuffle(said)
    assert converge(said, (), NOTHING_COVERED, ZONE) == sales
