"""Brings a database to the newest schema. One transaction: a killed migration leaves the old schema whole."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gateway.store.outages import DatabaseRefused

MIGRATIONS = Path(__file__).parent / "migrations"


def configuration(conn: Connection) -> Config:
    """Return what Alembic needs to work on `conn`."""
    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def bring_up(conn: Connection) -> None:
    """Apply every revision that `conn`'s database lacks; refuse a database that is newer than this code."""
    config = configuration(conn)
    scripts = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(conn).get_current_heads()
    unknown = set(present) - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise DatabaseRefused(
            f"The database has schema {', '.join(sorted(unknown))}, which this version does not know. "
            "Start the version that wrote it, or a newer one.",
        )
    if present != (scripts.get_current_head(),):
        command.upgrade(config, "head")


def check(conn: Connection) -> None:
    """Refuse a database whose schema is not the newest that this code knows; change nothing."""
    head = ScriptDirectory.from_config(configuration(conn)).get_current_head()
    present = MigrationContext.configure(conn).get_current_heads()
    if present != (head,):
        raise DatabaseRefused(
            f"The database has schema {', '.join(present) or 'none'} and this version needs {head}: "
            "`ponte serve` brings it up.",
        )
