"""Writing installations and the deliveries that wait for them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from contracts.facts import Trust
from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.installations.queries import Installed, config_place, installation, parked_answer
from gateway.polls import actions as polls
from gateway.problems import Problem
from gateway.programmes.queries import keys as keys_of
from gateway.store import rows
from gateway.store import tables as t
from loyalty.refusals import Refusal

FIRST_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 6 * 3600
MAX_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class NewInstallation:
    """A partner's use of a connector; `config` is the connector's own model as JSON bytes."""

    programme_id: str
    partner_id: str
    store_id: str | None
    connector: str
    name: str
    config: bytes = field(repr=False)
    account_ref: str
    trust: Trust
    covers: bool
    state: str = "active"


@dataclass(frozen=True, slots=True)
class Kept:
    """Genuine bytes that cannot be applied yet. `state` is waiting (a plan asks the vendor) or parked."""

    installed: Installed
    body_hash: str
    body: bytes = field(repr=False)
    received_at: datetime
    state: str
    reason: str | None
    after_seconds: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def install(context: Context, conn: Connection, items: Sequence[NewInstallation]) -> list[str | Refusal]:
    """Create installations; return their ids. Refused: the same vendor account twice."""
    asked = [(i.programme_id, i.connector, i.account_ref) for i in items]
    taken = {
        (row["programme_id"], row["connector"], row["account_ref"])
        for row in rows.fetch(conn, t.installation, ("programme_id", "connector", "account_ref"), asked)
    }
    answers: list[str | Refusal] = []
    for item, at in zip(items, asked, strict=True):
        if at in taken:
            answers.append(Refusal("account_installed"))
            continue
        taken.add(at)
        installation_id = context.ids.new("ins")
        sealed = keys_of(context, conn, item.programme_id).seal_config(
            config_place(installation_id), item.config
        )
        rows.insert(conn, t.installation, [_row(context, item, installation_id, sealed)])
        polls.begin(context, conn, item.programme_id, installation_id, context.catalogue.get(item.connector))
        context.memory.forget(item.programme_id)
        answers.append(installation_id)
    return answers


def _row(context: Context, item: NewInstallation, installation_id: str, sealed: bytes) -> dict[str, Any]:
    return {
        "programme_id": item.programme_id,
        "installation_id": installation_id,
        "partner_id": item.partner_id,
        "store_id": item.store_id,
        "connector": item.connector,
        "name": item.name,
        "config_sealed": sealed,
        "account_ref": item.account_ref,
        "trust": item.trust,
        "covers": item.covers,
        "state": item.state,
        "created_at": context.clock(),
        "version": 1,
    }


def set_state(context: Context, conn: Connection, items: Sequence[tuple[str, str, str]]) -> list[bool]:
    """Set (programme id, installation id, state); return whether each exists."""
    found = []
    for programme_id, installation_id, state in items:
        its = (
            t.installation.c.programme_id == programme_id,
            t.installation.c.installation_id == installation_id,
        )
        changed = conn.execute(
            update(t.installation).where(*its).values(state=state, version=t.installation.c.version + 1)
        )
        context.memory.forget(programme_id)
        found.append(changed.rowcount > 0)
    return found


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """New fields for the config of an installation that is still at `version`; it is active afterwards."""

    programme_id: str
    installation_id: str
    version: int
    fields: Mapping[str, str] = field(repr=False)


def change_config(context: Context, conn: Connection, items: Sequence[ConfigChange]) -> list[bool]:
    """Seal new fields into configs; return which were changed: of two for one version the first counts."""
    changed = []
    for item in items:
        at = {"programme_id": item.programme_id, "installation_id": item.installation_id}
        [row] = rows.fetch(conn, t.installation, tuple(at), [tuple(at.values())])
        if row["version"] != item.version:
            changed.append(False)
            continue
        keys, place = keys_of(context, conn, item.programme_id), config_place(item.installation_id)
        config = json.loads(keys.open_config(place, row["config_sealed"])) | dict(item.fields)
        clear = json.dumps(config).encode()
        context.catalogue.get(row["connector"]).config.model_validate_json(clear)
        sealed = keys.seal_config(place, clear)
        after = {"config_sealed": sealed, "state": "active", "version": item.version + 1}
        rows.put(conn, t.installation, [{**row, **after}])
        context.memory.forget(item.programme_id)
        changed.append(True)
    return changed


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new state for an installation that is still at `version`."""

    by: Principal
    installation_id: str
    version: int
    state: str


