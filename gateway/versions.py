"""Settings that concern sales told already: those dated ahead of the clock, and those of a draft.

A version holds from when it is recorded, and a sale may be dated ten minutes ahead (R3). Told before the version
or after it, such a sale earns the same (R0): whoever records a version concludes it again, in one transaction.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from gateway.access import Principal
from gateway.context import Context
from gateway.members import actions as members
from gateway.partners import actions as partners
from gateway.programmes import actions as programmes
from gateway.programmes.actions import ProgrammeChange
from gateway.programmes.queries import programme_row
from gateway.sales import actions as sales
from gateway.sales import queries
from gateway.sales.dossiers import Scope
from gateway.store import Connection
from gateway.vouchers import auto
from loyalty.evidence import CLOCK_ERROR


class _Asked(Protocol):
    @property
    def by(self) -> Principal: ...


Item = TypeVar("Item", bound=_Asked)
Answer = TypeVar("Answer")
Action = Callable[[Context, Connection, Sequence[Item]], list[Answer]]


def _followed(record: Action[Item, Answer]) -> Action[Item, Answer]:
    """Return an action that records versions and then concludes again what is dated ahead."""

    def recorded(context: Context, conn: Connection, items: Sequence[Item]) -> list[Answer]:
        since = context.clock()
        answers = record(context, conn, items)
        for programme_id in {item.by.programme_id for item in items}:
            _conclude(context, conn, _ahead(conn, programme_id, since))
        return answers

    return recorded


add_rate = _followed(partners.add_rate)
add_campaign = _followed(programmes.add_campaign)
set_category = _followed(programmes.set_category)
set_member_category = _followed(members.set_category)


def change_programme(context: Context, conn: Connection, items: Sequence[ProgrammeChange]) -> list[Any]:
    """Change programmes as `programmes.change` does; a draft's policy is written over, so all it holds follows."""
    since = context.clock()
    answers = programmes.change(context, conn, items)
    for programme_id in {item.by.programme_id for item in items}:
        active = programme_row(conn, programme_id)["active"]
        found = [_ahead(conn, programme_id, since)] if active else queries.every_dossier(conn, programme_id)
        for dossiers in found:
            _conclude(context, conn, dossiers)
    return answers


def activate(context: Context, conn: Connection, items: Sequence[Principal]) -> list[Any]:
    """Activate programmes; what was told while they were drafts earns now, by the terms of its own day."""
    asked = {item.programme_id for item in items}
    drafts = {programme_id for programme_id in asked if not programme_row(conn, programme_id)["active"]}
    answers = programmes.activate(context, conn, items)
    for programme_id in drafts:
        for dossiers in queries.every_dossier(conn, programme_id):
            _conclude(context, conn, dossiers)
    return answers


def _ahead(conn: Connection, programme_id: str, since: datetime) -> list[tuple[Scope, str]]:
    # Twice: hubs' clocks differ, by as much as a sale's may.
    return queries.dossiers_ahead(conn, programme_id, since - 2 * CLOCK_ERROR, since)


def _conclude(context: Context, conn: Connection, dossiers: list[tuple[Scope, str]]) -> None:
    if dossiers:
        auto.issue_due(context, conn, sales.reconsider(context, conn, sorted(dossiers)))
