"""PostgreSQL: the connection that writes is the connection that holds the lock of the one hub.

So nothing can be written without the lock, also after a reconnection. Reads use a pool of their own.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.store import rows
from gateway.store.address import address
from gateway.store.outages import Busy, DatabaseHeld, DatabaseRefused, Interrupted, StorageFull, Unavailable

Answer = TypeVar("Answer")

READERS = 5
LOCK = int.from_bytes(b"ponte", "big")
# A predecessor that was killed gets a second to finish dying.
_PATIENCE_SECONDS = (0.05, 0.2, 0.75)
_UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# A hub whose machine vanished must not hold the lock for the two hours that TCP would grant it.
_KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

# The writer asks by key and nothing else. A plan made while a table was empty must not scan it when it is
# large, and planning the one statement that writes a batch would cost more than running it.
_BY_KEY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class PostgresDatabase:
    """One PostgreSQL database, written by this process alone from `open` to `close`."""

    def __init__(self, url: str, *, allow_unsafe: bool) -> None:
        self._allow_unsafe = allow_unsafe
        self._write_engine = _engine(url, {**_KEEPALIVE, **_BY_KEY}, poolclass=NullPool)
        _send_writes_together(self._write_engine)
        self._read_engine = _engine(
            url,
            {"default_transaction_read_only": "on"},
            pool_size=READERS,
            max_overflow=READERS,
            pool_timeout=5,
        )
        self._writing: AsyncConnection | None = None

    @classmethod
    async def open(cls, url: str, *, allow_unsafe: bool = False) -> "PostgresDatabase":
        """Return the database at `postgresql+asyncpg://...`.

        Refuses (`DatabaseRefused`) one that another hub holds, a stand-by, and a server whose settings lose
        acknowledged commits, unless `allow_unsafe`.
        """
        try:
            database = cls(url, allow_unsafe=allow_unsafe)
        except ModuleNotFoundError as error:
            raise DatabaseRefused("PostgreSQL needs its driver: install ponte-hub[postgres].") from error
        try:
            database._writing = await database._connect(_PATIENCE_SECONDS)
        except Unavailable as outage:
            await database.close()
            raise DatabaseRefused(f"DATABASE_URL leads to no usable PostgreSQL: {outage}.") from outage
        except BaseException:
            await database.close()
            raise
        return database

    async def transact(self, work: Callable[[Connection], Answer], /) -> Answer:
        """Return what `work` returned, after its commit. Call again only after the answer."""
        if self._writing is None:
            try:
                self._writing = await self._connect()
            except DatabaseRefused as refused:
                raise Interrupted(str(refused)) from refused
        try:
            with _outages_named():
                async with self._writing.begin():
                    return await self._writing.run_sync(_to_the_end, work)
        except Interrupted:
            await self._hang_up()
            raise

    async def read(self, work: Callable[[Connection], Answer], /) -> Answer:
        """Return what `work` read; a write inside it fails. Each statement sees what is committed by then."""
        try:
            return await self._read(work)
        except Interrupted:
            # The pool was stale: the server had restarted since the last read.
            return await self._read(work)

    async def close(self) -> None:
        """Let the lock and every connection go."""
        await self._hang_up()
        await self._write_engine.dispose()
        await self._read_engine.dispose()

    async def _read(self, work: Callable[[Connection], Answer]) -> Answer:
        with _outages_named():
            async with contextlib.aclosing(await _dial(self._read_engine)) as conn:
                return await conn.run_sync(_to_the_end, work)

    async def _connect(self, patience_seconds: Sequence[float] = ()) -> AsyncConnection:
        conn = await _dial(self._write_engine)
        try:
            with _outages_named():
                await self._check_durable(conn)
                await _take_lock(conn, patience_seconds)
        except BaseException:
            await conn.close()
            raise
        return conn

    async def _hang_up(self) -> None:
        conn, self._writing = self._writing, None
        if conn is not None:
            await conn.close()

    async def _check_durable(self, conn: AsyncConnection) -> None:
        async with conn.begin():
            asked = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)"
            rows = await conn.exec_driver_sql(asked, (list(_UNSAFE),))
            unsafe = sorted(f"{row.name}={row.setting}" for row in rows if _UNSAFE[row.name] == row.setting)
            standing_by = (await conn.exec_driver_sql("SELECT pg_is_in_recovery()")).scalar_one()
        if standing_by:
            raise DatabaseRefused("This PostgreSQL server is a stand-by. Give DATABASE_URL of the primary.")
        if unsafe and not self._allow_unsafe:
            raise DatabaseRefused(
                f"PostgreSQL would lose acknowledged sales here ({', '.join(unsafe)}). Turn them on.",
            )


def _engine(url: str, server_settings: dict[str, str], **pool: Any) -> AsyncEngine:
    settings = {"application_name": "ponte", **server_settings}
    return create_async_engine(
        address(url),
        connect_args={"timeout": 5, "command_timeout": 30, "server_settings": settings},
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        **pool,
    )


def _send_writes_together(engine: AsyncEngine) -> None:
    """Let no statement overtake the writes that wait in `rows`, and no rollback leave them behind."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def before(conn: Connection, *_statement: object) -> None:
        rows.flush(conn)

    event.listen(engine.sync_engine, "rollback", rows.forget)


def _to_the_end(conn: Connection, work: Callable[[Connection], Answer]) -> Answer:
    """Return what `work` returned, nothing of it left waiting: what fails must fail before the commit."""
    answer = work(conn)
    rows.flush(conn)
    return answer


async def _dial(engine: AsyncEngine) -> AsyncConnection:
    try:
        return await engine.connect()
    except PoolTimeoutError as error:
        raise Busy("too many reads at once") from error
    except Exception as error:
        # The driver raises whatever it met: sockets, passwords, a database that is not there or starts up.
        raise Interrupted(f"no connection: {error}") from error


async def _take_lock(conn: AsyncConnection, patience_seconds: Sequence[float]) -> None:
    """Hold the database for as long as `conn` lives."""
    for pause_seconds in (*patience_seconds, 0):
        async with conn.begin():
            answer = await conn.exec_driver_sql("SELECT pg_try_advisory_lock($1)", (LOCK,))
            if answer.scalar_one():
                return
        await asyncio.sleep(pause_seconds)
    raise DatabaseHeld("Another hub already uses this PostgreSQL database. Stop it, or choose another.")


@contextlib.contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        if (outage := _outage(error)) is None:
            raise
        raise outage from error


def _outage(error: DBAPIError | OSError) -> Unavailable | None:
    """What the error says about the server rather than about the data."""
    if isinstance(error, OSError):  # refused, reset or timed out; TimeoutError is one
        return Interrupted(f"the connection failed ({type(error).__name__})")
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == "53100":
        return StorageFull("the disk of the database is full")
    # 08 connection, 40 rollback (deadlock, serialization), 57P server stops or starts
    if error.connection_invalidated or state.startswith(("08", "40", "57P")):
        return Interrupted(f"the server interrupted the transaction ({state or 'connection lost'})")
    # 53 out of memory or connections, 55P03 lock timeout, 57014 statement timeout
    if state.startswith("53") or state in {"55P03", "57014"}:
        return Busy(f"the server is overloaded ({state})")
    return None
