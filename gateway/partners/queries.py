"""Reading partners and their rates: whatever belongs to another programme does not exist."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from gateway.ledger import queries as ledger
from gateway.store import rows
from gateway.store import tables as t
from loyalty.accounts import Account

Row: TypeAlias = dict[str, Any]


def partner(conn: Connection, programme_id: str, partner_id: str) -> Row | None:
    """Return one partner with `pack_units`, what is left of its prepaid pack."""
    p = t.partner.c
    query = select(t.partner).where(p.programme_id == programme_id, p.partner_id == partner_id)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else _with_packs(conn, [dict(row)])[0]


def known_partners(conn: Connection, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return which of (programme id, partner id) exist."""
    found = rows.fetch(conn, t.partner, ("programme_id", "partner_id"), wanted)
    return {(row["programme_id"], row["partner_id"]) for row in found}


def partners(
    conn: Connection, programme_id: str, only: str | None, after_id: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` partners after `after_id`, oldest first; `only` one if given."""
    p = t.partner.c
    query = select(t.partner).where(p.programme_id == programme_id, p.partner_id > (after_id or ""))
    if only is not None:
        query = query.where(p.partner_id == only)
    found = conn.execute(query.order_by(p.partner_id).limit(limit)).mappings()
    return _with_packs(conn, [dict(row) for row in found])


def _with_packs(conn: Connection, found: list[Row]) -> list[Row]:
    packs = {row["partner_id"]: (row["programme_id"], Account("prepaid", row["partner_id"])) for row in found}
    held = ledger.balances(conn, packs.values())
    return [{**row, "pack_units": held.get(packs[row["partner_id"]], 0)} for row in found]


def rates(conn: Connection, programme_id: str, partner_id: str, seen: int, limit: int) -> list[Row]:
    """Return up to `limit` rates of a partner in the order they were recorded, after the first `seen`."""
    r = t.rate.c
    query = select(t.rate).where(r.programme_id == programme_id, r.partner_id == partner_id)
    found = conn.execute(query.order_by(r.recorded_at).limit(limit).offset(seen))
    return [dict(row) for row in found.mappings()]


def has_sales(conn: Connection, programme_id: str, partner_id: str) -> bool:
    """Return whether anything was ever said about a sale of this partner."""
    s = t.sale.c
    query = select(s.sale_id).where(s.programme_id == programme_id, s.partner_id == partner_id).limit(1)
    return conn.execute(query).first() is not None
