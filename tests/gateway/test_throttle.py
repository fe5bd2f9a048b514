"""Wrong codes are counted, never right ones: the pace of guessing is bounded for everybody and for all together."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vouchers.throttle import ALARM, ALARMING_TRIES, WATCHED, Attempt, Throttle

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
KEY = Attempt("prg", (("key", "key_1"),), bound=False)
OTHER = Attempt("prg", (("key", "key_2"),), bound=False)
BOTH = Attempt("prg", (("key", "key_1"), ("cpf", "a hash")), bound=True)
NOTHING = timedelta()


def miss(throttle: Throttle, times: int, attempt: Attempt = KEY, at: datetime = NOW) -> None:
    for _ in range(times):
        throttle.missed(attempt, at)


def test_ten_wrong_codes_a_minute_then_one_every_six_seconds() -> None:
    throttle = Throttle()
    miss(throttle, 9)
    assert throttle.wait(KEY, NOW) == NOTHING
    miss(throttle, 1)
    assert throttle.wait(KEY, NOW) == timedelta(seconds=6)
    assert throttle.wait(OTHER, NOW) == NOTHING
    later = NOW + timedelta(seconds=6)
    assert throttle.wait(KEY, later) == NOTHING
    miss(throttle, 1, at=later)
    assert throttle.wait(KEY, later) == timedelta(seconds=6)
    assert throttle.wait(KEY, NOW + timedelta(minutes=2)) == NOTHING


def test_fifty_wrong_codes_then_fifty_an_hour() -> None:
    throttle, now, looked = Throttle(), NOW, 0
    for n in range(2 * 600 + 1):
        now = NOW + n * timedelta(seconds=6)
        if throttle.wait(KEY, now) == NOTHING:
            miss(throttle, 1, at=now)
            looked += 1
    assert looked == 50 + 2 * 50
    assert timedelta(seconds=60) < throttle.wait(KEY, now) <= timedelta(seconds=72)


def test_codes_that_are_found_cost_nothing() -> None:
    throttle = Throttle()
    for _ in range(1000):
        throttle.found(KEY, NOW)
    assert throttle.wait(KEY, NOW) == NOTHING


def test_whoever_tries_waits_for_the_slowest_of_his_names() -> None:
    throttle = Throttle()
    miss(throttle, 10, Attempt("prg", (("cpf", "a hash"),), bound=True))
    assert throttle.wait(KEY, NOW) == NOTHING
    assert throttle.wait(BOTH, NOW) == timedelta(seconds=6)


def test_an_address_stands_for_many_keys() -> None:
    throttle, proxy = Throttle(), Attempt("prg", (("address", "10.0.0.1"),), bound=False)
    miss(throttle, 99, proxy)
    assert throttle.wait(proxy, NOW) == NOTHING
    miss(throttle, 1, proxy)
    assert throttle.wait(proxy, NOW) > NOTHING


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), min_size=1, max_size=60))
def test_the_pace_holds_however_many_attempts_run_side_by_side(bursts: list[tuple[int, int]]) -> None:
    """In any span at most what the bucket held and gained is looked up, besides the one burst that overdrew."""
    throttle, now = Throttle(), NOW
    looked: list[tuple[datetime, int]] = []
    for seconds, size in bursts:
        now += timedelta(seconds=seconds)
        if throttle.wait(KEY, now) == NOTHING:
            miss(throttle, size, at=now)
            looked.append((now, size))
    for first, (start, _) in enumerate(looked):
        for span, tokens in ((timedelta(minutes=1), 10), (timedelta(hours=1), 50)):
            within = [size for at, size in looked[first:] if at < start + span]
            refilled = 1 + tokens * (min(now - start, span) / span)
            assert sum(within[:-1]) < tokens + refilled


def test_a_guessed_at_programme_asks_for_the_document_for_a_while() -> None:
    throttle = Throttle()
    alarms = [throttle.missed(Attempt("prg", (("key", f"key_{n}"),), bound=False), NOW) for n in range(300)]
    assert alarms.index(True) == ALARMING_TRIES - 1
    assert sum(alarms) == 1, "an alarm is raised once"
    assert throttle.needs_document(KEY, NOW)
    assert not throttle.needs_document(BOTH, NOW)
    assert not throttle.needs_document(Attempt("other", KEY.names, bound=False), NOW)
    assert throttle.needs_document(KEY, NOW + ALARM - timedelta(seconds=1))
    assert not throttle.needs_document(KEY, NOW + ALARM)


@pytest.mark.parametrize(("found", "missed"), [(200, 99), (0, ALARMING_TRIES - 1)])
def test_a_busy_programme_is_not_a_guessed_at_one(found: int, missed: int) -> None:
    throttle = Throttle()
    for _ in range(found):
        throttle.found(KEY, NOW)
    for n in range(missed):
        assert not throttle.missed(Attempt("prg", (("key", f"key_{n}"),), bound=False), NOW)
    assert not throttle.needs_document(KEY, NOW)


def test_old_tries_are_forgotten() -> None:
    throttle = Throttle()
    miss(throttle, ALARMING_TRIES - 1)
    assert not throttle.missed(KEY, NOW + WATCHED)


def test_names_whose_buckets_are_full_again_take_no_memory() -> None:
    throttle = Throttle()
    for n in range(20_000):
        miss(throttle, 1, Attempt("prg", (("cpf", f"hash {n}"),), bound=True), NOW + timedelta(seconds=n))
    assert len(throttle._full_at) < 1100
