"""Writing polls: a cursor only moves from where it was read, in the transaction that stores what was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, update

from contracts.connector import AnyConnector
from gateway.context import Context
from gateway.store import rows
from gateway.store import tables as t

DELAYS_SECONDS: Final = (30, 120, 600, 1_800)
"""How long a poll waits after each failure in a row; the last one repeats."""


def begin(
    context: Context, conn: Connection, programme_id: str, installation_id: str, connector: AnyConnector
) -> None:
    """Begin to ask a store what changes from now on, if its connector can."""
    if connector.poll is not None:
        now = context.clock()
        row = _row(programme_id, installation_id, installation_id, connector.poll.start(now), None, now)
        rows.insert(conn, t.poll, [row])


@dataclass(frozen=True, slots=True)
class Backfill:
    """Ask a store again what happened from where `cursor` begins until `until_at`."""

    programme_id: str
    installation_id: str
    cursor: str
    until_at: datetime


def backfill(context: Context, conn: Connection, items: Sequence[Backfill]) -> list[dict[str, Any]]:
    """Begin back-fills; return their rows. What was known already changes nothing."""
    made = [
        _row(
            item.programme_id,
            context.ids.new("bkf"),
            item.installation_id,
            item.cursor,
            item.until_at,
            context.clock(),
        )
        for item in items
    ]
    rows.insert(conn, t.poll, made)
    return made


def _row(
    programme_id: str,
    poll_id: str,
    installation_id: str,
    cursor: str,
    until_at: datetime | None,
    due_at: datetime,
) -> dict[str, Any]:
    return {
        "programme_id": programme_id,
        "poll_id": poll_id,
        "installation_id": installation_id,
        "cursor": cursor,
        "until_at": until_at,
        "due_at": due_at,
        "attempts": 0,
        "reason": None,
        "read_at": None,
        "facts": 0,
    }


@dataclass(frozen=True, slots=True)
class Moved:
    """A page was read: from `cursor` to `next_cursor`; `due_at` `None` ends the poll."""

    programme_id: str
    poll_id: str
    cursor: str
    next_cursor: str
    due_at: datetime | None
    facts: int
    whole: bool


def move(context: Context, conn: Connection, items: Sequence[Moved]) -> list[bool]:
    """Move cursors; return whether each still stood where its page was read from."""
    moved = []
    for item in items:
        p = t.poll.c
        its = (p.programme_id == item.programme_id, p.poll_id == item.poll_id, p.cursor == item.cursor)
        values: dict[str, Any] = {
            "cursor": item.next_cursor,
            "due_at": item.due_at,
            "attempts": 0,
            "reason": None,
            "facts": p.facts + item.facts,
        }
        if item.whole:
            values["read_at"] = context.clock()
        rows.flush(conn)
        changed = conn.execute(update(t.poll).where(*its).values(**values))
        moved.append(changed.rowcount > 0)
    return moved


@dataclass(frozen=True, slots=True)
class Failed:
    """A page could not be read, and why. `after_seconds` is what the vendor asked for."""

    programme_id: str
    poll_id: str
    reason: str
    after_seconds: int = 0


def put_off(context: Context, conn: Connection, items: Sequence[Failed]) -> list[None]:
    """Let polls wait: as long as the vendor asked, and longer after each failure in a row."""
    keys = [(item.programme_id, item.poll_id) for item in items]
    known = {
        (r["programme_id"], r["poll_id"]): r
        for r in rows.fetch(conn, t.poll, ("programme_id", "poll_id"), keys)
    }
    for item in items:
        row = known[(item.programme_id, item.poll_id)]
        row["attempts"] += 1
        delay = DELAYS_SECONDS[min(row["attempts"], len(DELAYS_SECONDS)) - 1]
        waits = timedelta(seconds=max(delay, item.after_seconds))
        row |= {"reason": item.reason, "due_at": context.clock() + waits}
    rows.put(conn, t.poll, list(known.values()))
    return [None] * len(items)
