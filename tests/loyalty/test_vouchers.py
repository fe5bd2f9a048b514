"""A voucher at its checkouts: stories of each verb, then whatever verbs in whatever order against the ledger.

Terms here: 100 centavos for 70 units, so that no part of a voucher divides evenly.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty import vouchers
from loyalty.accounts import BREAKAGE, Account, Occasion
from loyalty.refusals import Refusal
from loyalty.rewards import OnExpiry, Remainder
from loyalty.vouchers import NOTHING, Step, Use, Value, Voucher

START = datetime(2026, 3, 1, tzinfo=UTC)
DUE = START + timedelta(hours=10)
ALL = Value(100, 70)
FRESH = Voucher("vou", "ana", ALL, DUE)


def at(hour: int) -> Occasion:
    return Occasion(START + timedelta(hours=hour), START + timedelta(hours=hour), "test")


def use(name: str = "one") -> Use:
    return Use(name, "vou", "loja", None)


def reserved(voucher: Voucher = FRESH, cents: int = 100, hour: int = 1) -> tuple[Voucher, Use]:
    step = vouchers.reserve(voucher, use(), cents, at(hour))
    assert step.use is not None
    return step.voucher, step.use


def committed(voucher: Voucher = FRESH, cents: int = 100, hour: int = 1) -> tuple[Voucher, Use]:
    held, claim = reserved(voucher, cents, hour)
    step = vouchers.commit(held, claim, cents, at(hour))
    assert step.use is not None
    return step.voucher, step.use


def moved(step: Step) -> dict[str, int]:
    return {} if step.movement is None else {line.account.kind: line.units for line in step.movement.postings}


def quoted(voucher: Voucher, **asked: Any) -> int | str:
    order = {"partner_id": "loja", "order_cents": 1000, "at": START, **asked}
    answer = vouchers.quote(voucher, **order)
    return answer.code if isinstance(answer, Refusal) else answer


# -------------------------------------------------------------------------------------------- what it gives
@pytest.mark.parametrize(
    ("terms", "asked", "answer"),
    [
        ({}, {}, 100),
        ({}, {"order_cents": 60}, 60),
        ({}, {"asked_cents": 30}, 30),
        ({}, {"asked_cents": 30, "order_cents": 20}, 20),
        ({}, {"asked_cents": 100}, 100),
        ({}, {"asked_cents": 101}, "voucher_too_small"),
        ({}, {"order_cents": 0}, "order_below_minimum"),
        ({"minimum_cents": 500}, {"order_cents": 500}, 100),
        ({"minimum_cents": 500}, {"order_cents": 499}, "order_below_minimum"),
        ({"partner_id": "loja"}, {}, 100),
        ({"partner_id": "posto"}, {}, "voucher_elsewhere"),
        ({}, {"at": DUE - timedelta(microseconds=1)}, 100),
        ({}, {"at": DUE}, "voucher_expired"),
        ({"ended": "expired"}, {}, "voucher_expired"),
        ({"ended": "revoked"}, {}, "voucher_revoked"),
        ({"ended": "revoked"}, {"at": DUE}, "voucher_revoked"),
        ({"free": NOTHING, "spent": ALL}, {}, "voucher_spent"),
        ({"free": NOTHING, "held": ALL}, {}, "voucher_reserved"),
        ({"free": Value(40, 28), "held": Value(60, 42)}, {}, 40),
        ({"free": Value(40, 28), "held": Value(60, 42), "remainder": "forfeit"}, {}, "voucher_reserved"),
        ({"free": Value(40, 28), "held": Value(60, 42), "remainder": "wallet"}, {}, "voucher_reserved"),
    ],
)
def test_a_quote_is_what_the_voucher_gives_or_why_not(
    terms: dict[str, Any], asked: dict[str, Any], answer: int | str
) -> None:
    assert quoted(replace(FRESH, **terms), **asked) == answer


@pytest.mark.parametrize(
    ("terms", "state"),
    [
        ({}, "issued"),
        ({"free": Value(40, 28), "held": Value(60, 42)}, "reserved"),
        ({"held": Value(60, 42), "ended": "expired"}, "reserved"),
        ({"free": Value(40, 28), "spent": Value(60, 42)}, "issued"),
        ({"free": NOTHING, "spent": ALL}, "committed"),
        ({"free": NOTHING, "spent": Value(60, 42), "lapsed": Value(40, 28)}, "committed"),
        ({"free": NOTHING, "returned": ALL}, "revoked"),
        ({"free": NOTHING, "returned": ALL, "ended": "expired"}, "expired"),
        ({"free": NOTHING, "returned": ALL, "ended": "revoked"}, "revoked"),
    ],
)
def test_its_life_is_told_in_one_word(terms: dict[str, Any], state: str) -> None:
    assert replace(FRESH, **terms).state == state


# --------------------------------------------------------------------------------------------- each verb
def test_units_are_cut_down_and_the_last_part_takes_what_is_left() -> None:
    voucher, units = FRESH, []
    for _ in range(3):
        voucher, claim = committed(voucher, 33)
        units.append(claim.spent.units)
    voucher, claim = committed(voucher, 1)
    assert ([*units, claim.spent.units], voucher.free, voucher.spent) == ([23, 23, 23, 1], NOTHING, ALL)
    assert voucher.state == "committed"


def test_a_commit_of_less_than_is_held_frees_the_rest() -> None:
    voucher, claim = reserved(cents=60)
    step = vouchers.commit(voucher, claim, 50, at(2))
    assert step.voucher == replace(FRESH, free=Value(50, 35), spent=Value(50, 35))
    assert step.use == replace(claim, held=NOTHING, spent=Value(50, 35))
    assert moved(step) == {"held": -42, "redeemed": 35, "outstanding": 7}
    assert step.movement is not None
    assert (step.movement.kind, step.movement.member_id, step.movement.partner_id) == (
        "voucher_commit",
        "ana",
        "loja",
    )


def test_a_settlement_keeps_the_rest_held() -> None:
    voucher, claim = reserved(cents=60)
    step = vouchers.settle(voucher, claim, 50, at(2))
    assert step.voucher == replace(FRESH, free=Value(40, 28), held=Value(10, 7), spent=Value(50, 35))
    assert moved(step) == {"held": -35, "redeemed": 35}


def test_a_release_frees_what_was_held() -> None:
    voucher, claim = reserved(cents=60)
    step = vouchers.release(voucher, claim, 60, at(2))
    assert (step.voucher, step.use) == (FRESH, use())
    assert moved(step) == {"held": -42, "outstanding": 42}


@pytest.mark.parametrize("verb", [vouchers.commit, vouchers.settle, vouchers.release])
@pytest.mark.parametrize("cents", [0, -1, 61])
def test_nothing_and_more_than_is_held_is_a_mistake_of_the_caller(verb: Any, cents: int) -> None:
    voucher, claim = reserved(cents=60)
    with pytest.raises(ValueError):
        verb(voucher, claim, cents, at(2))


def test_more_than_was_spent_cannot_be_undone() -> None:
    voucher, claim = committed(cents=60)
    with pytest.raises(ValueError):
        vouchers.roll_back(voucher, claim, 61, at(2))


def test_undoing_all_leaves_the_voucher_as_it_was() -> None:
    voucher, claim = committed(cents=60)
    step = vouchers.roll_back(voucher, claim, 60, at(2))
    assert (step.voucher, step.use, step.wallet_units) == (FRESH, use(), 0)
    assert moved(step) == {"redeemed": -42, "outstanding": 42}


def test_undoing_it_in_parts_leaves_the_voucher_as_it_was() -> None:
    voucher, claim = committed()
    for cents in (33, 33, 33, 1):
        step = vouchers.roll_back(voucher, claim, cents, at(2))
        assert step.use is not None
        voucher, claim = step.voucher, step.use
    assert (voucher, claim) == (FRESH, use())


# ------------------------------------------------------------------------------------ what becomes of the rest
def test_the_rest_of_a_used_voucher_stays_lapses_or_returns() -> None:
    rest = Value(40, 28)
    terms: tuple[tuple[Remainder, Value, Value, Value, int], ...] = (
        ("keep", rest, NOTHING, NOTHING, 0),
        ("forfeit", NOTHING, rest, NOTHING, 0),
        ("wallet", NOTHING, NOTHING, rest, 28),
    )
    for remainder, free, lapsed, returned, wallet_units in terms:
        voucher, claim = reserved(replace(FRESH, remainder=remainder), 60)
        step = vouchers.commit(voucher, claim, 60, at(2))
        after = step.voucher
        assert (after.free, after.lapsed, after.returned) == (free, lapsed, returned), remainder
        assert step.wallet_units == wallet_units
        assert moved(step).get("breakage", 0) == lapsed.units
        assert step.use is not None
        assert step.use.lapsed == lapsed


def test_the_last_settlement_decides_about_the_rest_too() -> None:
    voucher, claim = reserved(replace(FRESH, remainder="forfeit"), 60)
    first = vouchers.settle(voucher, claim, 20, at(2))
    assert first.use is not None
    assert first.voucher.lapsed == NOTHING
    last = vouchers.settle(first.voucher, first.use, 40, at(3))
    assert last.voucher.lapsed == Value(40, 28)


def test_a_release_alone_forfeits_nothing() -> None:
    voucher, claim = reserved(replace(FRESH, remainder="forfeit"), 60)
    assert vouchers.release(voucher, claim, 60, at(2)).voucher.free == ALL


def test_undoing_a_purchase_brings_back_what_lapsed_because_of_it_but_only_if_all_of_it_is_undone() -> None:
    voucher, claim = committed(replace(FRESH, remainder="forfeit"), 60)
    part = vouchers.roll_back(voucher, claim, 59, at(2))
    assert part.use is not None
    assert part.voucher.lapsed == Value(40, 28)
    rest = vouchers.roll_back(part.voucher, part.use, 1, at(3))
    assert rest.voucher == replace(FRESH, remainder="forfeit")
    assert moved(rest)["breakage"] == -28


# --------------------------------------------------------------------------------------- when its time is over
def test_a_voucher_ends_at_its_first_instant_without_right() -> None:
    assert quoted(FRESH, at=DUE - timedelta(microseconds=1)) == 100
    assert quoted(FRESH, at=DUE) == "voucher_expired"


def test_an_expired_voucher_returns_or_lapses() -> None:
    back = vouchers.expire(FRESH, at(10))
    assert (back.voucher.state, back.voucher.returned, back.wallet_units) == ("expired", ALL, 70)
    assert back.movement is None
    lapsed = vouchers.expire(replace(FRESH, on_expiry="breakage"), at(10))
    assert (lapsed.voucher.lapsed, lapsed.wallet_units) == (ALL, 0)
    assert moved(lapsed) == {"outstanding": -70, "breakage": 70}


def test_what_a_checkout_holds_outlives_the_expiry() -> None:
    held, claim = reserved(replace(FRESH, on_expiry="breakage"), 60)
    expired = vouchers.expire(held, at(10)).voucher
    assert (expired.state, expired.held, expired.lapsed) == ("reserved", Value(60, 42), Value(40, 28))
    paid = vouchers.commit(expired, claim, 50, at(11))
    assert (paid.voucher.spent, paid.voucher.lapsed) == (Value(50, 35), Value(50, 35))
    assert moved(paid) == {"held": -42, "redeemed": 35, "breakage": 7}
    freed = vouchers.release(expired, claim, 60, at(11))
    assert (freed.voucher.state, freed.voucher.lapsed) == ("expired", ALL)
    assert moved(freed) == {"held": -42, "breakage": 42}


def test_a_purchase_undone_after_the_expiry_returns_to_the_wallet() -> None:
    voucher, claim = committed(replace(FRESH, on_expiry="breakage"), 60)
    step = vouchers.roll_back(vouchers.expire(voucher, at(10)).voucher, claim, 60, at(11))
    assert (step.voucher.returned, step.voucher.lapsed) == (Value(60, 42), Value(40, 28))
    assert (step.voucher.state, step.wallet_units) == ("expired", 42)


def test_whether_the_expiry_was_swept_before_changes_nothing() -> None:
    both: tuple[OnExpiry, ...] = ("return", "breakage")
    for on_expiry in both:
        voucher, claim = committed(replace(FRESH, on_expiry=on_expiry), 60)
        swept = vouchers.expire(voucher, at(10))
        late = vouchers.roll_back(swept.voucher, claim, 30, at(11))
        early = vouchers.roll_back(voucher, claim, 30, at(11))
        assert (early.voucher, early.use) == (late.voucher, late.use)
        assert early.wallet_units == swept.wallet_units + late.wallet_units
        assert vouchers.expire(early.voucher, at(12)) == Step(early.voucher, None, None)


def test_a_revoked_voucher_returns_what_is_free_now_and_the_rest_when_checkouts_let_go() -> None:
    held, claim = reserved(cents=60)
    revoked = vouchers.revoke(held)
    assert (revoked.wallet_units, revoked.voucher.state, quoted(revoked.voucher)) == (
        28,
        "reserved",
        "voucher_revoked",
    )
    freed = vouchers.release(revoked.voucher, claim, 60, at(2))
    assert (freed.wallet_units, freed.voucher.state, freed.voucher.returned) == (42, "revoked", ALL)


def test_a_voucher_of_one_order_returns_to_the_wallet_when_the_order_is_undone() -> None:
    voucher, claim = reserved(cents=60)
    freed = vouchers.release(voucher, claim, 60, at(2))
    step = vouchers.put_back(freed.voucher)
    assert (step.voucher.returned, step.wallet_units, step.voucher.state) == (ALL, 70, "revoked")


# --------------------------------------------------------------------------------------- whatever is done to it
@dataclass
class Books:
    """The accounts of one voucher as its movements leave them, and what the wallet got back."""

    accounts: Counter[Account] = field(default_factory=lambda: Counter({Account("outstanding", "vou"): 0}))
    wallet_units: int = 0

    def post(self, step: Step) -> None:
        for account, units in () if step.movement is None else step.movement.postings:
            self.accounts[account] += units
        self.wallet_units += step.wallet_units
        self.accounts[Account("outstanding", "vou")] -= step.wallet_units


VERBS = st.sampled_from(
    ["reserve", "reserve", "commit", "settle", "release", "roll_back", "roll_back", "tick"]
)
ACTS = st.lists(st.tuples(VERBS, st.integers(0, 2), st.integers(1, 10**6)), max_size=25)
FACES = st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)).map(lambda both: Value(*both))
TERMS = st.fixed_dictionaries(
    {
        "remainder": st.sampled_from(["keep", "forfeit", "wallet"]),
        "on_expiry": st.sampled_from(["return", "breakage"]),
    }
)


def act(voucher: Voucher, claim: Use, verb: str, size: int, hour: int) -> Step | None:
    """Do one verb with some part of what is there, or nothing where nothing is."""
    room = {"reserve": voucher.free, "roll_back": claim.spent}.get(verb, claim.held).cents
    if not room:
        return None
    cents = 1 + size % room
    if verb == "reserve":
        answer = quoted(voucher, order_cents=cents, at=at(hour).learned_at)
        return vouchers.reserve(voucher, claim, cents, at(hour)) if answer == cents else None
    doing = {"commit": vouchers.commit, "settle": vouchers.settle, "release": vouchers.release}
    return doing.get(verb, vouchers.roll_back)(voucher, claim, cents, at(hour))


def check(voucher: Voucher, face: Value, uses: list[Use], books: Books) -> None:
    assert voucher.face == face, "value is conserved in both countings"
    parts = [voucher.free, voucher.held, voucher.spent, voucher.lapsed, voucher.returned]
    for claim in uses:
        parts += [claim.held, claim.spent, claim.lapsed]
    assert all(part.cents >= 0 and part.units >= 0 for part in parts)
    assert all(part.cents or not part.units for part in parts), "a full drain is exact"
    for name in ("held", "spent"):
        claims = [getattr(claim, name) for claim in uses]
        assert getattr(voucher, name) == Value(sum(c.cents for c in claims), sum(c.units for c in claims))
    assert books.accounts[Account("outstanding", "vou")] + face.units == voucher.free.units
    assert books.accounts[Account("held", "vou")] == voucher.held.units
    assert books.accounts[BREAKAGE] == voucher.lapsed.units
    assert books.wallet_units == voucher.returned.units
    for claim in uses:
        assert books.accounts[Account("redeemed", claim.partner_id)] == claim.spent.units
    took = face.units - books.wallet_units
    assert took == sum(part.units for part in (voucher.free, voucher.held, voucher.spent, voucher.lapsed)), (
        "I4"
    )


@given(face=FACES, terms=TERMS, acts=ACTS, end=st.sampled_from(["revoke", "expire", "undo"]))
def test_value_is_conserved_in_both_countings_whatever_checkouts_do(
    face: Value, terms: dict[str, Any], acts: list[tuple[str, int, int]], end: str
) -> None:
    voucher, books, hour = replace(FRESH, free=face, **terms), Books(), 0
    uses = [Use(f"use_{n}", "vou", f"partner_{n}", None) for n in range(3)]

    def follow(step: Step, which: int | None = None) -> None:
        nonlocal voucher
        voucher = step.voucher
        books.post(step)
        if which is not None:
            assert step.use is not None
            uses[which] = step.use
        check(voucher, face, uses, books)

    for verb, which, size in acts:
        hour += verb == "tick"
        step = None if verb == "tick" else act(voucher, uses[which], verb, size, hour)
        if step is not None:
            follow(step, which)
    if end == "revoke":
        follow(vouchers.revoke(voucher))
    elif end == "expire":
        follow(vouchers.expire(voucher, at(hour := 10)))
    for which in range(3):
        for verb, room in (("release", "held"), ("roll_back", "spent")):
            if cents := getattr(uses[which], room).cents:
                follow(getattr(vouchers, verb)(voucher, uses[which], cents, at(hour)), which)
    assert (voucher.held, voucher.spent) == (NOTHING, NOTHING)
    assert voucher.ended or voucher.lapsed == NOTHING, (
        "undoing everything brings back what lapsed because of it"
    )
