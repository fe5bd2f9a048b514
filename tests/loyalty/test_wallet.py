"""A wallet by examples: each story is small enough to check by hand; amounts are points."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from loyalty.accounts import ISSUANCE, Account, Award, Movement, Occasion, Wallet, combine
from loyalty.refusals import Refusal
from loyalty.wallet import (
    NewLot,
    activate,
    buy_pack,
    cash_out,
    credit,
    debit,
    expire,
    give_back,
    goodwill,
    join,
    purchase,
    write_off,
)

PACK = Account("prepaid", "padaria")
ANA = Wallet("ana")
FIRST = Award("sale_1", "ana", "padaria")
SECOND = Award("sale_2", "ana", "padaria")


def day(number: int) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=number)


def on(number: int, reason: str = "sale") -> Occasion:
    return Occasion(day(0), day(number), reason)


def lot(name: str, expires_on: int | None) -> NewLot:
    return NewLot(name, None if expires_on is None else day(expires_on))


def earn(
    wallet: Wallet, award: Award, units: int, on_day: int, expires_on: int | None = 90
) -> tuple[Wallet, Award]:
    wallet, award, _ = credit(
        wallet,
        award,
        units,
        funding=PACK,
        occasion=on(on_day),
        lot=lot(f"lot_{award.sale_id}_{on_day}", expires_on),
    )
    return wallet, award


def spend(wallet: Wallet, units: int, on_day: int) -> Wallet:
    answer = cash_out(wallet, units, f"voucher_{on_day}", on(on_day))
    assert not isinstance(answer, Refusal)
    return answer[0]


def reverse(wallet: Wallet, award: Award, units: int, on_day: int) -> tuple[Wallet, Award]:
    wallet, award, _ = debit(wallet, award, units, funding=PACK, occasion=on(on_day, "refund"))
    return wallet, award


def swept(wallet: Wallet, on_day: int) -> Wallet:
    answer = expire(wallet, on(on_day, "expiry"))
    return answer[0] if answer else wallet


def breakage(wallet: Wallet) -> int:
    return sum(each.expired for each in wallet.lots)


def posted(movement: Movement) -> dict[str, int]:
    return {account.kind: units for account, units in movement.postings}


def test_a_first_credit_moves_value_from_the_pack_to_a_new_lot() -> None:
    wallet, award, movement = credit(ANA, FIRST, 70, funding=PACK, occasion=on(0), lot=lot("lot_1", 90))
    assert (wallet.available, wallet.lots[0].remaining, award.units) == (70, 70, 70)
    assert posted(movement) == {"prepaid": -70, "available": 70}
    assert (movement.kind, movement.sale_id, movement.member_id) == ("accrual", "sale_1", "ana")


def test_an_unconfirmed_sale_is_pending_until_it_is_activated() -> None:
    wallet, award, _ = credit(ANA, FIRST, 70, funding=PACK, occasion=on(0), lot=None)
    assert (wallet.pending, wallet.available, wallet.lots, award.pending) == (70, 0, (), 70)
    wallet, award, movement = activate(wallet, award, occasion=on(3), lot=lot("lot_1", 90))
    assert (wallet.pending, wallet.available, award.pending, award.units) == (0, 70, 0, 70)
    assert posted(movement) == {"pending": -70, "available": 70}


def test_a_reversal_takes_what_is_pending_first() -> None:
    wallet, award, _ = credit(ANA, FIRST, 70, funding=PACK, occasion=on(0), lot=None)
    wallet, award, movement = debit(wallet, award, 20, funding=PACK, occasion=on(1))
    assert (wallet.pending, award.pending, award.units) == (50, 50, 50)
    assert posted(movement) == {"pending": -20, "prepaid": 20}


def test_the_worked_example_of_a_refund_after_spending_ends_in_a_debt_that_the_next_sale_repays() -> None:
    wallet, award = earn(ANA, FIRST, 500, 0)
    wallet = spend(wallet, 400, 1)
    wallet, award, movement = debit(wallet, award, 500, funding=PACK, occasion=on(2))
    assert (wallet.available, wallet.debt, award.units) == (0, -400, 0)
    assert posted(movement) == {"available": -100, "debt": -400, "prepaid": 500}
    wallet, _, movement = credit(wallet, SECOND, 1000, funding=PACK, occasion=on(3), lot=lot("lot_2", 90))
    assert (wallet.available, wallet.debt) == (600, 0)
    assert posted(movement) == {"prepaid": -1000, "debt": 400, "available": 600}


def test_every_way_into_available_repays_debt_first() -> None:
    owing = reverse(spend(earn(ANA, FIRST, 50, 0)[0], 50, 1), Award("sale_1", "ana", "padaria", 50), 30, 2)[0]
    assert owing.debt == -30
    pending, award, _ = credit(owing, SECOND, 40, funding=PACK, occasion=on(3), lot=None)
    credited = [
        credit(owing, SECOND, 40, funding=PACK, occasion=on(3), lot=lot("lot_2", 90))[0],
        activate(pending, award, occasion=on(4), lot=lot("lot_2", 90))[0],
        goodwill(owing, 40, occasion=on(3), lot=lot("lot_2", 90))[0],
        purchase(owing, 40, occasion=on(3), lot=lot("lot_2", 90))[0],
        give_back(owing, 40, "voucher_1", on(3))[0],
    ]
    assert [(wallet.available, wallet.debt) for wallet in credited] == [(10, 0)] * 5


def test_a_lot_of_50_that_expired_gives_a_late_refund_of_20_out_of_breakage() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0, expires_on=5)
    wallet, award = reverse(swept(wallet, 5), award, 20, 9)
    assert (breakage(wallet), wallet.debt, wallet.available, award.units) == (30, 0, 0, 30)


def test_a_refund_of_spent_value_takes_the_breakage_of_a_lot_that_would_have_paid_instead() -> None:
    wallet, award = earn(ANA, FIRST, 20, 0, expires_on=8)
    wallet, _ = earn(wallet, SECOND, 50, 1, expires_on=9)
    wallet = swept(spend(wallet, 20, 2), 9)
    assert breakage(wallet) == 50
    wallet, _ = reverse(wallet, award, 20, 12)
    assert (breakage(wallet), wallet.debt) == (30, 0)


def test_an_expiry_between_a_refund_and_its_news_does_not_change_which_lot_pays() -> None:
    wallet, award = earn(ANA, FIRST, 20, 0, expires_on=8)
    wallet, _ = earn(wallet, SECOND, 20, 1, expires_on=9)
    wallet, _ = earn(wallet, Award("sale_3", "ana", "padaria"), 20, 1, expires_on=60)
    wallet = spend(wallet, 20, 2)
    early = swept(reverse(wallet, award, 20, 3)[0], 9)
    late = reverse(swept(wallet, 9), award, 20, 12)[0]
    assert early == late
    assert (late.available, breakage(late)) == (20, 0)


def test_a_lot_that_had_expired_before_the_redemption_pays_nothing_for_it() -> None:
    wallet, _ = earn(ANA, SECOND, 50, 0, expires_on=1)
    wallet, award = earn(swept(wallet, 1), FIRST, 20, 2)
    wallet, _ = reverse(spend(wallet, 20, 3), award, 20, 4)
    assert (breakage(wallet), wallet.debt) == (50, -20)


def test_unposting_and_reposting_around_an_expiry_is_as_if_nothing_happened() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0, expires_on=9)
    wallet, _ = earn(wallet, SECOND, 50, 1, expires_on=5)
    quiet = swept(spend(wallet, 60, 2), 5)
    wallet, award = reverse(spend(wallet, 60, 2), award, 50, 3)
    assert (wallet.available, wallet.debt) == (0, -10)
    wallet, award = earn(swept(wallet, 5), award, 50, 6, expires_on=9)
    assert (wallet, award.units) == (quiet, 50)
    assert spend(wallet, 40, 7).available == 0


def test_value_restored_to_a_lot_that_expired_meanwhile_goes_to_breakage() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0, expires_on=5)
    wallet, award = reverse(wallet, award, 20, 1)
    wallet, award = earn(swept(wallet, 5), award, 20, 6, expires_on=5)
    assert (wallet.available, breakage(wallet), award.units, len(wallet.lots)) == (0, 50, 50, 1)


def test_restoring_a_debt_that_was_repaid_gives_the_value_back_to_the_lot_that_repaid() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    wallet, award = reverse(spend(wallet, 50, 1), award, 50, 2)
    wallet, _ = earn(wallet, SECOND, 70, 3, expires_on=40)
    assert (wallet.available, wallet.debt) == (20, 0)
    wallet, _, movement = credit(wallet, award, 50, funding=PACK, occasion=on(4), lot=lot("unused", 90))
    assert [(each.id, each.remaining) for each in wallet.lots] == [("lot_sale_1_0", 0), ("lot_sale_2_3", 70)]
    assert (movement.kind, posted(movement)) == ("restoration", {"prepaid": -50, "available": 50})


def test_a_corrected_sale_grows_its_own_lot_when_the_expiry_is_the_same() -> None:
    wallet, award = earn(ANA, FIRST, 49, 0)
    wallet, award = earn(wallet, award, 21, 5)
    assert [(each.id, each.issued, each.remaining) for each in wallet.lots] == [("lot_sale_1_0", 70, 70)]
    wallet, award = earn(wallet, award, 10, 6, expires_on=100)
    assert [each.issued for each in wallet.lots] == [70, 10]
    assert award.units == 80


def test_goodwill_bears_the_shortfall_and_gets_it_back() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    wallet, award, movement = debit(
        spend(wallet, 40, 1), award, 50, funding=PACK, occasion=on(2), shortfall="goodwill"
    )
    assert (wallet.available, wallet.debt, award.units, award.absorbed) == (0, 0, 0, 40)
    assert posted(movement) == {"available": -10, "goodwill": -40, "prepaid": 50}
    wallet, award, movement = credit(wallet, award, 50, funding=PACK, occasion=on(3), lot=lot("unused", 90))
    assert (wallet.available, award.absorbed, award.units) == (10, 0, 50)
    assert posted(movement) == {"available": 10, "goodwill": 40, "prepaid": -50}


def test_goodwill_leaves_no_debt_where_taking_less_would_owe_as_much() -> None:
    wallet, _ = earn(ANA, SECOND, 1, 0)
    wallet, award = earn(wallet, FIRST, 2, 1, expires_on=10)
    wallet = spend(wallet, 2, 2)
    wallet, _ = earn(wallet, Award("sale_3", "ana", "padaria"), 1, 3, expires_on=2)
    wallet = spend(wallet, 1, 4)
    owing, _, _ = debit(wallet, award, 2, funding=PACK, occasion=on(5))
    assert owing.debt == -1
    wallet, award, _ = debit(wallet, award, 2, funding=PACK, occasion=on(5), shortfall="goodwill")
    assert (wallet.debt, award.units, award.absorbed) == (0, 0, 2)


def test_a_partner_that_bears_the_shortfall_gets_back_only_what_was_found() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    wallet, award, movement = debit(
        spend(wallet, 40, 1), award, 50, funding=PACK, occasion=on(2), shortfall="partner"
    )
    assert (wallet.available, wallet.debt, award.units, award.forgiven) == (0, 0, 0, 40)
    assert posted(movement) == {"available": -10, "prepaid": 10}
    wallet, award, movement = credit(wallet, award, 30, funding=PACK, occasion=on(3), lot=lot("unused", 90))
    assert (wallet.available, award.forgiven, award.units, movement.postings) == (0, 10, 30, ())


def test_a_cash_out_uses_the_earliest_expiry_first() -> None:
    wallet, _ = earn(ANA, FIRST, 50, 0, expires_on=None)
    wallet, _ = earn(wallet, SECOND, 50, 1, expires_on=9)
    wallet, movement = cash_out(wallet, 70, "voucher_1", on(2))  # type: ignore[misc]
    assert [each.remaining for each in wallet.lots] == [30, 0]
    assert posted(movement) == {"available": -70, "outstanding": 70}


def test_a_cash_out_is_refused_beyond_the_live_lots_even_before_the_expiry_was_booked() -> None:
    wallet, _ = earn(ANA, FIRST, 50, 0, expires_on=5)
    wallet, _ = earn(wallet, SECOND, 10, 1)
    assert cash_out(wallet, 61, "voucher_1", on(4)) == Refusal("insufficient_balance")
    assert cash_out(wallet, 11, "voucher_1", on(5)) == Refusal("insufficient_balance")
    assert spend(wallet, 10, 5).available == 50


def test_a_cash_out_is_refused_in_debt() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    wallet, _ = reverse(spend(wallet, 50, 1), award, 1, 2)
    assert cash_out(wallet, 1, "voucher_2", on(3)) == Refusal("debt_outstanding")


def test_a_hub_whose_clock_lags_never_dates_a_redemption_before_the_lots_it_used() -> None:
    wallet, award = earn(ANA, FIRST, 50, 5)
    wallet = spend(wallet, 20, 4)
    wallet, _ = reverse(wallet, award, 30, 6)
    assert (wallet.available, wallet.debt) == (0, 0)


def test_a_returned_voucher_goes_back_to_the_lots_it_came_from() -> None:
    wallet, _ = earn(ANA, FIRST, 50, 0, expires_on=5)
    wallet, _ = earn(wallet, SECOND, 50, 1)
    wallet = swept(spend(wallet, 70, 2), 5)
    wallet, movement = give_back(wallet, 30, "voucher_2", on(6))
    assert (wallet.available, breakage(wallet)) == (50, 10)
    assert posted(movement) == {"outstanding": -30, "available": 20, "breakage": 10}


def test_a_debt_written_off_is_paid_by_goodwill_and_lapses_if_it_was_not_owed() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    wallet, award = reverse(spend(wallet, 50, 1), award, 50, 2)
    answer = write_off(wallet, "gift", on(3))
    assert answer is not None
    wallet, movement = answer
    assert (wallet.debt, posted(movement)) == (0, {"goodwill": -50, "debt": 50})
    assert write_off(wallet, "again", on(4)) is None
    wallet, _ = earn(wallet, award, 50, 5)
    assert (wallet.available, wallet.debt, breakage(wallet)) == (0, 0, 50)


def test_an_owner_change_is_one_movement_from_one_wallet_to_the_other() -> None:
    ana, hers = earn(ANA, FIRST, 70, 0)
    ana, hers, taken = debit(ana, hers, 70, funding=PACK, occasion=on(1))
    bia, his, given = credit(
        Wallet("bia"),
        Award("sale_1", "bia", "padaria"),
        70,
        funding=PACK,
        occasion=on(1),
        lot=lot("lot_bia", 90),
    )
    both = combine("owner_change", [taken, given], on(1, "owner_conflict"))
    assert both.postings == (
        (Account("available", "ana"), -70),
        (Account("available", "bia"), 70),
    )
    assert (both.member_id, both.partner_id, both.sale_id) == (None, "padaria", "sale_1")
    assert (ana.available, bia.available, hers.units, his.units) == (0, 70, 0, 70)


def test_joined_sales_reverse_as_one() -> None:
    wallet, first = earn(ANA, FIRST, 70, 0)
    wallet, second = earn(wallet, SECOND, 70, 1)
    wallet, joined = join(wallet, first, second)
    assert (joined.units, {each.sale_id for each in wallet.lots}) == (140, {"sale_1"})
    wallet, joined = reverse(spend(wallet, 60, 2), joined, 80, 3)
    assert (wallet.available, wallet.debt, joined.units) == (0, 0, 60)
    assert [each.issued for each in wallet.lots] == [60, 0]
    wallet, joined = earn(wallet, joined, 30, 4)
    assert [each.issued for each in wallet.lots] == [60, 30]


def test_a_credit_and_its_redemption_may_bear_the_same_instant() -> None:
    wallet, award = earn(ANA, FIRST, 50, 1)
    wallet, award = reverse(spend(wallet, 40, 1), award, 10, 1)
    assert (wallet.available, wallet.debt) == (0, 0)


def test_awards_of_two_members_are_never_joined() -> None:
    with pytest.raises(ValueError, match="one member"):
        join(ANA, FIRST, replace(SECOND, member_id="bia"))


def test_a_pack_is_bought_out_of_issuance() -> None:
    movement = buy_pack("padaria", 10_000, on(0))
    assert movement.postings == ((ISSUANCE, -10_000), (PACK, 10_000))


def test_a_reversal_beyond_its_award_is_refused() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    with pytest.raises(ValueError, match="exceeds"):
        reverse(wallet, award, 51, 1)


def test_a_reversal_without_the_lots_of_its_award_is_refused() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    with pytest.raises(ValueError, match="all lots"):
        reverse(replace(wallet, lots=()), award, 10, 1)


def test_a_reversal_without_the_redemptions_is_refused() -> None:
    wallet, award = earn(ANA, FIRST, 50, 0)
    with pytest.raises(ValueError, match="redemptions"):
        reverse(replace(spend(wallet, 10, 1), redemptions=()), award, 10, 2)


def test_a_voucher_never_returns_more_than_it_took() -> None:
    wallet = spend(earn(ANA, FIRST, 50, 0)[0], 10, 1)
    with pytest.raises(ValueError, match="more than it took"):
        give_back(wallet, 11, "voucher_1", on(2))


@pytest.mark.parametrize("units", [0, -1])
def test_a_movement_of_nothing_is_refused(units: int) -> None:
    with pytest.raises(ValueError, match="at least one unit"):
        earn(ANA, FIRST, units, 0)
    with pytest.raises(ValueError, match="at least one unit"):
        buy_pack("padaria", units, on(0))


def test_an_unbalanced_movement_cannot_be_made() -> None:
    _, _, movement = credit(ANA, FIRST, 70, funding=PACK, occasion=on(0), lot=lot("lot_1", 90))
    with pytest.raises(ValueError, match="does not balance"):
        replace(movement, postings=movement.postings[:1])
