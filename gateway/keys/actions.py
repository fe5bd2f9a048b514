"""Writing API keys: made, remembered, revoked.

The text of a key leaves this module once and is never stored.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, update

from gateway import audit
from gateway.access import (
    HUB_SCOPES,
    KEY_ID_PREFIX,
    NO_PROGRAMME,
    PARTNER_SCOPES,
    PROGRAMME_SCOPES,
    Credential,
    Principal,
    Scope,
    new_key,
    secret_hash,
)
from gateway.context import ANY_PROGRAMME, Context
from gateway.keys import queries
from gateway.problems import Problem
from gateway.store import rows
from gateway.store import tables as t

FROM_OUTSIDE = Principal(NO_PROGRAMME, "command_line", frozenset(HUB_SCOPES))
"""Whoever may run the command line on the machine: makes the first key of the hub."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made. `programme_id` empty: a key of the hub itself."""

    by: Principal
    programme_id: str
    name: str
    scopes: frozenset[Scope]
    partner_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A made key; `text` is what its holder must keep, for nobody can show it again."""

    key_id: str
    text: str = field(repr=False)
    created_at: datetime


def most(programme_id: str, partner_id: str | None) -> frozenset[Scope]:
    """Return the most that a key of this reach may hold."""
    if programme_id == NO_PROGRAMME:
        return HUB_SCOPES
    return PROGRAMME_SCOPES if partner_id is None else PARTNER_SCOPES


def create(context: Context, conn: Connection, items: Sequence[NewKey]) -> list[MadeKey | Problem]:
    """Make keys. Refused: scopes beyond their reach (see `most`)."""
    made: list[MadeKey | Problem] = []
    for item in items:
        if not item.scopes <= most(item.programme_id, item.partner_id):
            made.append(Problem("forbidden"))
            continue
        key_id, now = context.ids.new(KEY_ID_PREFIX), context.clock()
        text, secret = new_key(key_id, context.vault.new_secret())
        row = {
            "programme_id": item.programme_id,
            "key_id": key_id,
            "name": item.name,
            "secret_hash": secret_hash(context.vault, secret),
            "scopes": json.dumps(sorted(item.scopes)),
            "partner_id": item.partner_id,
            "active": True,
            "created_at": now,
            "expires_at": item.expires_at,
        }
        rows.insert(conn, t.api_key, [row])
        audit.record(context, conn, item.by, "key.created", key_id, programme_id=item.programme_id)
        made.append(MadeKey(key_id, text, now))
    return made


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that must count no more."""

    by: Principal
    key_id: str


def revoke(context: Context, conn: Connection, items: Sequence[Revocation]) -> list[bool | Problem]:
    """End keys at once and for ever; refused (`not_found`): keys that the caller cannot see."""
    answers: list[bool | Problem] = []
    for item in items:
        its = [t.api_key.c.programme_id == item.by.programme_id, t.api_key.c.key_id == item.key_id]
        if item.by.partner_id is not None:
            its.append(t.api_key.c.partner_id == item.by.partner_id)
        found = conn.execute(update(t.api_key).where(*its).values(active=False)).rowcount
        if found:
            context.memory.forget(item.by.programme_id)
            audit.record(context, conn, item.by, "key.revoked", item.key_id)
        answers.append(True if found else Problem("not_found"))
    return answers


def remember(context: Context, conn: Connection, items: Sequence[str]) -> list[Credential | None]:
    """Return the keys of these ids and remember them; only the writer does, so no revoked key is remembered."""

    def load(key_id: str) -> Credential | None:
        return context.memory.get(ANY_PROGRAMME, ("key", key_id), lambda: queries.credential(conn, key_id))

    return [load(key_id) for key_id in items]
