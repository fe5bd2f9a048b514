"""Named mutants of the wallet: each looser reading of the rules is caught by a story of `test_wallet.py`."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

import loyalty.wallet
from loyalty.accounts import Award, Lot, Redemption, Wallet
from loyalty.settlement import NEVER, Settlement, settle
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


MUTANTS: list[tuple[ModuleType, str, Callable[..., object], str]] = [
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
]


def stories() -> ModuleType:
    path = Path(__file__).with_name("test_wallet.py")
    spec = importlib.util.spec_from_file_location("wallet_stories", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("module", "name", "mutant", "story"), MUTANTS, ids=[mutant.__name__ for _, _, mutant, _ in MUTANTS]
)
def test_a_mutant_is_caught_by_its_story(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, mutant: Callable[..., object], story: str
) -> None:
    tell = getattr(stories(), story)
    tell()
    monkeypatch.setattr(module, name, mutant)
    with pytest.raises(AssertionError):
        tell()
