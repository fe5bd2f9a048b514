"""What a member reads in the statement."""

from datetime import UTC, datetime

import pytest

from loyalty.accounts import Account, Award, Movement, Occasion, Posting, Wallet
from loyalty.programme import Unit
from loyalty.refusals import Refusal
from loyalty.statement import Purchase, line, shown
from loyalty.wallet import NewLot, buy_pack, cash_out, credit, debit, expire

SOLD_AT = datetime(2026, 3, 1, 15, tzinfo=UTC)
LEARNED_AT = datetime(2026, 3, 2, tzinfo=UTC)
SALE = Occasion(SOLD_AT, LEARNED_AT, "sale")
PACK = Account("prepaid", "padaria")
BREAD = Purchase(4590, "Padaria X")
SOON = NewLot("lot_1", datetime(2026, 3, 31, 3, tzinfo=UTC))


def bread(units: int, lot: NewLot | None = SOON, *, debt: int = 0) -> tuple[Wallet, Award, Movement]:
    wallet = Wallet("ana", debt=debt)
    return credit(wallet, Award("sale_1", "ana", "padaria"), units, funding=PACK, occasion=SALE, lot=lot)


@pytest.mark.parametrize(
    ("units", "unit", "text"),
    [
        (1230, "points", "1.230 pontos"),
        (1, "points", "1 ponto"),
        (-1, "points", "-1 ponto"),
        (0, "points", "0 pontos"),
        (1_234_567, "points", "1.234.567 pontos"),
        (1230, "cashback", "R$ 12,30"),
        (-5, "cashback", "-R$ 0,05"),
    ],
)
def test_units_are_shown_as_a_person_reads_them(units: int, unit: Unit, text: str) -> None:
    assert shown(units, unit) == text


def test_a_credit_names_the_purchase_and_the_partner() -> None:
    read = line(bread(321)[2], "ana", "points", 100, BREAD)
    assert read.text == "Crédito da compra de R$ 45,90 na Padaria X"
    assert (read.units, read.balance_after, read.at, read.learned_at) == (321, 421, SOLD_AT, LEARNED_AT)


def test_a_pending_credit_says_so_and_leaves_the_balance() -> None:
    read = line(bread(321, lot=None)[2], "ana", "points", 100, BREAD)
    assert read.text == "Crédito da compra de R$ 45,90 na Padaria X (a liberar)"
    assert (read.units, read.pending_units, read.balance_after) == (0, 321, 100)


def test_a_credit_that_repays_a_debt_says_how_much() -> None:
    read = line(bread(321, debt=-21)[2], "ana", "cashback", -21, BREAD)
    assert read.text == "Crédito da compra de R$ 45,90 na Padaria X (abate R$ 0,21 do saldo devedor)"
    assert (read.units, read.debt_units, read.balance_after) == (300, 21, 300)


def test_a_cash_out_a_reversal_and_an_expiry_each_have_their_words() -> None:
    wallet, award, _ = bread(50)
    answer = cash_out(wallet, 30, "voucher_1", SALE)
    assert not isinstance(answer, Refusal)
    wallet, spent = answer
    _, _, taken = debit(wallet, award, 50, funding=PACK, occasion=SALE)
    lapsed = expire(wallet, Occasion(SOLD_AT, datetime(2026, 4, 1, tzinfo=UTC), "expiry"))
    assert lapsed is not None
    assert line(spent, "ana", "cashback", 50).text == "Saque de cashback"
    assert line(spent, "ana", "points", 50).text == "Resgate de pontos"
    read = line(taken, "ana", "points", 20, BREAD)
    assert read.text == "Estorno da compra de R$ 45,90 na Padaria X (deixa 30 pontos de saldo devedor)"
    assert (read.units, read.debt_units, read.balance_after) == (-20, -30, -30)
    read = line(lapsed[1], "ana", "points", 20)
    assert (read.text, read.units, read.balance_after) == ("Expiração", -20, 0)


def test_a_reader_sees_only_their_own_side_of_a_movement() -> None:
    movement = Movement(
        "merged",
        (Posting(Account("available", "ana"), -70), Posting(Account("available", "bia"), 70)),
        *SALE,
        "sale_1",
    )
    assert line(movement, "ana", "points", 70, BREAD).units == -70
    assert line(movement, "bia", "points", 0, BREAD).balance_after == 70


def test_a_movement_of_no_member_has_no_line() -> None:
    with pytest.raises(KeyError):
        line(buy_pack("padaria", 10, SALE), "ana", "points", 0)
