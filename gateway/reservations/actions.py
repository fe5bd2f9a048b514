"""Writing reservations: open, then used by one payment or closed."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, update

from gateway.store import rows
from gateway.store import tables as t


def open_all(conn: Connection, reservations: Sequence[dict[str, Any]]) -> None:
    """Insert open reservations (rows without their state)."""
    rows.insert(conn, t.reservation, [{**row, "state": "open"} for row in reservations])


def end(
    conn: Connection, reservations: Iterable[tuple[str, str, str]], state: Literal["used", "closed"]
) -> None:
    """End the open ones among (programme id, partner id, reservation); others stay as they are."""
    r = t.reservation.c
    for programme_id, partner_id, reservation_ref in reservations:
        its = (
            r.programme_id == programme_id,
            r.partner_id == partner_id,
            r.reservation_ref == reservation_ref,
        )
        conn.execute(update(t.reservation).where(*its, r.state == "open").values(state=state))
