"""Reading coupons: which stores may show a voucher, and what is due to be told to them."""

from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, func, select

from gateway.context import Context
from gateway.store import rows
from gateway.store import tables as t

Row: TypeAlias = dict[str, Any]

CouponRef: TypeAlias = tuple[str, str, str]
"""(programme id, voucher id, installation id)."""


def stores_with_coupons(context: Context, conn: Connection, programme_id: str) -> tuple[tuple[str, str], ...]:
    """Return (installation id, partner id) of the stores that can show a voucher as a coupon."""

    def load() -> tuple[tuple[str, str], ...]:
        slugs = [connector.slug for connector in context.catalogue if connector.coupons is not None]
        i = t.installation.c
        query = select(i.installation_id, i.partner_id).where(
            i.programme_id == programme_id, i.connector.in_(slugs)
        )
        return tuple(
            (row.installation_id, row.partner_id) for row in conn.execute(query.order_by(i.installation_id))
        )

    return context.memory.get(programme_id, "stores with coupons", load)


def coupons_of(conn: Connection, vouchers: list[tuple[str, str]]) -> dict[CouponRef, Row]:
    """Return the coupons of (programme id, voucher id) pairs."""
    found = rows.fetch(conn, t.coupon, ("programme_id", "voucher_id"), vouchers)
    return {(row["programme_id"], row["voucher_id"], row["installation_id"]): row for row in found}


def due_coupons(conn: Connection, now: datetime, limit: int) -> list[CouponRef]:
    """Return up to `limit` coupons about which a store must be told something by `now`."""
    c = t.coupon.c
    query = select(c.programme_id, c.voucher_id, c.installation_id).where(c.due_at <= now)
    return [(p, v, i) for p, v, i in conn.execute(query.order_by(c.due_at).limit(limit)).all()]


def coupons(
    conn: Connection,
    programme_id: str,
    *,
    partner_id: str | None,
    state: str | None,
    after: str | None,
    limit: int,
) -> list[Row]:
    """Return up to `limit` coupons in the order of their vouchers; each names its place in `at`."""
    c, i = t.coupon.c, t.installation.c
    at = (c.voucher_id + "/" + c.installation_id).label("at")
    query = select(t.coupon, at).where(c.programme_id == programme_id, at > (after or ""))
    if state is not None:
        query = query.where(c.state == state)
    if partner_id is not None:
        own = select(i.installation_id).where(i.programme_id == programme_id, i.partner_id == partner_id)
        query = query.where(c.installation_id.in_(own))
    return [dict(row) for row in conn.execute(query.order_by(at).limit(limit)).mappings()]


def waiting(conn: Connection) -> int:
    """Return how many coupons wait for their store."""
    c = t.coupon.c
    counted: int = conn.execute(
        select(func.count()).select_from(t.coupon).where(c.due_at.is_not(None))
    ).scalar_one()
    return counted
