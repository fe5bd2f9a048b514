"""Who changed what and when: one row per change of a setting, in the transaction of the change.

Rows name ids only; a changed setting is forgotten by the memory in the same breath.
"""

from sqlalchemy import Connection, update

from gateway.access import Principal
from gateway.context import Context
from gateway.store import rows
from gateway.store import tables as t


def record(
    context: Context, conn: Connection, by: Principal, action: str, subject_id: str, *, programme_id: str = ""
) -> None:
    """Note that `by` did `action` to `subject_id`, in the caller's programme or in `programme_id`."""
    row = {
        "programme_id": programme_id or by.programme_id,
        "audit_id": context.ids.new("aud"),
        "actor": by.key_id,
        "action": action,
        "subject_id": subject_id,
        "at": context.clock(),
    }
    rows.insert(conn, t.audit, [row])


def settings_changed(context: Context, conn: Connection, by: Principal, action: str, subject_id: str) -> None:
    """Note a change of a programme's settings: its version moves on and nobody remembers the old state."""
    mine = t.programme.c.programme_id == by.programme_id
    conn.execute(update(t.programme).where(mine).values(version=t.programme.c.version + 1))
    context.memory.forget(by.programme_id)
    record(context, conn, by, action, subject_id)
