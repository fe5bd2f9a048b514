"""What a reward costs, and when one may be had."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty import rewards
from loyalty.refusals import Refusal
from loyalty.rewards import Issues, Price, Reward

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CASHOUT = Reward("rew", "Sacar cashback", "cashout", unit_millicents=400, least_units=10, most_units=1000)
MUG = Reward("rew", "Caneca", "product", cost_units=250, amount_cents=3_000)


@pytest.mark.parametrize(
    ("reward", "units", "answer"),
    [
        (MUG, None, Price(250, 3_000)),
        (MUG, 999, Price(250, 3_000)),
        (CASHOUT, 10, Price(10, 4)),
        (CASHOUT, 1000, Price(1000, 400)),
        (CASHOUT, 9, "cashout_too_small"),
        (CASHOUT, None, "cashout_too_small"),
        (CASHOUT, 1001, "cashout_too_large"),
        (replace(CASHOUT, least_units=1), 2, "cashout_too_small"),
        (replace(CASHOUT, least_units=1), 3, Price(3, 1)),
        (replace(CASHOUT, most_units=None), 10**9, Price(10**9, 4 * 10**8)),
    ],
)
def test_a_price_is_the_reward_s_or_the_member_s_choice(
    reward: Reward, units: int | None, answer: Price | str
) -> None:
    price = rewards.price(reward, units)
    assert (price.code if isinstance(price, Refusal) else price) == answer


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_units_for_an_amount_are_the_fewest_that_are_worth_it(amount_cents: int, millicents: int) -> None:
    reward = replace(CASHOUT, unit_millicents=millicents, least_units=1, most_units=None)
    units = rewards.units_for(reward, amount_cents)
    price, less = rewards.price(reward, units), rewards.price(reward, units - 1)
    assert isinstance(price, Price)
    assert price.amount_cents >= amount_cents
    assert isinstance(less, Refusal) or less.amount_cents < amount_cents


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), st.integers(1, 10**6))
def test_cashing_out_in_parts_never_gives_more_than_at_once(parts: list[int], millicents: int) -> None:
    reward = replace(CASHOUT, unit_millicents=millicents, least_units=1, most_units=None)
    prices = [rewards.price(reward, units) for units in [sum(parts), *parts]]
    cents = [0 if isinstance(price, Refusal) else price.amount_cents for price in prices]
    assert cents[0] >= sum(cents[1:])


@pytest.mark.parametrize(
    ("terms", "issues", "answer"),
    [
        ({}, (10**6, 10**6), None),
        ({"active": False}, (0, 0), "reward_closed"),
        ({"honoured": False}, (0, 0), "reward_closed"),
        ({"opens_at": NOW}, (0, 0), None),
        ({"opens_at": NOW + timedelta(microseconds=1)}, (0, 0), "reward_closed"),
        ({"closes_at": NOW + timedelta(microseconds=1)}, (0, 0), None),
        ({"closes_at": NOW}, (0, 0), "reward_closed"),
        ({"stock": 5}, (4, 0), None),
        ({"stock": 5}, (5, 0), "reward_out_of_stock"),
        ({"stock": 0}, (0, 0), "reward_out_of_stock"),
        ({"per_member": 2}, (9, 1), None),
        ({"per_member": 2}, (9, 2), "reward_limit_reached"),
    ],
)
def test_a_reward_is_had_while_it_is_open_in_stock_and_within_the_limit(
    terms: dict[str, Any], issues: tuple[int, int], answer: str | None
) -> None:
    refusal = rewards.may_issue(replace(MUG, **terms), NOW, Issues(*issues))
    assert (refusal.code if refusal else None) == answer


def test_validity_is_counted_from_the_issue() -> None:
    assert rewards.expires_at(MUG, NOW) is None
    assert rewards.expires_at(replace(MUG, valid_days=30), NOW) == NOW + timedelta(days=30)
