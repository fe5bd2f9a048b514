"""The door to the database: reads, and writes that share transactions. The same on SQLite and PostgreSQL.

What `submit` has answered is on disk.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from sqlalchemy import Connection

from gateway.store import schema
from gateway.store.committer import Action, Committer, Item, OnBatch, Outcome, nobody_listens
from gateway.store.outages import Closing, DatabaseRefused

if TYPE_CHECKING:
    from gateway.store.postgres import PostgresDatabase
    from gateway.store.sqlite import SqliteDatabase

Answer = TypeVar("Answer")
Database: TypeAlias = "SqliteDatabase | PostgresDatabase"


class Store:
    """An open database. Belongs to the event loop that opened it; `close` it there."""

    def __init__(self, database: Database, queue_max: int, on_batch: OnBatch) -> None:
        self._database = database
        self._committer = Committer(database.transact, queue_max=queue_max, on_batch=on_batch)
        self.on_rollback = self._committer.on_rollback
        """Called after every transaction that did not commit: whoever keeps a cache adds its `clear`."""
        self._closed = False

    @classmethod
    async def open(
        cls,
        database_url: str,
        *,
        queue_max: int = 1000,
        on_batch: OnBatch = nobody_listens,
        allow_unsafe: bool = False,
    ) -> "Store":
        """Return the store at `database_url` with its schema brought to the newest revision.

        Refuses (`DatabaseRefused`): a database that another hub holds, one whose schema is newer than this
        code, and settings that lose acknowledged commits (`allow_unsafe` is for tests only).
        """
        database = await open_database(database_url, allow_unsafe=allow_unsafe)
        try:
            await database.transact(schema.bring_up)
        except BaseException:
            await database.close()
            raise
        return cls(database, queue_max, on_batch)

    async def submit(self, action: Action[Item, Outcome], item: Item) -> Outcome:
        """Return what `action` answered for `item`, once that is on disk; see `Committer.submit`."""
        return await self._committer.submit(action, item)

    @property
    def waiting(self) -> int:
        """How many items wait to be committed."""
        return self._committer.waiting

    async def read(self, query: Callable[[Connection], Answer]) -> Answer:
        """Return what `query` reads. It may not write, and must not keep the connection."""
        if self._closed:
            raise Closing("the hub has stopped")
        return await self._database.read(query)

    async def ready(self) -> None:
        """Return when the database answers a read and would take a write; else raise `Unavailable`."""
        await self.read(_answers)
        await self.submit(_would_write, None)

    async def close(self) -> None:
        """Take nothing new, commit and answer what waits, then let the database go. Once is enough."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._committer.close()
        finally:
            await self._database.close()


async def open_database(database_url: str, *, allow_unsafe: bool) -> Database:
    """Return the database at `database_url`, held for this process and checked for durability; no schema."""
    # Each driver is loaded where it is used: the one for PostgreSQL brings an object mapper with it.
    if database_url.startswith("sqlite:///"):
        from gateway.store.sqlite import SqliteDatabase

        return await SqliteDatabase.open(database_url)
    if database_url.startswith("postgresql+asyncpg://"):
        from gateway.store.postgres import PostgresDatabase

        return await PostgresDatabase.open(database_url, allow_unsafe=allow_unsafe)
    raise DatabaseRefused("DATABASE_URL must begin with sqlite:/// or postgresql+asyncpg://.")


def _answers(conn: Connection) -> None:
    conn.exec_driver_sql("SELECT 1")


def _would_write(conn: Connection, items: Sequence[None]) -> Sequence[None]:
    _answers(conn)
    return items
