"""What must hold in the books, whatever happened: one function per invariant, over rows in any number.

Each yields one sentence per breach and reads its rows once; only ids and figures appear, never a person.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from loyalty.accounts import ACCOUNT_KINDS, BELOW_ZERO, UNITS_MAX, Account, Award, Lot


class Entry(NamedTuple):
    """One posting with its movement; the entries of a movement come together."""

    movement_id: str
    kind: str
    account: Account
    units: int


class Held(NamedTuple):
    """One lot and whose it is."""

    member_id: str
    lot: Lot


class Issued(NamedTuple):
    """The units of one voucher: what it took from its wallet and did not return, and where they are now."""

    voucher_id: str
    units: int
    free: int
    held: int = 0
    spent: int = 0
    lapsed: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """A snapshot of one programme: what was posted, and the caches and records that must agree with it.

    `vouchers` are all ever issued. Rows may be streams; only `balances` is held in memory.
    """

    entries: Iterable[Entry]
    balances: Mapping[Account, int]
    lots: Iterable[Held] = ()
    awards: Iterable[Award] = ()
    vouchers: Iterable[Issued] = ()


@dataclass(slots=True)
class Totals:
    """Sums taken while the entries pass by."""

    balances: Counter[Account] = field(default_factory=Counter)
    packs_bought: Counter[str] = field(default_factory=Counter)
    packs_used: Counter[str] = field(default_factory=Counter)


def check(books: Books) -> list[str]:
    """Return every breach of I1 to I8, or nothing; the entries are read first, then the other rows."""
    totals = Totals()
    lots = Lots()
    return [
        *unbalanced(books.entries, totals),
        *stale(books.balances, totals.balances),
        *overdrawn(totals.balances),
        *bad_lots(books.lots, lots),
        *vouchers_apart_from_balances(books.vouchers, totals.balances, lots),
        *lots_apart_from_balances(lots, totals.balances),
        *packs_apart_from_grants(totals),
        *bad_awards(books.awards, lots),
        *debt_beside_value(totals.balances),
    ]


def unbalanced(entries: Iterable[Entry], totals: Totals) -> Iterator[str]:
    """I1: the postings of each movement, and so of the ledger, sum to zero. Fills `totals`."""
    for movement_id, group in groupby(entries, key=itemgetter(0)):
        total = 0
        for _, kind, account, units in group:
            total += units
            totals.balances[account] += units
            if account.kind == "prepaid":
                used_or_bought = totals.packs_bought if kind == "pack" else totals.packs_used
                used_or_bought[account.ref] += units if kind == "pack" else -units
            if account.kind not in ACCOUNT_KINDS or not 0 < abs(units) <= UNITS_MAX:
                yield f"I1: movement {movement_id} posts {units} to {_name(account)}"
        if total:
            yield f"I1: movement {movement_id} sums to {total}"
    if whole := sum(totals.balances.values()):
        yield f"I1: the ledger sums to {whole}"


def stale(cached: Mapping[Account, int], posted: Mapping[Account, int]) -> Iterator[str]:
    """Balances are a cache: each equals the sum of its postings."""
    for account in sorted(cached.keys() | posted.keys()):
        if cached.get(account, 0) != posted.get(account, 0):
            yield f"cache: {_name(account)} holds {cached.get(account, 0)}, posted {posted.get(account, 0)}"


def overdrawn(balances: Mapping[Account, int]) -> Iterator[str]:
    """I2: only issuance, goodwill and debt may be below zero; a debt never above it."""
    for account, units in balances.items():
        if (units < 0 and account.kind not in BELOW_ZERO) or (units > 0 and account.kind == "debt"):
            yield f"I2: {_name(account)} holds {units}"


@dataclass(slots=True)
class Lots:
    """Sums taken while lots and vouchers pass by; `by_award` is what each (sale, member, partner) still holds."""

    remaining: Counter[str] = field(default_factory=Counter)
    expired: int = 0
    lapsed: int = 0
    by_award: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def bad_lots(rows: Iterable[Held], lots: Lots) -> Iterator[str]:
    """No part of a lot is below zero, and its parts do not exceed what it holds. Fills `lots`."""
    for member_id, lot in rows:
        used = lot.issued - lot.remaining - lot.expired
        if min(used, lot.remaining, lot.expired, lot.taken_back) < 0:
            yield f"I3: lot {lot.id} holds {lot.issued} = {lot.remaining} + {lot.expired} + {used} used"
        lots.remaining[member_id] += lot.remaining
        lots.expired += lot.expired
        if lot.sale_id and lot.partner_id:
            lots.by_award[lot.sale_id, member_id, lot.partner_id] += lot.issued


def lots_apart_from_balances(lots: Lots, balances: Mapping[Account, int]) -> Iterator[str]:
    """I3: live lots sum to what is available or reserved, member by member, and expired ones to breakage."""
    right: Counter[str] = Counter()
    for (kind, ref), units in balances.items():
        if kind in {"available", "reserved"}:
            right[ref] += units
    for member_id in sorted(right.keys() | lots.remaining.keys()):
        if right[member_id] != lots.remaining[member_id]:
            yield f"I3: lots of {member_id} hold {lots.remaining[member_id]}, balances {right[member_id]}"
    breakage = balances.get(Account("breakage"), 0)
    if lots.expired + lots.lapsed != breakage:
        yield f"I3: lots and vouchers expired {lots.expired + lots.lapsed}, breakage holds {breakage}"


def vouchers_apart_from_balances(
    vouchers: Iterable[Issued], balances: Mapping[Account, int], lots: Lots
) -> Iterator[str]:
    """I4: what a voucher took and did not return is free, held, spent or lapsed, and its accounts say so.

    Adds to `lots` what vouchers left to breakage.
    """
    right: Counter[tuple[str, str]] = Counter()
    redeemed = 0
    for (kind, ref), units in balances.items():
        if kind in {"outstanding", "held"}:
            right[kind, ref] += units
        redeemed += units if kind == "redeemed" else 0
    for voucher_id, units, free, held, spent, lapsed in vouchers:
        right["outstanding", voucher_id] -= free
        right["held", voucher_id] -= held
        redeemed -= spent
        lots.lapsed += lapsed
        if units != free + held + spent + lapsed:
            yield f"I4: voucher {voucher_id} took {units}, but {free + held + spent + lapsed} are accounted for"
    for (kind, voucher_id), units in sorted(right.items()):
        if units:
            yield f"I4: voucher {voucher_id} differs by {units} from what is {kind}"
    if redeemed:
        yield f"I4: partners redeemed {redeemed} more than vouchers spent"


def packs_apart_from_grants(totals: Totals) -> Iterator[str]:
    """I5: a pack holds what was bought less what was granted, and never got back more than it granted."""
    for partner_id in sorted(totals.packs_bought.keys() | totals.packs_used.keys()):
        bought, used = totals.packs_bought[partner_id], totals.packs_used[partner_id]
        if not 0 <= used <= bought:
            yield f"I5: the pack of {partner_id} bought {bought} and granted {used}"


def bad_awards(awards: Iterable[Award], lots: Lots) -> Iterator[str]:
    """I6: one award per (sale, member, partner). I7: reversals never exceed it, and its lots explain it."""
    seen: set[tuple[str, str, str]] = set()
    for award in awards:
        key = (award.sale_id, award.member_id, award.partner_id)
        if key in seen:
            yield f"I6: {_award(key)} stands twice"
        seen.add(key)
        if min(award.units, award.pending, award.absorbed, award.forgiven) < 0:
            yield f"I7: {_award(key)} is reversed beyond what it gave"
        explained = award.pending + lots.by_award[key] - award.absorbed - award.forgiven
        if award.units != explained:
            yield f"I7: {_award(key)} posted {award.units}, its lots explain {explained}"
    for key in sorted(key for key, issued in lots.by_award.items() if issued and key not in seen):
        yield f"I7: {_award(key)} has lots and no award"


def debt_beside_value(balances: Mapping[Account, int]) -> Iterator[str]:
    """I8: nobody owes while something is available."""
    for (kind, member_id), units in balances.items():
        if kind == "debt" and units < 0 and balances.get(Account("available", member_id), 0) > 0:
            yield f"I8: {member_id} owes {-units} beside available value"


def _name(account: Account) -> str:
    return f"{account.kind}:{account.ref}" if account.ref else account.kind


def _award(key: tuple[str, str, str]) -> str:
    return "award ({}, {}, {})".format(*key)
