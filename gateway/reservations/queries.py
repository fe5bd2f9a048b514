"""Reading reservations."""

from typing import Any

from sqlalchemy import Connection, select

from gateway.store import tables as t


def reservation(
    conn: Connection, programme_id: str, partner_id: str, reservation_ref: str
) -> dict[str, Any] | None:
    """Return a reservation of one partner, or `None`."""
    r = t.reservation.c
    its = (r.programme_id == programme_id, r.reservation_ref == reservation_ref, r.partner_id == partner_id)
    row = conn.execute(select(t.reservation).where(*its)).mappings().one_or_none()
    return dict(row) if row else None
