"""Reading the ledger: what is posted, what a wallet holds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, Table, func, literal_column, select

from gateway.store import rows
from gateway.store import tables as t
from loyalty.accounts import Account, Award, Lot, Redemption, Wallet
from loyalty.invariants import Books, Entry, Held, Issued

MemberRef: TypeAlias = tuple[str, str]
"""(programme id, member id)."""

ROWS_AT_ONCE = 2_000

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
    keys = [(p, kind, m) for p, m in wanted for kind in WALLET_KINDS]
    found_units = {
        (row["programme_id"], row["account"], row["account_ref"]): row["units"]
        for row in rows.fetch(conn, t.balance, ("programme_id", "account", "account_ref"), keys)
    }
    found = {
        (p, m): Wallet(m, *(found_units.get((p, kind, m), 0) for kind in WALLET_KINDS)) for p, m in wanted
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
    query = select(lot.programme_id, lot.member_id).where(
        lot.expires_at <= now, lot.remaining > literal_column("0")
    )
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


def books(conn: Connection, programme_id: str) -> Books:
    """Return all that a programme's ledger holds, as streams that are read once, one after the other."""
    b, v = t.balance.c, t.voucher.c
    held = select(b.account, b.account_ref, b.units).where(b.programme_id == programme_id)
    its = (v.voucher_id, v.units, v.free_units, v.held_units, v.spent_units, v.lapsed_units)
    vouchers = select(*its).where(v.programme_id == programme_id)
    return Books(
        entries=_entries(conn, programme_id),
        balances={Account(kind, ref): units for kind, ref, units in conn.execute(held)},
        lots=(Held(row["member_id"], lot_of(row)) for row in _every(conn, t.lot, programme_id)),
        awards=(award_of(row) for row in every_award(conn, programme_id)),
        vouchers=(Issued(*row) for row in _streamed(conn, vouchers)),
    )


def every_award(conn: Connection, programme_id: str) -> Iterator[Mapping[str, Any]]:
    """Yield the award rows of a programme."""
    return _every(conn, t.award, programme_id)


def orphans(conn: Connection, programme_id: str) -> dict[str, int]:
    """Return how many rows of a programme lost what they belong to, by kind; kinds without any are absent."""
    counted = {
        "movements without postings": _without(programme_id, t.movement, t.posting, "movement_id"),
        "postings without their movement": _without(programme_id, t.posting, t.movement, "movement_id"),
        "awards without their sale": _without(programme_id, t.award, t.sale, "sale_id"),
        "evidence without its sale": _without(programme_id, t.evidence, t.sale, "sale_id"),
        "evidence keys without evidence": _without(programme_id, t.evidence_key, t.evidence, "dossier_id"),
        "lots without their member": _without(programme_id, t.lot, t.member, "member_id"),
        "changes of a wallet without a line in its statement": _untold(programme_id),
    }
    found = {kind: conn.execute(query).scalar_one() for kind, query in counted.items()}
    return {kind: rows_lost for kind, rows_lost in found.items() if rows_lost}


def latest_learned_at(conn: Connection) -> datetime | None:
    """Return when the newest movement of any programme was learned, or `None` while there is none."""
    found: datetime | None = conn.execute(select(func.max(t.movement.c.learned_at))).scalar_one()
    return found


def _entries(conn: Connection, programme_id: str) -> Iterator[Entry]:
    m, p = t.movement.c, t.posting.c
    query = (
        select(p.movement_id, m.kind, p.account, p.account_ref, p.units)
        .join(t.movement, (m.programme_id == p.programme_id) & (m.movement_id == p.movement_id))
        .where(p.programme_id == programme_id)
        .order_by(p.movement_id, p.line)
    )
    for movement_id, kind, account, ref, units in _streamed(conn, query):
        yield Entry(movement_id, kind, Account(account, ref), units)


def _every(conn: Connection, table: Table, programme_id: str) -> Iterator[Mapping[str, Any]]:
    query = select(table).where(table.c.programme_id == programme_id)
    yield from (dict(row) for row in conn.execution_options(yield_per=ROWS_AT_ONCE).execute(query).mappings())


def _streamed(conn: Connection, query: Select[Any]) -> Iterator[Any]:
    return iter(conn.execution_options(yield_per=ROWS_AT_ONCE).execute(query))


def _untold(programme_id: str) -> Select[Any]:
    """Return how many postings change the wallet of a member whom their movement does not name."""
    m, p = t.movement.c, t.posting.c
    its = (m.programme_id == p.programme_id) & (m.movement_id == p.movement_id)
    told = (func.coalesce(m.member_id, ""), func.coalesce(m.counterpart_id, ""))
    changed = (p.programme_id == programme_id, p.account.in_(WALLET_KINDS), p.account_ref.not_in(told))
    return select(func.count()).select_from(t.posting.join(t.movement, its)).where(*changed)


def _without(programme_id: str, child: Table, parent: Table, name: str) -> Select[Any]:
    its = (parent.c.programme_id == child.c.programme_id) & (parent.c[name] == child.c[name])
    lost = select(func.count()).select_from(child.outerjoin(parent, its))
    return lost.where(child.c.programme_id == programme_id, parent.c[name].is_(None))
