"""Reading the ledger: what is posted, what a wallet holds."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from gateway.store import rows
from gateway.store import tables as t
from loyalty.accounts import Account, Award, Lot, Redemption, Wallet

MemberRef: TypeAlias = tuple[str, str]
"""(programme id, member id)."""

WALLET_KINDS = ("pending", "available", "reserved", "debt")


def awards_of(
    conn: Connection, sales: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the award rows of (programme id, sale id) pairs: the posted map of R10."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows.fetch(conn, t.award, ("programme_id", "sale_id"), sales):
        found.setdefault((row["programme_id"], row["sale_id"]), []).append(row)
    return found


def award_of(row: Mapping[str, Any]) -> Award:
    """Return the posted award that a row holds."""
    names = ("sale_id", "member_id", "partner_id", "units", "pending", "absorbed", "forgiven")
    return Award(**{name: row[name] for name in names})


def balances(conn: Connection, accounts: Iterable[tuple[str, Account]]) -> dict[tuple[str, Account], int]:
    """Return the balances of (programme id, account) pairs; an account without postings is absent."""
    keys = [(programme_id, account.kind, account.ref) for programme_id, account in accounts]
    found = rows.fetch(conn, t.balance, ("programme_id", "account", "account_ref"), keys)
    return {(row["programme_id"], Account(row["account"], row["account_ref"])): row["units"] for row in found}


def wallets(
    conn: Connection, members: Iterable[MemberRef], whole: Iterable[MemberRef] = ()
) -> dict[MemberRef, Wallet]:
    """Return wallets with their balances; those in `whole` with all their lots and redemptions too."""
    wanted, full = list(dict.fromkeys(members)), list(dict.fromkeys(whole))
    held = balances(conn, ((p, Account(kind, m)) for p, m in wanted for kind in WALLET_KINDS))
    found = {
        (p, m): _wallet(m, {kind: held.get((p, Account(kind, m)), 0) for kind in WALLET_KINDS})
        for p, m in wanted
    }
    if not full:
        return found
    lots: dict[MemberRef, list[Lot]] = {}
    for row in rows.fetch(conn, t.lot, ("programme_id", "member_id"), full):
        lots.setdefault((row["programme_id"], row["member_id"]), []).append(lot_of(row))
    spent: dict[MemberRef, list[Redemption]] = {}
    for row in rows.fetch(conn, t.voucher, ("programme_id", "member_id"), full):
        redemption = Redemption(row["voucher_id"], row["issued_at"], row["units"])
        spent.setdefault((row["programme_id"], row["member_id"]), []).append(redemption)
    for at in full:
        own = tuple(sorted(lots.get(at, ()), key=lambda lot: (lot.born_at, lot.id)))
        found[at] = replace(found[at], lots=own, redemptions=tuple(spent.get(at, ())))
    return found


def _wallet(member_id: str, held: Mapping[str, int]) -> Wallet:
    return Wallet(member_id, held["pending"], held["available"], held["reserved"], held["debt"])


def lot_of(row: Mapping[str, Any]) -> Lot:
    """Return the lot that a row holds."""
    return Lot(
        id=row["lot_id"],
        sale_id=row["sale_id"],
        partner_id=row["partner_id"],
        born_at=row["born_at"],
        expires_at=row["expires_at"],
        issued=row["issued"],
        remaining=row["remaining"],
        expired=row["expired"],
        taken_back=row["taken_back"],
    )


def dossiers_to_activate(conn: Connection, now: datetime, limit: int) -> list[tuple[tuple[str, str], str]]:
    """Return up to `limit` dossiers (scope, id) whose sales hold pending value that is due by `now`."""
    a, s = t.award.c, t.sale.c
    query = (
        select(s.programme_id, s.partner_id, s.dossier_id)
        .join(t.award, (a.programme_id == s.programme_id) & (a.sale_id == s.sale_id))
        .where(a.activates_at <= now, a.pending > 0)
        .distinct()
        .limit(limit)
    )
    return [((p, partner_id), dossier_id) for p, partner_id, dossier_id in conn.execute(query).all()]


def members_with_due_lots(conn: Connection, now: datetime, limit: int) -> list[MemberRef]:
    """Return up to `limit` members that hold something in lots due by `now`."""
    lot = t.lot.c
    query = select(lot.programme_id, lot.member_id).where(lot.expires_at <= now, lot.remaining > 0)
    return [(p, m) for p, m in conn.execute(query.distinct().limit(limit)).all()]


def counters(conn: Connection, programmes: Iterable[str], name: str) -> dict[str, int]:
    """Return by programme the last number given in the sequence `name`; 0 before the first."""
    wanted = list(programmes)
    found = rows.fetch(conn, t.counter, ("programme_id", "name"), [(p, name) for p in wanted])
    return dict.fromkeys(wanted, 0) | {row["programme_id"]: row["value"] for row in found}


def held_awards(conn: Connection, partners: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the awards of (programme id, partner id) pairs that wait for their partner's pack."""
    wanted = [(programme_id, partner_id, "pack_exhausted") for programme_id, partner_id in partners]
    return rows.fetch(conn, t.award, ("programme_id", "partner_id", "held"), wanted)
