"""Reading vouchers and their uses."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from gateway.store import rows
from gateway.store import tables as t
from loyalty.vouchers import Use, Value, Voucher

Row: TypeAlias = dict[str, Any]

VoucherRef: TypeAlias = tuple[str, str]
"""(programme id, voucher id)."""

UseRef: TypeAlias = tuple[str, str]
"""(programme id, use id)."""

_VALUES = ("free", "held", "spent", "lapsed", "returned")


def voucher_of(row: Mapping[str, Any]) -> Voucher:
    """Return the voucher that a row holds."""
    return Voucher(
        id=row["voucher_id"],
        member_id=row["member_id"],
        expires_at=row["expires_at"],
        partner_id=row["partner_id"],
        minimum_cents=row["minimum_cents"],
        combinable=row["combinable"],
        remainder=row["remainder"],
        on_expiry=row["on_expiry"],
        ended=row["ended"],
        **{name: Value(row[f"{name}_cents"], row[f"{name}_units"]) for name in _VALUES},
    )


def columns_of(voucher: Voucher) -> dict[str, Any]:
    """Return the columns that a verb may have changed."""
    changed: dict[str, Any] = {"state": voucher.state, "ended": voucher.ended}
    for name in _VALUES:
        value: Value = getattr(voucher, name)
        changed[f"{name}_cents"], changed[f"{name}_units"] = value
    return changed


def use_of(row: Mapping[str, Any]) -> Use:
    """Return the use that a row holds."""
    return Use(
        id=row["use_id"],
        voucher_id=row["voucher_id"],
        partner_id=row["partner_id"],
        expires_at=row["expires_at"],
        held=Value(row["held_cents"], row["held_units"]),
        spent=Value(row["spent_cents"], row["spent_units"]),
        lapsed=Value(row["lapsed_cents"], row["lapsed_units"]),
    )


def columns_of_use(use: Use) -> dict[str, Any]:
    """Return the columns that a verb may have changed."""
    return {
        "expires_at": use.expires_at,
        "held_cents": use.held.cents,
        "held_units": use.held.units,
        "spent_cents": use.spent.cents,
        "spent_units": use.spent.units,
        "lapsed_cents": use.lapsed.cents,
        "lapsed_units": use.lapsed.units,
    }


def vouchers_by(conn: Connection, column: str, keys: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return voucher rows whose `column` (an id or a hash) is the second of (programme id, value)."""
    return rows.fetch(conn, t.voucher, ("programme_id", column), keys)


def uses_by(conn: Connection, column: str, keys: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return use rows whose `column` is the second of (programme id, value)."""
    return rows.fetch(conn, t.voucher_use, ("programme_id", column), keys)


def entries_of(conn: Connection, uses: Iterable[UseRef]) -> list[dict[str, Any]]:
    """Return settlements and cancellations of uses, oldest first."""
    found = rows.fetch(conn, t.voucher_entry, ("programme_id", "use_id"), uses)
    return sorted(found, key=lambda row: (row["made_at"], row["request_ref"]))


def vouchers_of_member(
    conn: Connection, programme_id: str, member_id: str, *, only: str | None, after_id: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` vouchers of a member, oldest first; `only` those that one partner may honour."""
    v = t.voucher.c
    query = select(t.voucher).where(
        v.programme_id == programme_id, v.member_id == member_id, v.voucher_id > (after_id or "")
    )
    if only is not None:
        query = query.where(v.partner_id.is_(None) | (v.partner_id == only))
    found = conn.execute(query.order_by(v.voucher_id).limit(limit)).mappings()
    return [dict(row) for row in found]


def due_vouchers(conn: Connection, now: datetime, limit: int) -> list[VoucherRef]:
    """Return up to `limit` vouchers with value left whose time is over by `now`."""
    v = t.voucher.c
    query = select(v.programme_id, v.voucher_id).where(
        v.expires_at <= now, v.free_cents > 0, v.ended.is_(None)
    )
    return [(p, voucher_id) for p, voucher_id in conn.execute(query.limit(limit)).all()]


def due_uses(conn: Connection, now: datetime, limit: int) -> list[UseRef]:
    """Return up to `limit` uses that still hold value although their time is over by `now`."""
    u = t.voucher_use.c
    query = select(u.programme_id, u.use_id).where(u.expires_at <= now, u.held_cents > 0)
    return [(p, use_id) for p, use_id in conn.execute(query.limit(limit)).all()]
