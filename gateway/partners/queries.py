"""Reading partners and their places: whatever belongs to another programme or partner does not exist."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import Column, Connection, Table, select

from gateway.ledger import queries as ledger
from gateway.privacy import ProgrammeKeys
from gateway.store import tables as t
from loyalty.accounts import Account

Row: TypeAlias = dict[str, Any]


def partner(conn: Connection, programme_id: str, partner_id: str) -> Row | None:
    """Return one partner with `pack_units`, what is left of its prepaid pack."""
    p = t.partner.c
    query = select(t.partner).where(p.programme_id == programme_id, p.partner_id == partner_id)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else _with_packs(conn, [dict(row)])[0]


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
    return _all(conn, query.order_by(r.recorded_at).limit(limit).offset(seen))


def stores(
    conn: Connection, programme_id: str, partner_id: str, after_id: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` stores of a partner after `after_id`, oldest first."""
    return _owned(conn, t.store, t.store.c.store_id, (programme_id, partner_id), after_id, limit)


def merchants(
    conn: Connection, programme_id: str, partner_id: str, after_ref: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` establishment names of a partner after `after_ref`, in the order of the names."""
    return _owned(conn, t.merchant, t.merchant.c.merchant_ref, (programme_id, partner_id), after_ref, limit)


def terminals(
    conn: Connection, programme_id: str, partner_id: str, after_id: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` terminals of a partner after `after_id`, oldest first, without their secrets."""
    found = _owned(conn, t.terminal, t.terminal.c.terminal_id, (programme_id, partner_id), after_id, limit)
    return [{name: value for name, value in row.items() if name != "secret_sealed"} for row in found]


def operators(
    conn: Connection, keys: ProgrammeKeys, owner: tuple[str, str], after_id: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` operators of `owner` (programme id, partner id) after `after_id`, names opened."""
    found = _owned(conn, t.operator, t.operator.c.operator_id, owner, after_id, limit)
    return [operator_of(keys, row) for row in found]


def operator_of(keys: ProgrammeKeys, row: Mapping[str, Any]) -> Row:
    """Return an operator with its name opened."""
    clear = keys.open_config(name_place(row["operator_id"]), row["name_sealed"])
    return {**{name: value for name, value in row.items() if name != "name_sealed"}, "name": clear.decode()}


def name_place(operator_id: str) -> str:
    """Return where an operator's name is sealed to."""
    return f"operator/{operator_id}/name_sealed"


def has_sales(conn: Connection, programme_id: str, partner_id: str) -> bool:
    """Return whether anything was ever said about a sale of this partner."""
    s = t.sale.c
    query = select(s.sale_id).where(s.programme_id == programme_id, s.partner_id == partner_id).limit(1)
    return conn.execute(query).first() is not None


def owned(conn: Connection, table: Table, key: Column[Any], owner: tuple[str, str], value: str) -> Row | None:
    """Return the row of `table` whose `key` is `value`, if it belongs to `owner` (programme id, partner id)."""
    mine = (table.c.programme_id == owner[0], table.c.partner_id == owner[1], key == value)
    row = conn.execute(select(table).where(*mine)).mappings().one_or_none()
    return None if row is None else dict(row)


def _owned(
    conn: Connection,
    table: Table,
    key: Column[Any],
    owner: tuple[str, str],
    after: str | None,
    limit: int,
) -> list[Row]:
    mine = (table.c.programme_id == owner[0], table.c.partner_id == owner[1], key > (after or ""))
    return _all(conn, select(table).where(*mine).order_by(key).limit(limit))


def _all(conn: Connection, query: Any) -> list[Row]:
    return [dict(row) for row in conn.execute(query).mappings()]
