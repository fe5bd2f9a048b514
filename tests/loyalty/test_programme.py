"""What held at an instant: append-only versions, and none holds before it was recorded."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.programme import Campaign, Rate, campaign_in_force, in_force, rate_in_force
from loyalty.refusals import TEXTS, Refusal

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rate(micro: int, starts: int, *, recorded: int = -100, ends: int | None = None) -> Rate:
    until = None if ends is None else NOON + ends * HOUR
    return Rate(micro, NOON + starts * HOUR, NOON + recorded * HOUR, until)


def campaign(name: str, milli: int, *, partner: str | None = None, minimum: int = 0) -> Campaign:
    return Campaign(name, name, milli, NOON, NOON + HOUR, NOON - 100 * HOUR, partner, minimum)


def test_the_rate_that_started_last_holds_from_its_first_instant() -> None:
    rates = [rate(7, -10), rate(9, 0)]

    assert in_force(rates, NOON - timedelta(microseconds=1)) == rates[0]
    assert in_force(rates, NOON) == rates[1]
    assert in_force(rates, NOON - 11 * HOUR) is None


def test_a_rate_that_ended_leaves_none_even_if_an_older_one_never_ended() -> None:
    rates = [rate(7, -10), rate(9, -2, ends=0)]

    assert rate_in_force(rates, NOON - HOUR) == rates[1]
    assert rate_in_force(rates, NOON) is None


def test_of_two_versions_with_one_start_the_latest_recorded_holds() -> None:
    first, correction = rate(7, 0, recorded=-3), rate(9, 0, recorded=-2)

    assert in_force([correction, first], NOON) == correction


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 50)), max_size=5),
    st.integers(-60, 60),
    st.integers(0, 9),
)
def test_a_version_recorded_now_never_changes_what_held_before(
    known: list[tuple[int, int]], at: int, ahead: int
) -> None:
    rates = [rate(n, start, recorded=start - early) for n, (start, early) in enumerate(known)]
    now = at + 1
    new = rate(99, now + ahead, recorded=now)

    assert in_force([*rates, new], NOON + at * HOUR) == in_force(rates, NOON + at * HOUR)
    assert in_force([*rates, new], NOON + 1000 * HOUR) is not None


def test_a_campaign_runs_from_its_start_until_just_before_its_end() -> None:
    double = campaign("dobro", 2000)

    assert campaign_in_force([double], "p", NOON, 0) == double
    assert campaign_in_force([double], "p", NOON + HOUR, 0) is None
    assert campaign_in_force([double], "p", NOON - HOUR, 0) is None


def test_one_campaign_applies_the_best_then_the_first_id() -> None:
    campaigns = [
        campaign("b", 2000),
        campaign("a", 2000),
        campaign("z", 3000, minimum=500),
        campaign("y", 9000, partner="q"),
    ]

    assert campaign_in_force(campaigns, "p", NOON, 499) == campaigns[1]
    assert campaign_in_force(campaigns, "p", NOON, 500) == campaigns[2]
    assert campaign_in_force(campaigns, "q", NOON, 0) == campaigns[3]


def test_every_refusal_has_its_sentence_and_no_other_code_exists() -> None:
    assert all(Refusal(code).text == text and text.endswith(".") for code, text in TEXTS.items())
    with pytest.raises(KeyError, match="because"):
        Refusal("because")
