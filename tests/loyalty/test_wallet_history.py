"""A wallet is what its history says: when something is learned, and in how many pieces, changes nothing."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from loyalty.accounts import Award, Redemption, Wallet
from loyalty.refusals import Refusal
from loyalty.settlement import settle
from loyalty.wallet import NewLot, cash_out, credit, debit, expire, goodwill
from tests.loyalty.hours import FOREVER, PARTNERS, at, until

Step: TypeAlias = tuple[str, int, int]
"""What happens in one hour: ("earn", units, hours valid), ("spend", units, 0) or ("expire", 0, 0)."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("earn"), st.integers(1, 6), st.sampled_from([1, 2, 3, 5, 8, FOREVER])),
        st.tuples(st.just("spend"), st.integers(1, 6), st.just(0)),
        st.tuples(st.just("expire"), st.just(0), st.just(0)),
    ),
    min_size=3,
    max_size=12,
)
SALE = Award("the_sale", "ana", "padaria")
PACK = PARTNERS["padaria"]


@dataclass
class Outcome:
    """What a history ends in: the wallet swept at one common hour, and which redemptions succeeded."""

    wallet: Wallet
    award: Award
    succeeded: tuple[bool, ...]

    @property
    def worth(self) -> tuple[int, int]:
        return self.wallet.available + self.wallet.debt, sum(lot.expired for lot in self.wallet.lots)


def live(steps: list[Step], sale: Step, changes: dict[int, int]) -> Outcome:
    """Play a history: the sale earns in hour 0; `changes[n]` is posted for it before step n (negative: taken)."""
    wallet, award, succeeded = Wallet("ana"), SALE, []
    for number in range(len(steps) + 1):
        now = 3 * number
        if number == 0:
            changes = {**changes, 0: changes.get(0, 0)}
            lot = NewLot("lot_sale", until(sale[2] * 3))
            wallet, award, _ = credit(wallet, award, sale[1], funding=PACK, occasion=at(0), lot=lot)
        units = changes.get(number, 0)
        if units < 0:
            wallet, award, _ = debit(wallet, award, -units, funding=PACK, occasion=at(now))
        elif units > 0:
            lot = NewLot("never", until(sale[2] * 3))
            wallet, award, _ = credit(wallet, award, units, funding=PACK, occasion=at(now), lot=lot)
        if number < len(steps):
            wallet, ok = step_once(wallet, steps[number], now + 1)
            succeeded += [ok] if steps[number][0] == "spend" else []
    end = expire(wallet, at(3 * len(steps) + 1))
    return Outcome(end[0] if end else wallet, award, tuple(succeeded))


def step_once(wallet: Wallet, step: Step, now: int) -> tuple[Wallet, bool]:
    kind, units, valid = step
    if kind == "earn":
        lot = NewLot(f"lot_{now}", until(now + 3 * valid))
        return goodwill(wallet, units, occasion=at(now), lot=lot)[0], True
    answer = (
        cash_out(wallet, units, f"voucher_{now}", at(now)) if kind == "spend" else expire(wallet, at(now))
    )
    return (wallet, False) if answer is None or isinstance(answer, Refusal) else (answer[0], True)


SALES = st.tuples(st.just("earn"), st.integers(1, 9), st.sampled_from([1, 2, 4, 9, FOREVER]))


@given(steps=STEPS, sale=SALES, data=st.data())
@settings(max_examples=300)
def test_when_a_reversal_is_learned_changes_neither_worth_nor_breakage(
    steps: list[Step], sale: Step, data: st.DataObject
) -> None:
    units = data.draw(st.integers(1, sale[1]))
    worth: dict[tuple[bool, ...], tuple[int, int]] = {}
    compared = 0
    for position in range(len(steps) + 1):
        outcome = live(steps, sale, {position: -units})
        compared += outcome.succeeded in worth
        assert worth.setdefault(outcome.succeeded, outcome.worth) == outcome.worth
        assert outcome.award.units == sale[1] - units
    event("compared" if compared else "alone")


@given(steps=STEPS, sale=SALES, data=st.data())
@settings(max_examples=300)
def test_what_is_unposted_and_reposted_leaves_the_wallet_as_if_nothing_had_happened(
    steps: list[Step], sale: Step, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(steps) - 1))
    second = data.draw(st.integers(first + 1, len(steps)))
    units = data.draw(st.integers(1, sale[1]))
    quiet, stirred = live(steps, sale, {}), live(steps, sale, {first: -units, second: units})
    assume(quiet.succeeded == stirred.succeeded)
    assert stirred.award == quiet.award
    assert stirred.wallet == quiet.wallet


@given(steps=STEPS, sale=SALES, parts=st.lists(st.integers(1, 3), min_size=1, max_size=9), data=st.data())
def test_reversals_in_pieces_end_where_one_reversal_ends(
    steps: list[Step], sale: Step, parts: list[int], data: st.DataObject
) -> None:
    changes: Counter[int] = Counter()
    left = sale[1]
    for part in parts:
        changes[data.draw(st.integers(0, len(steps)))] -= min(part, left)
        left -= min(part, left)
    pieces = live(steps, sale, dict(changes))
    whole = live(steps, sale, {len(steps): left - sale[1]} if left < sale[1] else {})
    assume(pieces.succeeded == whole.succeeded)
    assert pieces.worth == whole.worth
    assert pieces.award.units == whole.award.units == left


@given(steps=STEPS, sale=SALES)
def test_recorded_lots_are_always_what_replaying_the_history_gives(steps: list[Step], sale: Step) -> None:
    wallet = live(steps, sale, {len(steps) // 2: -1}).wallet
    blank = [replace(lot, remaining=0, expired=0) for lot in wallet.lots]
    unused, owed = settle(blank, [Redemption(*each) for each in map(_fields, wallet.redemptions)])
    assert (unused, owed) == ({lot.id: lot.remaining + lot.expired for lot in wallet.lots}, -wallet.debt)


def _fields(redemption: Redemption) -> tuple[str, datetime, int]:
    return redemption.voucher_id, redemption.redeemed_at, redemption.units
