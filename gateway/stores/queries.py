"""Reading the places of a partner: what belongs to another programme or partner does not exist."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import Column, Connection, Table, select

from gateway.privacy import ProgrammeKeys
from gateway.store import tables as t

Row: TypeAlias = dict[str, Any]
Owner: TypeAlias = tuple[str, str]
"""(programme id, partner id)."""


def stores(conn: Connection, owner: Owner, after_id: str | None, limit: int) -> list[Row]:
    """Return up to `limit` stores of a partner after `after_id`, oldest first."""
    return _owned(conn, t.store, t.store.c.store_id, owner, after_id, limit)


def merchants(conn: Connection, owner: Owner, after_ref: str | None, limit: int) -> list[Row]:
    """Return up to `limit` establishment names of a partner after `after_ref`, in the order of the names."""
    return _owned(conn, t.merchant, t.merchant.c.merchant_ref, owner, after_ref, limit)


def terminals(conn: Connection, owner: Owner, after_id: str | None, limit: int) -> list[Row]:
    """Return up to `limit` terminals of a partner after `after_id`, oldest first, without their secrets."""
    found = _owned(conn, t.terminal, t.terminal.c.terminal_id, owner, after_id, limit)
    return [{name: value for name, value in row.items() if name != "secret_sealed"} for row in found]


def operators(
    conn: Connection, keys: ProgrammeKeys, owner: Owner, after_id: str | None, limit: int
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


def owned(conn: Connection, table: Table, key: Column[Any], owner: Owner, value: str) -> Row | None:
    """Return the row of `table` whose `key` is `value`, if it belongs to `owner` (programme id, partner id)."""
    mine = (table.c.programme_id == owner[0], table.c.partner_id == owner[1], key == value)
    row = conn.execute(select(table).where(*mine)).mappings().one_or_none()
    return None if row is None else dict(row)


def _owned(
    conn: Connection,
    table: Table,
    key: Column[Any],
    owner: Owner,
    after: str | None,
    limit: int,
) -> list[Row]:
    mine = (table.c.programme_id == owner[0], table.c.partner_id == owner[1], key > (after or ""))
    return _all(conn, select(table).where(*mine).order_by(key).limit(limit))


def _all(conn: Connection, query: Any) -> list[Row]:
    return [dict(row) for row in conn.execute(query).mappings()]
