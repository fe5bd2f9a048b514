"""Reading installations: who may deliver what, with which secrets and how much trust."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, Select, select

from contracts.connector import AnyConnector
from contracts.facts import Trust
from gateway.context import ANY_PROGRAMME, Context
from gateway.privacy import ProgrammeKeys
from gateway.programmes.queries import keys as keys_of
from gateway.store import tables as t


@dataclass(frozen=True, slots=True)
class Installed:
    """One partner's use of one connector, ready to receive. `config` holds secrets and is never shown."""

    programme_id: str
    installation_id: str
    partner_id: str
    store_id: str | None
    connector: AnyConnector
    config: BaseModel = field(repr=False)
    trust: Trust
    covers: bool
    active: bool
    keys: ProgrammeKeys = field(repr=False)
    version: int = 1


@dataclass(frozen=True, slots=True)
class TerminalDevice:
    """A payment terminal that may call us; `secret` signs its requests."""

    programme_id: str
    terminal_id: str
    partner_id: str
    store_id: str
    serial: str
    zone: str
    installation_id: str
    active: bool
    secret: bytes = field(repr=False)


def config_place(installation_id: str) -> str:
    """Return where an installation's config is sealed to."""
    return f"installation/{installation_id}/config_sealed"


def secret_place(terminal_id: str) -> str:
    """Return where a terminal's secret is sealed to."""
    return f"terminal/{terminal_id}/secret_sealed"


def installed(context: Context, conn: Connection, installation_id: str) -> Installed | None:
    """Return an installation by its address, or `None`."""
    return context.memory.get(
        ANY_PROGRAMME,
        ("installation", installation_id),
        lambda: _load_installed(context, conn, installation_id),
    )


def terminal(context: Context, conn: Connection, terminal_id: str) -> TerminalDevice | None:
    """Return a terminal by its id, or `None`."""
    return context.memory.get(
        ANY_PROGRAMME, ("terminal", terminal_id), lambda: _load_terminal(context, conn, terminal_id)
    )


def _load_installed(context: Context, conn: Connection, installation_id: str) -> Installed | None:
    query = select(t.installation).where(t.installation.c.installation_id == installation_id)
    row = conn.execute(query).mappings().one_or_none()
    if row is None or row["connector"] not in context.catalogue.slugs:
        return None
    keys = keys_of(context, conn, row["programme_id"])
    connector = context.catalogue.get(row["connector"])
    clear = keys.open_config(config_place(installation_id), row["config_sealed"])
    return Installed(
        programme_id=row["programme_id"],
        installation_id=installation_id,
        partner_id=row["partner_id"],
        store_id=row["store_id"],
        connector=connector,
        config=connector.config.model_validate_json(clear),
        trust=row["trust"],
        covers=row["covers"],
        active=row["state"] == "active",
        keys=keys,
        version=row["version"],
    )


def _load_terminal(context: Context, conn: Connection, terminal_id: str) -> TerminalDevice | None:
    query = (
        select(t.terminal, t.store.c.zone)
        .join(
            t.store,
            (t.store.c.programme_id == t.terminal.c.programme_id)
            & (t.store.c.store_id == t.terminal.c.store_id),
        )
        .where(t.terminal.c.terminal_id == terminal_id)
    )
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        return None
    keys = keys_of(context, conn, row["programme_id"])
    return TerminalDevice(
        programme_id=row["programme_id"],
        terminal_id=terminal_id,
        partner_id=row["partner_id"],
        store_id=row["store_id"],
        serial=row["serial"],
        zone=row["zone"],
        installation_id=row["installation_id"],
        active=row["active"],
        secret=keys.open_config(secret_place(terminal_id), row["secret_sealed"]),
    )


def due_deliveries(conn: Connection, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` deliveries that wait for a plan to be run, oldest first."""
    d = t.delivery.c
    query = select(t.delivery).where(d.state == "waiting", d.due_at <= now).order_by(d.due_at).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def kept_delivery(conn: Connection, delivery_id: str) -> dict[str, Any] | None:
    """Return a delivery of any programme, sealed, with the connector and the sealed config it came by."""
    of_programme = t.installation.c.programme_id == t.delivery.c.programme_id
    query = (
        select(t.delivery, t.installation.c.connector, t.installation.c.config_sealed)
        .join(
            t.installation, of_programme & (t.installation.c.installation_id == t.delivery.c.installation_id)
        )
        .where(t.delivery.c.delivery_id == delivery_id)
    )
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def deliveries(
    conn: Connection,
    programme_id: str,
    *,
    state: str,
    partner_id: str | None,
    before_id: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return up to `limit` deliveries in one state, newest first, without their bytes."""
    d, i = t.delivery.c, t.installation.c
    query = select(d.delivery_id, d.installation_id, d.received_at, d.state, d.reason, d.attempts, d.due_at)
    query = query.where(d.programme_id == programme_id, d.state == state)
    if partner_id is not None:
        own = select(i.installation_id).where(i.programme_id == programme_id, i.partner_id == partner_id)
        query = query.where(d.installation_id.in_(own))
    if before_id is not None:
        query = query.where(d.delivery_id < before_id)
    return [dict(row) for row in conn.execute(query.order_by(d.delivery_id.desc()).limit(limit)).mappings()]


def installations(
    conn: Connection, programme_id: str, *, partner_id: str | None, after_id: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` installations after `after_id` without their secrets, oldest first."""
    i = t.installation.c
    query = _shown().where(i.programme_id == programme_id, i.installation_id > (after_id or ""))
    if partner_id is not None:
        query = query.where(i.partner_id == partner_id)
    return [dict(row) for row in conn.execute(query.order_by(i.installation_id).limit(limit)).mappings()]


def installation(
    conn: Connection, programme_id: str, partner_id: str | None, installation_id: str
) -> dict[str, Any] | None:
    """Return one installation without its secrets, if it is of this programme (and partner)."""
    i = t.installation.c
    query = _shown().where(i.programme_id == programme_id, i.installation_id == installation_id)
    if partner_id is not None:
        query = query.where(i.partner_id == partner_id)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def _shown() -> Select[Any]:
    return select(*[column for column in t.installation.columns if column.name != "config_sealed"])


def parked_answer(reason: str) -> str:
    """Return the JSON that a sender hears when its delivery is kept for a person to look at."""
    return json.dumps({"outcome": "parked", "reason": reason})