def change_state(
    context: Context, conn: Connection, items: Sequence[StateChange]
) -> list[dict[str, Any] | Problem]:
    """Pause installations or let them go on; return their rows. Refused: a foreign one, one that changed."""
    answers: list[dict[str, Any] | Problem] = []
    for item in items:
        at = (item.by.programme_id, item.installation_id)
        known = installation(conn, at[0], item.by.partner_id, at[1])
        if known is None:
            answers.append(Problem("not_found"))
        elif known["version"] != item.version:
            answers.append(Problem("precondition_failed"))
        else:
            set_state(context, conn, [(*at, item.state)])
            audit.record(context, conn, item.by, f"installation.{item.state}", at[1])
            answers.append({**known, "state": item.state, "version": item.version + 1})
    return answers


def keep(context: Context, conn: Connection, items: Sequence[Kept]) -> list[str]:
    """Store deliveries that wait or are parked; return their ids. The same bytes are one delivery.

    One that asks its vendor is asked again when it comes again: a thin hint of a second change may be the
    first one byte for byte, and only the answer tells them apart.
    """
    at = [(i.installed.programme_id, i.installed.installation_id, i.body_hash) for i in items]
    by = ("programme_id", "installation_id", "body_hash")
    known = {
        (row["programme_id"], row["installation_id"], row["body_hash"]): row
        for row in rows.fetch(conn, t.delivery, by, at)
    }
    written: list[dict[str, Any]] = []
    for item, place in zip(items, at, strict=True):
        before = known.get(place)
        if before is None or (item.state == "waiting" and before["state"] != "waiting"):
            delivery_id = context.ids.new("dlv") if before is None else before["delivery_id"]
            known[place] = _delivery_row(item, delivery_id)
            written.append(known[place])
    rows.put(conn, t.delivery, written)
    return [known[place]["delivery_id"] for place in at]


def _delivery_row(item: Kept, delivery_id: str) -> dict[str, Any]:
    installed = item.installed
    waiting = item.state == "waiting"
    return {
        "programme_id": installed.programme_id,
        "delivery_id": delivery_id,
        "installation_id": installed.installation_id,
        "body_hash": item.body_hash,
        "body_sealed": installed.keys.seal_delivery(body_place(delivery_id), item.received_at, item.body),
        "headers_sealed": installed.keys.seal_delivery(
            headers_place(delivery_id), item.received_at, json.dumps(dict(item.headers)).encode()
        ),
        "received_at": item.received_at,
        "state": item.state,
        "reason": item.reason,
        "attempts": 0,
        "due_at": item.received_at + timedelta(seconds=item.after_seconds) if waiting else None,
        "answer": None if waiting else parked_answer(item.reason or "malformed"),
    }


def body_place(delivery_id: str) -> str:
    """Return where a delivery's bytes are sealed to."""
    return f"delivery/{delivery_id}/body_sealed"


def headers_place(delivery_id: str) -> str:
    """Return where a delivery's headers are sealed to."""
    return f"delivery/{delivery_id}/headers_sealed"


def put_off(
    context: Context, conn: Connection, items: Sequence[tuple[str, str, str, int | None]]
) -> list[None]:
    """Try (programme id, delivery id, reason, after seconds) again later; without seconds: park it."""
    for programme_id, delivery_id, reason, after_seconds in items:
        d = t.delivery.c
        its = (d.programme_id == programme_id, d.delivery_id == delivery_id)
        attempts = (conn.execute(select(d.attempts).where(*its)).scalar_one_or_none() or 0) + 1
        parked = after_seconds is None or attempts >= MAX_ATTEMPTS
        backoff = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**attempts)
        due_at = context.clock() + timedelta(seconds=max(after_seconds or 0, backoff))
        changes: dict[str, Any] = {
            "attempts": attempts,
            "reason": reason,
            "due_at": None if parked else due_at,
        }
        if parked:
            changes |= {"state": "parked", "answer": parked_answer(reason)}
        conn.execute(update(t.delivery).where(*its).values(changes))
    return [None] * len(items)


def retry(context: Context, conn: Connection, items: Sequence[tuple[str, str | None, str]]) -> list[bool]:
    """Let parked deliveries (programme id, partner id or `None`, delivery id) be tried again now.

    Return whether each was parked, and of that partner.
    """
    answers = []
    d, i = t.delivery.c, t.installation.c
    for programme_id, partner_id, delivery_id in items:
        its = [d.programme_id == programme_id, d.delivery_id == delivery_id, d.state == "parked"]
        if partner_id is not None:
            own = select(i.installation_id).where(i.programme_id == programme_id, i.partner_id == partner_id)
            its.append(d.installation_id.in_(own))
        values = {"state": "waiting", "due_at": context.clock(), "attempts": 0}
        answers.append(conn.execute(update(t.delivery).where(*its).values(values)).rowcount > 0)
    return answers
