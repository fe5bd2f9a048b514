"""Each invariant finds its own breach: sound books first, then one figure changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from loyalty.accounts import Account, Award, Lot
from loyalty.invariants import Books, Entry, Held, Issued, check

BORN_AT = datetime(2026, 3, 1, tzinfo=UTC)
AVAILABLE, DEBT, PACK = Account("available", "ana"), Account("debt", "ana"), Account("prepaid", "padaria")
ISSUANCE, BREAKAGE, VOUCHER = Account("issuance"), Account("breakage"), Account("outstanding", "voucher_1")
ENTRIES = (
    Entry("m1", "pack", ISSUANCE, -1000),
    Entry("m1", "pack", PACK, 1000),
    Entry("m2", "accrual", PACK, -70),
    Entry("m2", "accrual", AVAILABLE, 70),
    Entry("m3", "cashout", AVAILABLE, -30),
    Entry("m3", "cashout", VOUCHER, 30),
    Entry("m4", "reversal", AVAILABLE, -10),
    Entry("m4", "reversal", PACK, 10),
    Entry("m5", "expiry", AVAILABLE, -5),
    Entry("m5", "expiry", BREAKAGE, 5),
)
LOT = Lot("lot_1", "sale_1", "padaria", BORN_AT, None, issued=60, remaining=25, expired=5, taken_back=10)
AWARD = Award("sale_1", "ana", "padaria", units=60)
SOUND = Books(
    entries=ENTRIES,
    balances={ISSUANCE: -1000, PACK: 940, AVAILABLE: 25, VOUCHER: 30, BREAKAGE: 5},
    lots=(Held("ana", LOT),),
    awards=(AWARD,),
    vouchers=(Issued("voucher_1", 30, 30),),
)


def more(*entries: Entry) -> Books:
    return replace(SOUND, entries=(*ENTRIES, *entries))


def test_sound_books_have_no_breach() -> None:
    assert check(SOUND) == []


def test_books_may_be_streams() -> None:
    def million() -> Iterator[Entry]:
        for number in range(1000):
            yield Entry(f"n{number}", "accrual", ISSUANCE, -1)
            yield Entry(f"n{number}", "accrual", Account("pending", "ana"), 1)

    balances = {ISSUANCE: -1000, Account("pending", "ana"): 1000}
    awards = iter([Award("sale_1", "ana", "padaria", units=1000, pending=1000)])
    assert check(Books(million(), balances, iter(()), awards, iter(()))) == []


@pytest.mark.parametrize(
    ("books", "breach"),
    [
        (more(Entry("m6", "goodwill", AVAILABLE, 1)), "I1: movement m6 sums to 1"),
        (more(Entry("m6", "x", Account("mystery"), 1)), "I1: movement m6 posts 1 to mystery"),
        (more(Entry("m6", "x", AVAILABLE, 2**53)), f"I1: movement m6 posts {2**53} to available:ana"),
        (more(Entry("m6", "x", AVAILABLE, 0)), "I1: movement m6 posts 0 to available:ana"),
        (more(Entry("m6", "goodwill", AVAILABLE, 1)), "I1: the ledger sums to 1"),
        (
            replace(SOUND, balances={**SOUND.balances, PACK: 941}),
            "cache: prepaid:padaria holds 941, posted 940",
        ),
        (
            more(Entry("m6", "cashout", AVAILABLE, -26), Entry("m6", "cashout", VOUCHER, 26)),
            "I2: available:ana holds -1",
        ),
        (more(Entry("m6", "x", DEBT, 3), Entry("m6", "x", ISSUANCE, -3)), "I2: debt:ana holds 3"),
        (replace(SOUND, lots=()), "I3: lots of ana hold 0, balances 25"),
        (
            replace(SOUND, lots=(Held("ana", replace(LOT, expired=4)),)),
            "I3: lots and vouchers expired 4, breakage holds 5",
        ),
        (
            replace(SOUND, lots=(Held("ana", replace(LOT, issued=29)),)),
            "I3: lot lot_1 holds 29 = 25 + 5 + -1 used",
        ),
        (
            replace(SOUND, vouchers=(Issued("voucher_1", 30, 20, 5),)),
            "I4: voucher voucher_1 took 30, but 25 are accounted for",
        ),
        (
            replace(SOUND, vouchers=(Issued("voucher_1", 30, 30, 0, 7, -7),)),
            "I4: partners redeemed -7 more than vouchers spent",
        ),
        (replace(SOUND, vouchers=()), "I4: voucher voucher_1 differs by 30 from what is outstanding"),
        (
            more(Entry("m6", "reversal", PACK, 61), Entry("m6", "reversal", ISSUANCE, -61)),
            "I5: the pack of padaria bought 1000 and granted -1",
        ),
        (replace(SOUND, awards=(AWARD, AWARD)), "I6: award (sale_1, ana, padaria) stands twice"),
        (
            replace(SOUND, awards=(replace(AWARD, units=-1),)),
            "I7: award (sale_1, ana, padaria) is reversed beyond what it gave",
        ),
        (
            replace(SOUND, awards=(replace(AWARD, units=59),)),
            "I7: award (sale_1, ana, padaria) posted 59, its lots explain 60",
        ),
        (replace(SOUND, awards=()), "I7: award (sale_1, ana, padaria) has lots and no award"),
        (
            more(Entry("m6", "x", DEBT, -3), Entry("m6", "x", ISSUANCE, 3)),
            "I8: ana owes 3 beside available value",
        ),
    ],
)
def test_a_breach_is_named(books: Books, breach: str) -> None:
    assert breach in check(books)
