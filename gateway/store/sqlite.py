"""SQLite: one thread writes, a few read, and one process owns the file.

Every commit is on disk when it returns (WAL with `synchronous=FULL`; NORMAL loses acknowledged commits).
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from gateway.store.address import address
from gateway.store.outages import Busy, DatabaseHeld, DatabaseRefused, StorageFull, Unavailable

Answer = TypeVar("Answer")

READERS = 4
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-65536",  # 64 MiB
    # 16 MiB of log: a checkpoint happens inside some commit, so it should be rare but not long.
    "PRAGMA wal_autocheckpoint=4000",
)


class _Order(NamedTuple):
    work: Callable[[Connection], Any]
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class SqliteDatabase:
    """One SQLite file, held by this process from `open` to `close`."""

    def __init__(self, file: str, lock: int) -> None:
        self._lock = lock
        self._write_engine = _engine(file, _PRAGMAS, poolclass=NullPool)
        reading = (*_PRAGMAS, "PRAGMA query_only=ON")
        self._read_engine = _engine(file, reading, pool_size=READERS, max_overflow=0)
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="ponte-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ponte-reader")
        self._writer.start()

    @classmethod
    async def open(cls, url: str) -> "SqliteDatabase":
        """Return the database at `sqlite:///file`, created when absent.

        Refuses (`DatabaseRefused`) a file that another hub holds, and one that cannot keep a commit.
        """
        parsed = address(url)
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise DatabaseRefused("A SQLite hub needs a plain file: DATABASE_URL=sqlite:///folder/ponte.db")
        database = cls(parsed.database, _locked(parsed.database))
        try:
            await database.transact(_check_durable)
        except (DBAPIError, sqlite3.Error, Unavailable) as error:
            await database.close()
            reason = getattr(error, "orig", error)
            raise DatabaseRefused(f"{parsed.database} cannot be used as a SQLite hub: {reason}.") from error
        except BaseException:
            await database.close()
            raise
        return database

    async def transact(self, work: Callable[[Connection], Answer], /) -> Answer:
        """Return what `work` returned, after its commit. Call again only after the answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._orders.put(_Order(work, answer, loop))
        return await answer

    async def read(self, work: Callable[[Connection], Answer], /) -> Answer:
        """Return what `work` read from one snapshot; a write inside it fails."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def close(self) -> None:
        """Finish what was asked and let the file go. The log is folded into the file by the last to leave."""
        await asyncio.to_thread(self._readers.shutdown)
        self._read_engine.dispose()
        self._orders.put(None)
        await asyncio.to_thread(self._writer.join)
        self._write_engine.dispose()
        os.close(self._lock)

    def _read(self, work: Callable[[Connection], Answer]) -> Answer:
        with _outages_named(), self._read_engine.connect() as conn, _transaction(conn, "BEGIN"):
            return work(conn)

    def _write(self) -> None:
        with contextlib.ExitStack() as leaving:
            conn: Connection | None = None
            while (order := self._orders.get()) is not None:
                outcome: Any = None
                error: BaseException | None = None
                try:
                    if conn is None:
                        conn = leaving.enter_context(self._write_engine.connect())
                    with _outages_named(), _transaction(conn, "BEGIN IMMEDIATE"):
                        outcome = order.work(conn)
                except BaseException as raised:  # noqa: BLE001 -- it belongs to whoever waits, not to this thread
                    error = raised
                # A loop that is gone waits for nothing.
                with contextlib.suppress(RuntimeError):
                    order.loop.call_soon_threadsafe(_settle, order.answer, outcome, error)


@contextlib.contextmanager
def _transaction(conn: Connection, begin: str) -> Iterator[None]:
    """Run one transaction: the driver's takes the write lock too late, SQLAlchemy's costs too much."""
    driver: sqlite3.Connection = conn.connection.driver_connection  # type: ignore[assignment]
    driver.execute(begin)
    try:
        yield
        driver.execute("COMMIT")
    except BaseException:
        if driver.in_transaction:  # a full disk has rolled back by itself
            driver.execute("ROLLBACK")
        raise


def _settle(answer: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(outcome)
    else:
        answer.set_exception(error)


def _engine(file: str, pragmas: Sequence[str], **pool: Any) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=file),
        isolation_level="AUTOCOMMIT",  # `_transaction` begins and ends them
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": 5},
        hide_parameters=True,
        **pool,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(pragma)

    return engine


def _locked(file: str) -> int:
    """Return the descriptor that holds `file` for this process; the system lets go of it however we end."""
    try:
        lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseRefused(f"{file}.lock cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DatabaseHeld(
            f"Another hub already uses {file}. Stop it, or give this one a file of its own; "
            "several hubs on one database need PostgreSQL.",
        ) from error
    return lock


def _check_durable(conn: Connection) -> None:
    journal = conn.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    synchronous = conn.exec_driver_sql("PRAGMA synchronous").scalar_one()
    if (journal, synchronous) != ("wal", 2):
        raise DatabaseRefused(
            f"SQLite would lose acknowledged sales here (journal_mode={journal}, synchronous={synchronous}; "
            "needed: wal, 2). Use a local disk, not a network share.",
        )


@contextlib.contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if (outage := _outage(cause)) is None:
            raise
        raise outage from error


def _outage(cause: BaseException | None) -> Unavailable | None:
    """What the error says about the file rather than about the data."""
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("the disk of the database is full")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Busy("another program holds the database file")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        return Busy(f"the disk of the database failed ({getattr(cause, 'sqlite_errorname', code)})")
    return None
