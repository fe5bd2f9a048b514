"""Awards: one exact product, one floor, caps after it, and a sentence that recomputes them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from loyalty.award import Target, Terms, award, cap_day, end_of_day, explain, terms_at, total, units
from loyalty.programme import Campaign, Category, Policy, Rate
from tests.loyalty.history import ZONE

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)
RATES = st.integers(0, 50_000_000)
MILLIS = st.integers(1, 10_000)
CENTS = st.integers(0, 10_000_000)
KEPT = st.builds(Fraction, CENTS, st.integers(1, 5000))
TERMS = st.builds(
    Terms,
    unit=st.sampled_from(("points", "cashback")),
    rate_micro=RATES,
    category_name=st.just("Ouro"),
    category_milli=st.just(1000) | MILLIS,
    campaign_name=st.just("Dobro"),
    campaign_milli=st.just(1000) | MILLIS,
    campaign_extra_max=st.none() | st.integers(0, 500),
    max_base_cents=st.none() | st.integers(1, 100_000),
    max_award_units=st.none() | st.integers(0, 5000),
)
SEVEN = Terms("points", 7_000_000)


def earned(kept: Fraction | int, terms: Terms = SEVEN, base: int = 10_000_000) -> Target:
    return award(base, Fraction(kept), NOON, terms, ZONE)


@given(KEPT, RATES, MILLIS, MILLIS)
def test_units_are_the_floor_of_the_exact_product(
    kept: Fraction, rate: int, category: int, campaign: int
) -> None:
    exact = kept / 100 * Fraction(rate, 10**6) * Fraction(category, 1000) * Fraction(campaign, 1000)

    found = units(kept, rate, category, campaign)

    assert type(found) is int
    assert 0 <= exact - found < 1


def test_there_is_one_floor_and_it_comes_last() -> None:
    terms = replace(SEVEN, rate_micro=1_500_000, category_milli=1500, campaign_milli=1500)

    assert earned(199, terms).units == 6
    assert 199 * 15 // 1000 * 15 // 10 * 15 // 10 == 4, "a floor at every step loses a third"


@given(KEPT, KEPT, TERMS)
def test_who_keeps_more_never_earns_less(one: Fraction, other: Fraction, terms: Terms) -> None:
    less, more = sorted((one, other))

    assert earned(less, terms).units <= earned(more, terms).units


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12), TERMS)
def test_refunds_in_pieces_take_back_exactly_what_was_credited(pieces: list[int], terms: Terms) -> None:
    kept = sum(pieces)
    posted = [earned(kept, terms).units]
    for piece in pieces:
        kept -= piece
        posted.append(earned(kept, terms).units - sum(posted))

    assert sum(posted) == 0
    assert all(difference <= 0 for difference in posted[1:])


@given(KEPT, TERMS)
def test_the_stored_terms_recompute_the_award(kept: Fraction, terms: Terms) -> None:
    target = earned(kept, terms)

    again = Terms(**terms.as_dict())

    assert again == terms
    assert earned(kept, again) == target
    assert (
        target.units
        <= target.desired_units
        == units(kept, again.rate_micro, again.category_milli, again.campaign_milli)
    )


@given(KEPT, TERMS)
def test_no_cap_is_exceeded(kept: Fraction, terms: Terms) -> None:
    found = earned(kept, terms).units

    if terms.max_award_units is not None:
        assert found <= terms.max_award_units
    if terms.max_base_cents is not None:
        assert found <= units(
            Fraction(terms.max_base_cents), terms.rate_micro, terms.category_milli, terms.campaign_milli
        )
    if terms.campaign_extra_max is not None:
        assert found <= units(kept, terms.rate_micro, terms.category_milli) + terms.campaign_extra_max


def test_the_minimum_is_tested_on_what_was_bought_not_on_what_is_left() -> None:
    terms = replace(SEVEN, min_sale_cents=1000)

    assert earned(10, terms, base=1000).units == 0
    assert earned(999, terms, base=1000).units == 69
    assert earned(999, terms, base=999) == Target(0, 0, "below_minimum", terms, Fraction(999))


def test_nothing_kept_has_a_reason() -> None:
    assert earned(0, base=1000).reason == "given_back"
    assert earned(0, base=0).reason == "nothing_captured"
    assert earned(14, base=14).reason == "rounds_to_zero"


TARGETS = st.lists(st.integers(0, 100).map(lambda n: Target(n, n, None, SEVEN, Fraction(n))), max_size=8)


@given(TARGETS, st.integers(0, 300))
def test_a_daily_limit_goes_to_the_first_sales_of_the_day(targets: list[Target], limit: int) -> None:
    capped = cap_day(targets, limit)

    assert total(capped) == min(limit, total(targets))
    for n, target in enumerate(capped):
        assert target.units == min(targets[n].units, max(0, limit - total(targets[:n])))
        assert (target.reason == "daily_limit") == (target.units < targets[n].units)


@given(TARGETS)
def test_without_a_daily_limit_nothing_changes(targets: list[Target]) -> None:
    assert cap_day(targets, None) == tuple(targets)


def test_points_last_until_the_end_of_the_local_day() -> None:
    late = datetime(2026, 3, 3, 2, 59, tzinfo=UTC)  # 23:59 of March 2 in São Paulo

    assert end_of_day(late, 0, ZONE) == datetime(2026, 3, 3, 3, tzinfo=UTC)
    assert end_of_day(late, 30, ZONE) == datetime(2026, 4, 2, 3, tzinfo=UTC)
    assert end_of_day(late, None, ZONE) is None


def test_terms_copy_what_held() -> None:
    policy = Policy(NOON, NOON, min_sale_cents=5, max_base_cents=6, max_award_units=7)
    category = Category("c", "Ouro", 1500, 365, NOON, NOON)
    campaign = Campaign("x", "Dobro", 2000, NOON, NOON + timedelta(days=1), NOON, max_extra_units=8)

    terms = terms_at("points", policy, Rate(7_000_000, NOON, NOON), category, campaign)

    assert terms == Terms("points", 7_000_000, "c", "Ouro", 1500, "x", "Dobro", 2000, 8, 365, 5, 6, 7)
    assert terms_at("points", policy, Rate(1, NOON, NOON), None, None).as_dict() == {
        "unit": "points", "rate_micro": 1, "category_milli": 1000, "campaign_milli": 1000,
        "min_sale_cents": 5, "max_base_cents": 6, "max_award_units": 7,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------ the sentence
def _number(text: str) -> Fraction:
    return Fraction(text.replace(".", "").replace(",", "."))


def _recomputed(sentence: str) -> tuple[int, Fraction, bool]:
    """Return what a reader computes from a sentence: the stated result, the exact product, whether it says rounded."""
    left, right = sentence.split(" = ")
    amount, *factors = left.split(" x ")
    found = re.fullmatch(r"R\$ ([\d.,]+)(?: e (\d+/\d+) de centavo)?", amount)
    assert found is not None
    product = _number(found[1]) + Fraction(found[2] or 0) / 100
    for factor in factors:
        value = re.match(r"[\d,]+", factor)
        assert value is not None
        product *= _number(value[0])
    result = re.match(r"(?:R\$ )?([\d.,]*\d)", right)
    assert result is not None
    stated = _number(result[1]) * (100 if right.startswith("R$") else 1)
    return int(stated), product, "arredondado" in right


@given(KEPT, TERMS)
def test_the_sentence_recomputes_the_award_with_its_own_figures(kept: Fraction, terms: Terms) -> None:
    target = earned(kept, terms)
    sentence = explain(target)
    if not target.desired_units:
        assert sentence.endswith(".")
        return

    stated, product, rounded = _recomputed(sentence)

    assert stated == target.desired_units == int(product)
    assert rounded == (product != stated)
    assert ("limitado a" in sentence) == (target.units < target.desired_units)


def test_the_sentence_reads_well() -> None:
    gold = replace(SEVEN, category_name="Ouro", category_milli=1500)
    cashback = Terms("cashback", 5_500_000, max_award_units=100)

    assert explain(earned(4590, gold)) == (
        "R$ 45,90 x 7 ponto(s) por R$ 1 x 1,5 (categoria Ouro) = 481 ponto(s), arredondado para baixo uma única vez."
    )
    assert explain(earned(10_000, cashback)) == "R$ 100,00 x 5,5% de cashback = R$ 5,50; limitado a R$ 1,00."
    assert explain(earned(Fraction(3000, 7))) == (
        "R$ 4,28 e 4/7 de centavo x 7 ponto(s) por R$ 1 = 30 ponto(s)."
    )
    assert explain(earned(0, base=1)) == "A compra foi cancelada ou devolvida por inteiro."
    assert explain(Target(0, 0, None, None, Fraction(0))) == "Sem crédito."
