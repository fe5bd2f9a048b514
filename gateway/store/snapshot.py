"""One unchanging view of a database, beside whoever writes it: it takes no lock and can change nothing."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from gateway.store import schema
from gateway.store.address import address
from gateway.store.outages import DatabaseRefused

Answer = TypeVar("Answer")


async def snapshot(database_url: str, query: Callable[[Connection], Answer]) -> Answer:
    """Return what `query` reads; everything it reads stood there at one instant, also while a hub writes.

    Refuses (`DatabaseRefused`) a database that cannot be reached, and one whose schema is not this version's.
    """
    if database_url.startswith("sqlite:///"):
        return _sqlite(database_url, query)
    return await _postgres(database_url, query)


def sqlite_file(database_url: str) -> Path | None:
    """Return the file of a SQLite database, or `None` for another kind."""
    url = address(database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _sqlite(database_url: str, query: Callable[[Connection], Answer]) -> Answer:
    file = sqlite_file(database_url)
    if file is None or not file.exists():
        raise DatabaseRefused(f"There is no database at {file}: `ponte serve` creates it.")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def start(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN")

    try:
        with engine.connect() as conn:
            schema.check(conn)
            return query(conn)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise DatabaseRefused(f"{file} cannot be read: {getattr(error, 'orig', error)}.") from error


async def _postgres(database_url: str, query: Callable[[Connection], Answer]) -> Answer:
    from sqlalchemy.ext.asyncio import create_async_engine  # with its object mapper; see `open_database`

    def checked(conn: Connection) -> Answer:
        schema.check(conn)
        return query(conn)

    try:
        engine = create_async_engine(
            address(database_url),
            poolclass=NullPool,
            hide_parameters=True,
            isolation_level="REPEATABLE READ",
            connect_args={"timeout": 5, "server_settings": {"default_transaction_read_only": "on"}},
        )
    except ModuleNotFoundError as error:
        raise DatabaseRefused("PostgreSQL needs its driver: install ponte-hub[postgres].") from error
    try:
        async with engine.connect() as conn:
            return await conn.run_sync(checked)
    except (SQLAlchemyError, OSError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise DatabaseRefused(f"DATABASE_URL leads to no readable PostgreSQL: {why}.") from error
    finally:
        await engine.dispose()
