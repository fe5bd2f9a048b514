"""The first answer to a request that may be sent again, kept with its effect in one transaction.

Kept 7 days and sealed, for an answer may carry a secret shown once; the business keys guard for ever.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, delete, select

from gateway.context import Context
from gateway.privacy import Vault
from gateway.problems import Problem
from gateway.store import rows
from gateway.store import tables as t

KEPT = timedelta(days=7)

Action: TypeAlias = Callable[[Context, Connection, Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller hears: an HTTP status and a JSON body."""

    status: int
    body: str = field(repr=False)
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """An item for `action`, and how its outcome is told. Without a `key` nothing is kept."""

    programme_id: str
    principal: str
    key: str | None
    fingerprint: str
    action: Action
    item: Any = field(repr=False)
    answer: Callable[[Any], Answer]

    @property
    def at(self) -> tuple[str, str, str | None]:
        """Under which key its answer is kept."""
        return (self.programme_id, self.principal, self.key)


def fingerprint(vault: Vault, method: str, path: str, body: Any) -> str:
    """Return 64 hex digits that recognise the same request, however its JSON is laid out; keyed."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    key = vault.derive("idempotency")
    return hmac.new(key, f"{method} {path}\n{canonical}".encode(), "sha256").hexdigest()


def apply(context: Context, conn: Connection, items: Sequence[Once]) -> list[Answer | Exception]:
    """Run what was never asked before, each action once with all of its items; repeat the rest word for word.

    Refused: a key that was used for another request. An outcome that is an exception is not kept: whoever
    asks again is answered anew.
    """
    known = {
        (row["programme_id"], row["principal"], row["key"]): row
        for row in rows.fetch(conn, t.idempotency, ("programme_id", "principal", "key"), _keys(items))
        if row["seen_at"] > context.clock() - KEPT
    }
    answers: dict[int, Answer | Exception] = {}
    fresh: dict[Action, list[int]] = {}
    for n, item in enumerate(items):
        if item.at in known:
            answers[n] = _again(context, item, known[item.at])
        else:
            fresh.setdefault(item.action, []).append(n)
    for action, mine in fresh.items():
        outcomes = action(context, conn, [items[n].item for n in mine])
        for n, outcome in zip(mine, outcomes, strict=True):
            answers[n] = outcome if isinstance(outcome, Exception) else items[n].answer(outcome)
    kept = [(items[n], answers[n]) for mine in fresh.values() for n in mine]
    rows.put(conn, t.idempotency, [_row(context, i, a) for i, a in kept if i.key and isinstance(a, Answer)])
    return [answers[n] for n in range(len(items))]


def forgotten_by(conn: Connection, now: datetime, most: int) -> datetime | None:
    """Return the instant up to which about `most` of the oldest answers are due to go; `None`: none is."""
    seen_at = t.idempotency.c.seen_at
    due = select(seen_at).where(seen_at <= now - KEPT).order_by(seen_at)
    first: datetime | None = conn.execute(due.limit(1)).scalar()
    last: datetime | None = conn.execute(due.offset(most - 1).limit(1)).scalar() if first else None
    return last or (first and now - KEPT)


def forget(context: Context, conn: Connection, items: Sequence[datetime]) -> Sequence[None]:
    """Delete the answers given up to each instant; one that is younger than 7 days stays."""
    last = min(max(items), context.clock() - KEPT)
    conn.execute(delete(t.idempotency).where(t.idempotency.c.seen_at <= last))
    return [None] * len(items)


def _keys(items: Sequence[Once]) -> list[tuple[str, str, str | None]]:
    return [item.at for item in items if item.key is not None]


def _again(context: Context, item: Once, row: dict[str, Any]) -> Answer | Exception:
    if not hmac.compare_digest(row["fingerprint"], item.fingerprint):
        return Problem("idempotency_key_reused")
    clear = context.vault.hub.open_config(_place(item), bytes.fromhex(row["answer"]))
    return Answer(row["status"], clear.decode(), replayed=True)


def _row(context: Context, item: Once, answer: Answer) -> dict[str, Any]:
    return {
        "programme_id": item.programme_id,
        "principal": item.principal,
        "key": item.key,
        "fingerprint": item.fingerprint,
        "status": answer.status,
        "answer": context.vault.hub.seal_config(_place(item), answer.body.encode()).hex(),
        "seen_at": context.clock(),
    }


def _place(item: Once) -> str:
    return f"idempotency/{item.programme_id}/{item.principal}/{item.key}"
