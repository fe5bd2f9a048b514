"""Reading polls."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from gateway.store import tables as t

Row: TypeAlias = Mapping[str, Any]


def due_polls(conn: Connection, now: datetime, limit: int) -> list[Row]:
    """Return up to `limit` polls of active installations whose next page is due by `now`."""
    p, i = t.poll.c, t.installation.c
    query = (
        select(t.poll)
        .join(t.installation, (i.programme_id == p.programme_id) & (i.installation_id == p.installation_id))
        .where(p.due_at <= now, i.state == "active")
        .order_by(p.due_at)
        .limit(limit)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def polls_of(conn: Connection, programme_id: str, installation_id: str) -> list[Row]:
    """Return the polls of an installation, the live one first."""
    p = t.poll.c
    query = select(t.poll).where(p.programme_id == programme_id, p.installation_id == installation_id)
    found = [dict(row) for row in conn.execute(query.order_by(p.poll_id)).mappings()]
    return sorted(found, key=lambda row: row["poll_id"] != installation_id)
