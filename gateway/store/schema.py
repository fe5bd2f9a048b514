"""Brings a database to the newest schema. One transaction: a killed migration leaves the old schema whole."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from gateway.store.outages import DatabaseRefused

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def configuration(conn: Connection) -> "Config":
    """Return what Alembic needs to work on `conn`."""
    # Loaded where something is to be done, which is seldom: it takes a tenth of a start.
    from alembic.config import Config

    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def revisions() -> list[str]:
    """Return every schema that this code knows, the newest last; a file is named after its revision."""
    return sorted(script.stem.partition("_")[0] for script in (MIGRATIONS / "versions").glob("*.py"))


def bring_up(conn: Connection) -> None:
    """Apply every revision that `conn`'s database lacks; refuse a database that is newer than this code."""
    present, known = _present(conn), revisions()
    unknown = set(present) - set(known)
    if unknown:
        raise DatabaseRefused(
            f"The database has schema {', '.join(sorted(unknown))}, which this version does not know. "
            "Start the version that wrote it, or a newer one.",
        )
    if present != known[-1:]:
        from alembic import command

        command.upgrade(configuration(conn), "head")


def check(conn: Connection) -> None:
    """Refuse a database whose schema is not the newest that this code knows; change nothing."""
    present, newest = _present(conn), revisions()[-1]
    if present != [newest]:
        raise DatabaseRefused(
            f"The database has schema {', '.join(present) or 'none'} and this version needs {newest}: "
            "`ponte serve` brings it up.",
        )


def _present(conn: Connection) -> list[str]:
    if not inspect(conn).has_table("alembic_version"):
        return []
    return list(conn.execute(text("SELECT version_num FROM alembic_version")).scalars())
