"""Asking stores what changed: one page at a time, outside any transaction, then applied with its cursor.

A page that cannot be read or applied never moves the cursor, so nothing between two pages is ever lost; a
fact that breaks our own rules is set aside alone, so that it never holds up the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from contracts.connector import Page, Poll
from contracts.facts import AnyFact
from gateway import intake
from gateway.asking import ask, failure
from gateway.context import Context
from gateway.http.inbound import note, source_of
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations.actions import Kept
from gateway.installations.queries import Installed
from gateway.intake import Inbound, Outcome
from gateway.polls import actions, queries
from gateway.polls.actions import Failed, Moved
from gateway.polls.queries import Row
from gateway.store import Connection
from gateway.store.outages import Unavailable

BATCH = 50
CONCURRENT = 8

_log = structlog.get_logger("ponte.polling")


@dataclass(frozen=True, slots=True)
class Applied:
    """A page understood: what it says, and where its poll stands afterwards."""

    inbound: Inbound = field(repr=False)
    moved: Moved


def apply_page(context: Context, conn: Connection, items: Sequence[Applied]) -> list[Outcome]:
    """Apply pages and move their cursors, in one transaction."""
    outcomes = intake.apply(context, conn, [item.inbound for item in items])
    actions.move(context, conn, [item.moved for item in items])
    return outcomes


async def read_pages(hub: Hub) -> int:
    """Read one page of every poll that is due; return how many were read."""
    now = hub.context.clock()
    due = await hub.read(lambda conn: queries.due_polls(conn, now, BATCH))
    places = asyncio.Semaphore(CONCURRENT)

    async def read(row: Row) -> None:
        async with places:
            await _read(hub, row)

    await asyncio.gather(*(read(row) for row in due))
    return len(due)


async def _read(hub: Hub, row: Row) -> None:
    installed = await hub.installed(row["installation_id"])
    if installed is None or installed.connector.poll is None:
        await _put_off(hub, row, "installation_gone")
        return
    poll = installed.connector.poll
    try:
        page = await ask(hub, installed, lambda config: poll.page(row["cursor"], config))
    except Exception as error:  # noqa: BLE001 -- one of the five, or a bug of the connector
        await _put_off(hub, row, *failure(hub, installed, error))
    else:
        await _apply(hub, installed, poll, row, page)


async def _apply(hub: Hub, installed: Installed, poll: Poll[Any], row: Row, page: Page) -> None:
    if not page.done and page.cursor == row["cursor"]:
        # It would be asked for ever, and what lies behind this page would never be read.
        hub.metrics.bug(installed.connector.slug)
        await _put_off(hub, row, "cursor_stands_still")
        return
    now = hub.context.clock()
    moved = Moved(
        programme_id=row["programme_id"],
        poll_id=row["poll_id"],
        cursor=row["cursor"],
        next_cursor=page.cursor,
        due_at=_next_at(poll, row, page, now),
        facts=len(page.facts),
        whole=page.done,
    )
    inbound = Inbound(source=source_of(installed), facts=tuple(page.facts), received_at=now)
    try:
        outcome = await hub.submit(apply_page, Applied(inbound, moved))
    except Unavailable:
        raise
    except Exception as bug:  # noqa: BLE001 -- a defect of ours: each fact is tried alone
        _log.exception("intake bug", installation=installed.installation_id, kind=type(bug).__name__)
        await _apply_apart(hub, installed, inbound, moved)
    else:
        note(hub, installed.connector.slug, outcome)


async def _apply_apart(hub: Hub, installed: Installed, inbound: Inbound, moved: Moved) -> None:
    """Apply facts one by one; one that breaks our rules is parked with its bytes, then the cursor moves."""
    for fact in inbound.facts:
        alone = Inbound(source=inbound.source, facts=(fact,), received_at=inbound.received_at)
        try:
            note(hub, installed.connector.slug, await hub.submit(intake.apply, alone))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 -- the same defect, met once for each fact that has it
            await hub.submit(installations.keep, _kept(installed, fact, inbound.received_at))
    await hub.submit(actions.move, moved)


def _kept(installed: Installed, fact: AnyFact, at: datetime) -> Kept:
    body = fact.model_dump_json().encode()
    return Kept(installed, installed.keys.content_hash(body), body, at, "parked", "intake_bug")


def _next_at(poll: Poll[Any], row: Row, page: Page, now: datetime) -> datetime | None:
    """Return when the next page is due: at once within a round, and never again behind a back-fill's end."""
    if not page.done:
        passed = row["until_at"] is not None and _is_past(page.facts, row["until_at"])
        return None if passed else now
    return None if row["until_at"] is not None else now + timedelta(seconds=poll.every_seconds)


def _is_past(facts: Sequence[AnyFact], until_at: datetime) -> bool:
    """Return whether a page speaks only of what changed after `until_at`."""
    instants = [fact.as_of for fact in facts if hasattr(fact, "as_of")]
    return bool(instants) and min(instants) > until_at


async def _put_off(hub: Hub, row: Row, reason: str, after_seconds: int | None = None) -> None:
    failed = Failed(row["programme_id"], row["poll_id"], reason, after_seconds or 0)
    await hub.submit(actions.put_off, failed)
