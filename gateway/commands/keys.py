"""`ponte keys`: whoever may run commands on the hub's machine makes the first API key, and sees or ends any.

These commands write to the database, so they run while no hub does; a running hub has /v1/keys for the same.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import typer
from rich.console import Console
from rich.table import Table

from gateway.access import NO_PROGRAMME, SCOPES, Scope
from gateway.commands.refusals import CommandRefused
from gateway.keys import actions, queries
from gateway.partners.queries import partner
from gateway.problems import Problem
from gateway.programmes.queries import UnknownProgramme, programme_row
from gateway.settings import Settings
from gateway.store import Connection
from gateway.store.snapshot import snapshot

SHOWN_AT_MOST = 500


def create(
    settings: Settings,
    *,
    scopes: Sequence[str],
    programme_id: str | None,
    partner_id: str | None,
    expires_days: int | None,
    name: str,
    as_json: bool,
) -> None:
    """Make a key and print it; nobody can print it again."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise CommandRefused(f"No such scope: {', '.join(unknown)}. There are: {', '.join(SCOPES)}.")
    beyond = sorted(set(scopes) - actions.most(programme_id or NO_PROGRAMME, partner_id))
    if beyond and programme_id is None:
        raise CommandRefused(f"Give --programme too: {', '.join(beyond)} is a scope within one programme.")
    if beyond:
        raise CommandRefused(f"A key of this reach cannot hold {', '.join(beyond)}.")

    async def make() -> actions.MadeKey:
        from gateway.hub import open_hub

        async with open_hub(settings) as hub:
            await hub.read(lambda conn: _must_exist(conn, programme_id, partner_id))
            expires_at = None if expires_days is None else hub.context.clock() + timedelta(days=expires_days)
            asked = actions.NewKey(
                by=actions.FROM_OUTSIDE,
                programme_id=programme_id or NO_PROGRAMME,
                name=name,
                scopes=cast("frozenset[Scope]", frozenset(scopes)),
                partner_id=partner_id,
                expires_at=expires_at,
            )
            return await hub.submit(actions.create, asked)

    made = asyncio.run(make())
    if as_json:
        typer.echo(json.dumps({"key_id": made.key_id, "key": made.text}))
        return
    typer.echo("Keep this key now; it is not stored and cannot be shown again:", err=True)
    typer.echo(made.text)


def show(settings: Settings, *, programme_id: str | None, as_json: bool) -> None:
    """Print the keys of the hub, or of one programme, without their secrets."""
    found = asyncio.run(
        snapshot(
            settings.database_url,
            lambda conn: queries.keys(conn, programme_id or NO_PROGRAMME, None, None, SHOWN_AT_MOST),
        )
    )
    shown = [_described(row) for row in found]
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    table = Table()
    for heading in ("key_id", "name", "scopes", "partner_id", "active", "expires_at"):
        table.add_column(heading, overflow="fold")
    for row in shown:
        table.add_row(*(str(value) if value is not None else "-" for value in _columns(row)))
    Console().print(table)


def revoke(settings: Settings, *, key_id: str, programme_id: str | None, as_json: bool) -> None:
    """End a key at once and for ever."""
    by = replace(actions.FROM_OUTSIDE, programme_id=programme_id or NO_PROGRAMME)

    async def end() -> None:
        from gateway.hub import open_hub

        async with open_hub(settings) as hub:
            try:
                await hub.submit(actions.revoke, actions.Revocation(by, key_id))
            except Problem:
                whose = f"the programme {programme_id}" if programme_id else "the hub (give --programme?)"
                raise CommandRefused(f"There is no key {key_id} of {whose}.") from None

    asyncio.run(end())
    typer.echo(json.dumps({"key_id": key_id, "active": False}) if as_json else f"{key_id} is revoked.")


def _must_exist(conn: Connection, programme_id: str | None, partner_id: str | None) -> None:
    """Refuse a key for a programme or partner that is not there: it would open nothing, for ever."""
    if programme_id is None:
        if partner_id is not None:
            raise CommandRefused("Give --programme too: a partner belongs to one.")
        return
    try:
        programme_row(conn, programme_id)
    except UnknownProgramme:
        raise CommandRefused(f"There is no programme {programme_id}.") from None
    if partner_id is not None and partner(conn, programme_id, partner_id) is None:
        raise CommandRefused(f"There is no partner {partner_id} in {programme_id}.")


def _described(row: dict[str, Any]) -> dict[str, Any]:
    expires_at, created_at = row["expires_at"], row["created_at"]
    return {
        "key_id": row["key_id"],
        "name": row["name"],
        "scopes": json.loads(row["scopes"]),
        "partner_id": row["partner_id"],
        "active": row["active"],
        "created_at": created_at.isoformat(),
        "expires_at": expires_at.isoformat() if expires_at else None,
    }


def _columns(row: dict[str, Any]) -> list[Any]:
    names = ("key_id", "name", "scopes", "partner_id", "active", "expires_at")
    return [", ".join(row[name]) if name == "scopes" else row[name] for name in names]
