"""Reading API keys."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from gateway.access import Credential, Principal
from gateway.store import tables as t


def credential(conn: Connection, key_id: str) -> Credential | None:
    """Return the key of this id, whichever programme it belongs to."""
    row = conn.execute(select(t.api_key).where(t.api_key.c.key_id == key_id)).mappings().one_or_none()
    return None if row is None else _credential_of(dict(row))


def _credential_of(row: Mapping[str, Any]) -> Credential:
    return Credential(
        principal=Principal(
            programme_id=row["programme_id"],
            key_id=row["key_id"],
            scopes=frozenset(json.loads(row["scopes"])),
            partner_id=row["partner_id"],
        ),
        secret_hash=row["secret_hash"],
        active=row["active"],
        expires_at=row["expires_at"],
    )


def keys(
    conn: Connection, programme_id: str, partner_id: str | None, before_id: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` keys without their hashes, newest first, below `before_id`; of one partner or all."""
    k = t.api_key.c
    query = select(*[c for c in t.api_key.columns if c.name != "secret_hash"])
    query = query.where(k.programme_id == programme_id).order_by(k.key_id.desc()).limit(limit)
    if partner_id is not None:
        query = query.where(k.partner_id == partner_id)
    if before_id is not None:
        query = query.where(k.key_id < before_id)
    return [dict(row) for row in conn.execute(query).mappings()]
