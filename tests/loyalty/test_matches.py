"""Matches without a common key: unique in both directions, one-to-one, a function of the window."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loyalty.matches import Match, Sighting, is_decidable, match

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def seen(
    ref: str, minute: int = 0, cents: int = 500, *, terminal: str | None = None, owner: str | None = None
) -> Sighting:
    return Sighting(ref, "loja-1", cents, NOON + minute * MINUTE, terminal, owner)


def test_the_serial_of_the_terminal_and_the_amount_match_within_ten_minutes() -> None:
    payment = seen("p", terminal="S1")

    assert match([payment], [seen("t", 10, terminal="S1")]) == (Match("p", "t", "terminal"),)
    assert match([payment], [seen("t", 11, terminal="S1")]) == ()
    assert match([payment], [seen("t", 1, terminal="S2")]) == ()
    assert match([payment], [seen("t", 1, cents=501, terminal="S1")]) == ()


def test_the_same_customer_and_amount_match_within_thirty_minutes() -> None:
    payment = seen("p", owner="ana")

    assert match([payment], [seen("t", 30, owner="ana")]) == (Match("p", "t", "owner"),)
    assert match([payment], [seen("t", 31, owner="ana")]) == ()
    assert match([payment], [seen("t", 1, owner="bia")]) == ()


def test_amount_and_time_alone_never_match() -> None:
    assert match([seen("p")], [seen("t")]) == ()


def test_other_merchants_never_match() -> None:
    elsewhere = Sighting("t", "loja-2", 500, NOON, "S1", "ana")

    assert match([seen("p", terminal="S1", owner="ana")], [elsewhere]) == ()


def test_two_equal_coffees_stay_two_sales() -> None:
    payments = [seen("p1", terminal="S1"), seen("p2", 3, terminal="S1")]

    assert match(payments, [seen("t1", 1, terminal="S1")]) == ()
    assert match(payments, [seen("t1", 1, terminal="S1"), seen("t2", 4, terminal="S1")]) == ()


def test_what_the_terminal_decided_is_no_rival_for_the_customer() -> None:
    payments = [seen("p1", terminal="S1", owner="ana"), seen("p2", 15, owner="ana")]
    tenders = [seen("t1", 1, terminal="S1", owner="ana"), seen("t2", 16, owner="ana")]

    assert match(payments, tenders) == (Match("p1", "t1", "terminal"), Match("p2", "t2", "owner"))


def test_a_window_is_decided_when_it_is_covered_or_quiet() -> None:
    quiet, heard = timedelta(hours=72), [NOON, NOON + MINUTE]

    assert is_decidable(heard, covered=True, now=NOON, quiet=quiet)
    assert not is_decidable(heard, covered=False, now=NOON + quiet, quiet=quiet)
    assert is_decidable(heard, covered=False, now=NOON + quiet + MINUTE, quiet=quiet)


SIGHTINGS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from((500, 700)),
        st.sampled_from(("S1", "S2", None)),
        st.sampled_from(("ana", None)),
    ),
    max_size=6,
)


@given(SIGHTINGS, SIGHTINGS, st.randoms(use_true_random=False))
def test_matches_are_one_to_one_and_no_function_of_order(
    left: list[tuple[int, int, str | None, str | None]],
    right: list[tuple[int, int, str | None, str | None]],
    random: Random,
) -> None:
    payments = [seen(f"p{n}", at, cents, terminal=s, owner=o) for n, (at, cents, s, o) in enumerate(left)]
    tenders = [seen(f"t{n}", at, cents, terminal=s, owner=o) for n, (at, cents, s, o) in enumerate(right)]

    found = match(payments, tenders)

    assert len({m.payment for m in found}) == len({m.tender for m in found}) == len(found)
    random.shuffle(payments)
    random.shuffle(tenders)
    assert match(payments, tenders) == found
