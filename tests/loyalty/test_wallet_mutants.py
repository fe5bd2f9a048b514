"""Named mutants of the wallet and of vouchers: each looser reading of the rules is caught by a story of its own.

The stories are those of `test_wallet.py` and `test_vouchers.py`.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

import loyalty.vouchers
import loyalty.wallet
from loyalty.accounts import Award, Lot, Occasion, Redemption, Wallet
from loyalty.settlement import NEVER, Settlement, settle
from loyalty.vouchers import NOTHING, Step, Use, Value, Voucher, expire, roll_back
from loyalty.wallet import NewLot


def no_debt_first(wallet: Wallet, lot: Lot) -> Wallet:
    return replace(wallet, available=wallet.available + lot.remaining, lots=(*wallet.lots, lot))


def no_breakage(lots: tuple[Lot, ...], redemptions: tuple[Redemption, ...]) -> Settlement:
    """What has expired stays expired: every missing unit becomes debt."""
    unused, owed = settle(lots, redemptions)
    kept = {lot.id: max(unused[lot.id], lot.expired) for lot in lots}
    return Settlement(kept, owed + sum(kept.values()) - sum(unused.values()))


def takings_stay(
    lots: tuple[Lot, ...], award: Award, units: int, lot: NewLot | None
) -> tuple[tuple[Lot, ...], int]:
    """A positive difference is always issued anew."""
    return lots, 0


def latest_expiry_first(lot: Lot) -> timedelta:
    return lot.born_at - (lot.expires_at or NEVER)


def debt_before_other_lots(lots: tuple[Lot, ...], redemptions: tuple[Redemption, ...]) -> Settlement:
    """A reversal of spent value falls into debt although other lots are live."""
    unused, owed = settle(lots, redemptions)
    held = {lot.id: max(unused[lot.id], 0 if lot.taken_back else lot.remaining) for lot in lots}
    return Settlement(held, owed + sum(held.values()) - sum(unused.values()))


def units_rounded_up(value: Value, cents: int) -> Value:
    return Value(cents, -(-value.units * cents // value.cents))


def the_whole_hold_is_spent(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """A commit of less than was held takes all of it."""
    return loyalty.vouchers.settle(voucher, use, use.held.cents, occasion)


def the_rest_stays(step: Step, occasion: Occasion) -> Step:
    """Terms are forgotten once a checkout lets go."""
    return step


def a_release_forfeits(step: Step, occasion: Occasion) -> Step:
    spent = replace(step.use, spent=step.voucher.face) if step.use else None
    after = settled(step._replace(use=spent), occasion)
    return after._replace(use=step.use)


def what_lapsed_stays_lapsed(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    return roll_back(voucher, replace(use, lapsed=NOTHING), cents, occasion)


def undone_late_it_may_be_used_again(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    step = roll_back(replace(voucher, ended=None, expires_at=None), use, cents, occasion)
    return step._replace(voucher=replace(step.voucher, ended=voucher.ended, expires_at=voucher.expires_at))


def undone_late_all_of_it_returns(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """What was free all the time is swept into the wallet too, if nobody expired it before."""
    return roll_back(replace(voucher, on_expiry="return"), use, cents, occasion)


def holds_end_with_the_voucher(voucher: Voucher, occasion: Occasion) -> Step:
    free = voucher.free.plus(voucher.held)
    return expire(replace(voucher, free=free, held=NOTHING), occasion)


def good_for_one_instant_more(voucher: Voucher, at: datetime) -> bool:
    return voucher.expires_at is not None and voucher.expires_at < at


settled = loyalty.vouchers._settled

MUTANTS: list[tuple[object, str, Callable[..., object], str]] = [
    (loyalty.wallet, "_with_lot", no_debt_first, "test_every_way_into_available_repays_debt_first"),
    (
        loyalty.wallet,
        "settle",
        no_breakage,
        "test_a_lot_of_50_that_expired_gives_a_late_refund_of_20_out_of_breakage",
    ),
    (
        loyalty.wallet,
        "_give_to_lots",
        takings_stay,
        "test_unposting_and_reposting_around_an_expiry_is_as_if_nothing_happened",
    ),
    (loyalty.wallet, "expiry_order", latest_expiry_first, "test_a_cash_out_uses_the_earliest_expiry_first"),
    (
        loyalty.wallet,
        "settle",
        debt_before_other_lots,
        "test_an_expiry_between_a_refund_and_its_news_does_not_change_which_lot_pays",
    ),
    (Value, "part", units_rounded_up, "test_units_are_cut_down_and_the_last_part_takes_what_is_left"),
    (
        loyalty.vouchers,
        "commit",
        the_whole_hold_is_spent,
        "test_a_commit_of_less_than_is_held_frees_the_rest",
    ),
    (
        loyalty.vouchers,
        "_settled",
        the_rest_stays,
        "test_the_rest_of_a_used_voucher_stays_lapses_or_returns",
    ),
    (loyalty.vouchers, "_settled", the_rest_stays, "test_the_last_settlement_decides_about_the_rest_too"),
    (loyalty.vouchers, "_settled", a_release_forfeits, "test_a_release_alone_forfeits_nothing"),
    (
        loyalty.vouchers,
        "roll_back",
        what_lapsed_stays_lapsed,
        "test_undoing_a_purchase_brings_back_what_lapsed_because_of_it_but_only_if_all_of_it_is_undone",
    ),
    (
        loyalty.vouchers,
        "roll_back",
        undone_late_it_may_be_used_again,
        "test_a_purchase_undone_after_the_expiry_returns_to_the_wallet",
    ),
    (
        loyalty.vouchers,
        "roll_back",
        undone_late_all_of_it_returns,
        "test_whether_the_expiry_was_swept_before_changes_nothing",
    ),
    (
        loyalty.vouchers,
        "expire",
        holds_end_with_the_voucher,
        "test_what_a_checkout_holds_outlives_the_expiry",
    ),
    (Voucher, "is_due", good_for_one_instant_more, "test_a_voucher_ends_at_its_first_instant_without_right"),
]


def stories(of: str) -> ModuleType:
    path = Path(__file__).with_name(f"test_{of}.py")
    spec = importlib.util.spec_from_file_location(f"{of}_stories", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its own module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("place", "name", "mutant", "story"), MUTANTS, ids=[mutant.__name__ for _, _, mutant, _ in MUTANTS]
)
def test_a_mutant_is_caught_by_its_story(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, mutant: Callable[..., object], story: str
) -> None:
    tell = getattr(stories("wallet" if place is loyalty.wallet else "vouchers"), story)
    tell()
    monkeypatch.setattr(place, name, mutant)
    with pytest.raises(AssertionError):
        tell()
