"""Group commit seen from outside the hub: how often the database really committed, counted by the database itself."""

import asyncio
import sqlite3
import struct
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from tests.faults.children import HubProcess, Wire
from tests.faults.killing import Street, open_street
from tests.gateway.world import open_world
from tests.servers import Postgres

CLIENTS = 64
SALES = 1_500
COMMITS_PER_SALE = 0.2
ALONE = 20
"""Sales that one client tells one after another: the count must see each of them, or it sees nothing."""


async def sell_all(street: Street, port: int, sales: int, clients: int) -> None:
    """Let `clients` connections tell `sales` sales without pause; each must be credited."""
    left = [street.sale() for _ in range(sales)]
    wanted = street.acknowledged + sales

    async def client() -> None:
        with closing(Wire(port)) as wire:
            while left:
                await street.report(wire, left.pop())

    await asyncio.gather(*(client() for _ in range(clients)))
    assert street.acknowledged == wanted


def commits_in(log: Path) -> int:
    """Count in a write-ahead log the frames that end a transaction: those that state the size of the database after it.

    sqlite.org/fileformat2.html, section 4.1: a header of 32 bytes, then frames of 24 bytes and one page.
    """
    if not (wal := log.read_bytes()):
        return 0
    page_size, _, salt = struct.unpack(">IIQ", wal[8:24])
    size = 24 + page_size
    frames = [wal[start : start + 24] for start in range(32, len(wal) - size + 1, size)]
    return sum(
        1 for frame in frames if frame[4:8] != b"\0\0\0\0" and struct.unpack(">Q", frame[8:16])[0] == salt
    )


async def test_sixty_four_clients_share_commits_on_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "hub.sqlite"
    async with open_world(f"sqlite:///{file}", at=datetime.now(UTC)) as world:
        street, _ = await open_street(world, seed=3)
    hub = HubProcess(tmp_path, f"sqlite:///{file}", PONTE_NO_WORKER="1")
    try:
        await hub.start()
        with closing(sqlite3.connect(file)) as witness:
            # An open snapshot keeps the log from being begun anew, so that every commit stays countable.
            witness.execute("BEGIN")
            known = witness.execute("SELECT count(*) FROM sale").fetchone()
            before = commits_in(Path(f"{file}-wal"))
            await sell_all(street, hub.port, ALONE, 1)
            alone = commits_in(Path(f"{file}-wal")) - before
            await sell_all(street, hub.port, SALES, CLIENTS)
            commits = commits_in(Path(f"{file}-wal")) - before - alone
            assert witness.execute("SELECT count(*) FROM sale").fetchone() == known, (
                "the snapshot was not kept"
            )
        assert hub.stop() == 0
        with closing(sqlite3.connect(file)) as after:
            assert after.execute("SELECT count(*) FROM sale").fetchone() == (ALONE + SALES,)
    finally:
        hub.close()
    assert alone == ALONE
    assert 0 < commits < COMMITS_PER_SALE * SALES


async def test_sixty_four_clients_share_commits_on_postgresql(
    tmp_path: Path, durable_postgres: Postgres
) -> None:
    database = await asyncio.to_thread(durable_postgres.create_database)
    async with open_world(durable_postgres.url(database), at=datetime.now(UTC)) as world:
        street, _ = await open_street(world, seed=4)
    counts = [await commits_of(durable_postgres, database)]
    for sales, clients in ((ALONE, 1), (SALES, CLIENTS)):
        hub = HubProcess(tmp_path, durable_postgres.url(database), PONTE_NO_WORKER="1")
        try:
            await hub.start()
            await sell_all(street, hub.port, sales, clients)
            assert hub.stop() == 0  # a session tells its last figures when it ends
        finally:
            hub.close()
        counts.append(await commits_of(durable_postgres, database))
    before, alone, after = counts
    assert alone - before >= ALONE
    assert 0 < after - alone < COMMITS_PER_SALE * SALES


async def commits_of(server: Postgres, database: str) -> int:
    """Return the transactions that `database` committed, reads included, once the figure stands still."""
    connection = await asyncpg.connect(
        host="127.0.0.1", port=server.port, user="postgres", database="postgres"
    )
    asked = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1"
    try:
        seen = [-1]
        while len(seen) < 3 or len(set(seen[-3:])) > 1:
            await asyncio.sleep(0.6)
            seen.append(await connection.fetchval(asked, database))
    finally:
        await connection.close()
    return int(seen[-1])
