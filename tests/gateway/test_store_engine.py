"""Opening a database, and what it does when somebody else, the disk or the server has other plans."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway.store import rows
from gateway.store.engine import Store
from gateway.store.outages import Busy, DatabaseRefused, Interrupted
from gateway.store.postgres import LOCK
from gateway.store.tables import counter
from tests.servers import Postgres

only_postgres = pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
only_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = await Store.open(migrated_url, allow_unsafe=True)
    yield store
    await store.close()


def note(conn: Connection, names: Sequence[str]) -> Sequence[str]:
    rows.insert(conn, counter, [{"programme_id": "p", "name": name, "value": 1} for name in names])
    return names


def names(conn: Connection) -> list[str]:
    return sorted(found["name"] for found in rows.fetch(conn, counter, ("programme_id",), [("p",)]))


async def test_a_second_hub_on_the_same_database_is_refused_until_the_first_has_gone(
    migrated_url: str,
) -> None:
    first = await Store.open(migrated_url, allow_unsafe=True)
    with pytest.raises(DatabaseRefused, match="Another hub already uses"):
        await Store.open(migrated_url, allow_unsafe=True)
    assert await first.submit(note, "still here") == "still here"
    await first.close()
    second = await Store.open(migrated_url, allow_unsafe=True)
    assert await second.read(names) == ["still here"]
    await second.close()


async def test_an_empty_database_is_given_the_schema_and_is_ready(database_url: str) -> None:
    store = await Store.open(database_url, allow_unsafe=True)
    await store.ready()
    assert await store.read(names) == []
    await store.close()


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises((DBAPIError, sqlite3.Error), match=r"read-?only"):
        await store.read(lambda conn: note(conn, ["smuggled"]))
    assert await store.read(names) == []


async def test_reads_run_beside_each_other_and_beside_writes(store: Store) -> None:
    await store.submit(note, "a")
    reads = [store.read(names) for _ in range(30)]
    results = await asyncio.gather(*reads, store.submit(note, "b"))
    assert all("a" in found for found in results[:-1])


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///hub.db?mode=memory", "mysql://host/hub", ""]
)
async def test_a_url_that_names_no_lasting_database_is_refused(url: str) -> None:
    with pytest.raises(DatabaseRefused, match="DATABASE_URL"):
        await Store.open(url)


async def test_a_folder_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="cannot be opened: No such file"):
        await Store.open(f"sqlite:///{tmp_path}/nowhere/hub.db")


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "hub.db"
    file.write_bytes(b"a shopping list " * 300)
    for _ in range(2):  # the second time shows that the first let go of its lock
        with pytest.raises(DatabaseRefused, match="cannot be used as a SQLite hub: file is not a database"):
            await Store.open(f"sqlite:///{file}")
    assert file.read_bytes() == b"a shopping list " * 300


@only_sqlite
async def test_every_sqlite_commit_is_on_disk_when_it_is_answered(store: Store) -> None:
    asked = ("journal_mode", "synchronous", "foreign_keys")

    def settings(conn: Connection, items: Sequence[None]) -> Sequence[Any]:
        return [[conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in asked] for _ in items]

    assert await store.submit(settings, None) == ["wal", 2, 1]


@only_sqlite
async def test_a_file_that_another_program_holds_is_an_outage_and_not_an_error(
    store: Store, migrated_url: str
) -> None:
    def hurry(conn: Connection, items: Sequence[None]) -> Sequence[None]:
        conn.exec_driver_sql("PRAGMA busy_timeout=0")
        return items

    await store.submit(hurry, None)
    other = sqlite3.connect(migrated_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="another program"):
        await store.submit(note, "a")
    assert await store.read(names) == []
    other.close()
    assert await store.submit(note, "a") == "a"


@only_postgres
async def test_a_server_that_forgets_commits_is_refused(migrated_url: str) -> None:
    with pytest.raises(DatabaseRefused, match=r"fsync=off, full_page_writes=off, synchronous_commit=off"):
        await Store.open(migrated_url)


async def test_a_server_that_cannot_be_reached_or_entered_is_refused_without_its_password(
    postgres: Postgres,
) -> None:
    for url in (
        "postgresql+asyncpg://ponte:hunter2@127.0.0.1:1/hub",
        postgres.url("no_such_database").replace("postgres@", "postgres:hunter2@"),
    ):
        with pytest.raises(DatabaseRefused, match="no usable PostgreSQL") as refused:
            await Store.open(url)
        assert "hunter2" not in str(refused.value)


@only_postgres
@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_deadlock_or_a_serialization_failure_is_tried_again(store: Store, state: str) -> None:
    attempts: list[int] = []

    def unlucky(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        note(conn, items)
        attempts.append(len(items))
        if len(attempts) < 3:
            conn.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
        return items

    assert await asyncio.gather(*[store.submit(unlucky, name) for name in "ab"]) == ["a", "b"]
    assert attempts == [2, 2, 2]
    assert await store.read(names) == ["a", "b"]


@only_postgres
async def test_a_connection_lost_in_a_batch_is_made_again_with_the_lock_and_the_batch_is_sent_again(
    store: Store, migrated_url: str
) -> None:
    attempts: list[int] = []

    def cut(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        note(conn, items)
        attempts.append(len(items))
        if len(attempts) == 1:
            conn.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return items

    assert await store.submit(cut, "a") == "a"
    assert attempts == [1, 1]
    assert await store.read(names) == ["a"]
    with pytest.raises(DatabaseRefused, match="Another hub"):
        await Store.open(migrated_url, allow_unsafe=True)


@only_postgres
async def test_a_hub_that_lost_its_lock_to_another_writes_nothing(store: Store, migrated_url: str) -> None:
    def hang_up(conn: Connection, items: Sequence[None]) -> Sequence[None]:
        conn.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return items

    other = await asyncpg.connect(migrated_url.replace("+asyncpg", ""))
    taking = asyncio.create_task(other.execute(f"SELECT pg_advisory_lock({LOCK})"))
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not await store.read(lambda conn: conn.exec_driver_sql(asked).scalar_one()):
        continue
    late = asyncio.gather(store.submit(hang_up, None), store.submit(note, "late"), return_exceptions=True)
    await taking
    assert [type(error) for error in await late] == [Interrupted, Interrupted]
    assert await store.read(names) == []
    await other.close()
    assert await store.submit(note, "in time") == "in time"


async def test_a_killed_server_costs_a_pause_and_nothing_else(durable_postgres: Postgres) -> None:
    url = durable_postgres.url(await asyncio.to_thread(durable_postgres.create_database))
    store = await Store.open(url)  # its settings are a server's own: nothing unsafe is allowed here
    await asyncio.gather(*[store.submit(note, f"{n:02}") for n in range(20)])
    assert len(await store.read(names)) == 20
    durable_postgres.kill9()
    waiting = asyncio.create_task(store.submit(note, "during"))
    await asyncio.to_thread(durable_postgres.start)
    assert await waiting == "during"
    assert len(await store.read(names)) == 21
    await store.ready()
    await store.close()


async def test_a_role_that_forgets_commits_is_refused_on_a_server_that_does_not(
    durable_postgres: Postgres,
) -> None:
    name = await asyncio.to_thread(durable_postgres.create_database)
    await asyncio.to_thread(durable_postgres.execute, f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(DatabaseRefused, match=r"\(synchronous_commit=off\)"):
        await Store.open(durable_postgres.url(name))
