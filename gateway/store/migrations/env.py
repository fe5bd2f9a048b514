"""What Alembic runs for every command, on the connection it was given and inside its transaction."""

from typing import Any, Literal

from alembic import context

from gateway.store.columns import Day, Instant
from gateway.store.tables import metadata


def _frozen(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Write our own types as what they are in the database: a migration must not change when they do."""
    if kind == "type" and isinstance(item, Instant | Day):
        return f"sa.{type(item.impl_instance).__name__}()"
    return False


context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_item=_frozen
)
with context.begin_transaction():
    context.run_migrations()
