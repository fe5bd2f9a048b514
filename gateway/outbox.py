"""Events for whoever listens: rows written in the transaction of what they tell, sent later.

Thin: ids and units, never personal data.
"""

from datetime import datetime
from typing import Any

from gateway.context import Context


def event(
    context: Context, programme_id: str, kind: str, subject_id: str, now: datetime, payload: str = "{}"
) -> dict[str, Any]:
    """Return the outbox row that tells `kind` of `subject_id`, due at once; `payload` is JSON."""
    return {
        "programme_id": programme_id,
        "outbox_id": context.ids.new("out"),
        "kind": kind,
        "subject_id": subject_id,
        "payload": payload,
        "state": "ready",
        "attempts": 0,
        "due_at": now,
        "created_at": now,
    }
