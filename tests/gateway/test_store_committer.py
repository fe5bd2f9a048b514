"""Group commit, on both databases: shared transactions, one answer each, and no neighbour ever suffers."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway.store import rows
from gateway.store.committer import BATCH_MAX
from gateway.store.engine import Store
from gateway.store.outages import Busy, Closing, StorageFull
from gateway.store.tables import counter


class TooSoon(Exception):
    """A refusal that an action answers as a value."""


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = await Store.open(migrated_url, allow_unsafe=True)
    yield store
    await store.close()


def row(name: str) -> dict[str, Any]:
    return {"programme_id": "p", "name": name, "value": 1}


def note(conn: Connection, names: Sequence[str]) -> Sequence[str]:
    """Write a row for each name; answer the name."""
    rows.insert(conn, counter, [row(name) for name in names])
    return names


def names(conn: Connection) -> list[str]:
    return sorted(found["name"] for found in rows.fetch(conn, counter, ("programme_id",), [("p",)]))


async def answers(*waiting: Any) -> list[Any]:
    return await asyncio.gather(*waiting, return_exceptions=True)


class Commits:
    """Counts the transactions that wrote rows, as the database saw them."""

    def __init__(self) -> None:
        self.traced: list[str] = []

    async def watch(self, store: Store) -> None:
        """SQLite reports each statement of the writing connection; PostgreSQL stamps rows instead."""
        await store.submit(self._trace, None)

    def _trace(self, conn: Connection, items: Sequence[None]) -> Sequence[None]:
        if conn.dialect.name == "sqlite":
            connection: Any = conn.connection.driver_connection
            connection.set_trace_callback(self.traced.append)
        return items

    async def count(self, store: Store) -> int:
        return await store.read(self._count)

    def _count(self, conn: Connection) -> int:
        if conn.dialect.name == "sqlite":
            return self.traced.count("COMMIT") - 1  # the one of `watch` itself
        asked = "SELECT count(DISTINCT xmin::text) FROM counter"
        return int(conn.exec_driver_sql(asked).scalar_one())


async def test_concurrent_writes_share_transactions_and_a_batch_is_capped(store: Store) -> None:
    commits = Commits()
    await commits.watch(store)
    sent = [f"{n:04}" for n in range(2 * BATCH_MAX + 50)]
    assert await answers(*[store.submit(note, name) for name in sent]) == sent
    assert await store.read(names) == sent
    assert await commits.count(store) == 3


async def test_a_batch_is_whatever_came_while_the_last_one_was_committed(migrated_url: str) -> None:
    sizes: list[int] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note_begun(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        loop.call_soon_threadsafe(begun.set)
        return note(conn, items)

    store = await Store.open(
        migrated_url, allow_unsafe=True, on_batch=lambda size, _s, _o: sizes.append(size)
    )
    first = asyncio.create_task(store.submit(note_begun, "first"))
    await begun.wait()
    await asyncio.gather(first, *[store.submit(note_begun, f"later {n}") for n in range(9)])
    await store.close()
    assert sizes == [1, 9]


async def test_one_after_another_each_has_a_transaction_of_its_own(store: Store) -> None:
    commits = Commits()
    await commits.watch(store)
    for name in "abc":
        await store.submit(note, name)
    assert await commits.count(store) == 3


async def test_an_action_is_called_once_a_batch_in_order_of_first_arrival(store: Store) -> None:
    calls: list[tuple[str, list[int]]] = []

    def odd(conn: Connection, items: Sequence[int]) -> Sequence[str]:
        calls.append(("odd", list(items)))
        return [f"odd {item}" for item in items]

    def even(conn: Connection, items: Sequence[int]) -> Sequence[str]:
        calls.append(("even", list(items)))
        return [f"even {item}" for item in items]

    got = await answers(*[store.submit(odd if n % 2 else even, n) for n in (1, 2, 3, 4)])
    assert got == ["odd 1", "even 2", "odd 3", "even 4"]
    assert calls == [("odd", [1, 3]), ("even", [2, 4])]


async def test_what_was_answered_can_be_read_at_once(store: Store) -> None:
    for name in ("a", "b"):
        await store.submit(note, name)
        assert name in await store.read(names)


async def test_a_poisoned_item_fails_alone_and_its_neighbours_are_written(store: Store) -> None:
    def picky(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        note(conn, items)
        if "poison" in items:
            raise ValueError("poison")
        return items

    sent = [f"{n:02}" for n in range(40)]
    sent[17] = "poison"
    got = await answers(*[store.submit(picky, name) for name in sent])
    assert isinstance(got.pop(17), ValueError)
    sent.remove("poison")
    assert got == sent
    assert await store.read(names) == sent


async def test_what_the_database_refuses_fails_alone_and_the_error_repeats_no_value(store: Store) -> None:
    await store.submit(note, "there already")
    got = await answers(*[store.submit(note, name) for name in ("a", "there already", "b")])
    assert got[0] == "a"
    assert got[2] == "b"
    assert isinstance(got[1], DBAPIError | sqlite3.Error)
    told = str(got[1])
    assert "[SQL parameters hidden" in told if isinstance(got[1], DBAPIError) else "there already" not in told
    assert await store.read(names) == ["a", "b", "there already"]


async def test_an_error_that_is_an_answer_reaches_its_submitter_and_rolls_nothing_back(store: Store) -> None:
    def choosy(conn: Connection, items: Sequence[str]) -> Sequence[str | TooSoon]:
        note(conn, [item for item in items if item != "no"])
        return [TooSoon("not yet") if item == "no" else item for item in items]

    commits = Commits()
    await commits.watch(store)
    forgotten: list[bool] = []
    store.on_rollback.append(lambda: forgotten.append(True))
    got = await answers(*[store.submit(choosy, name) for name in ("a", "no", "b")])
    assert got[::2] == ["a", "b"]
    assert isinstance(got[1], TooSoon)
    assert await store.read(names) == ["a", "b"]
    assert await commits.count(store) == 1
    assert forgotten == []


async def test_an_action_that_answers_for_too_few_writes_nothing(store: Store) -> None:
    def short(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        note(conn, items)
        return items[1:]

    got = await answers(store.submit(short, "a"), store.submit(short, "b"))
    assert [type(error) for error in got] == [ValueError, ValueError]
    assert await store.read(names) == []


async def test_an_escaping_stop_iteration_leaves_nobody_waiting(store: Store) -> None:
    def empty(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        return [next(iter(())) for _ in items] or next(iter(()))

    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await store.submit(empty, "a")
    assert await store.submit(note, "b") == "b"


async def test_caches_are_dropped_after_every_rollback_before_the_next_try(store: Store) -> None:
    told: list[str] = []
    store.on_rollback.append(lambda: told.append("forget"))

    def picky(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        told.append("+".join(items))
        if "poison" in items:
            raise ValueError("poison")
        return items

    await answers(store.submit(picky, "a"), store.submit(picky, "poison"))
    assert told == ["a+poison", "forget", "a", "poison", "forget"]


async def test_a_cache_that_cannot_be_dropped_stops_the_hub_rather_than_serve_what_was_undone(
    migrated_url: str,
) -> None:
    def stuck() -> None:
        raise LookupError("a cache of ours is broken")

    def fail(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        note(conn, items)
        raise ValueError("poison")

    store = await Store.open(migrated_url, allow_unsafe=True)
    store.on_rollback.append(stuck)
    got = await answers(store.submit(fail, "a"), store.submit(note, "b"))
    assert [type(error) for error in got] == [Closing, Closing]
    with pytest.raises(Closing):
        await store.submit(note, "c")
    with pytest.raises(LookupError, match="a cache of ours"):
        await store.close()
    again = await Store.open(migrated_url, allow_unsafe=True)
    assert await again.read(names) == []
    await again.close()


async def test_a_sender_who_left_is_written_all_the_same(store: Store) -> None:
    gone = asyncio.create_task(store.submit(note, "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    await store.submit(note, "stayed")
    assert gone.cancelled()
    assert await store.read(names) == ["gone", "stayed"]


async def test_a_full_queue_refuses_at_once_and_takes_again_when_it_has_room(migrated_url: str) -> None:
    store = await Store.open(migrated_url, allow_unsafe=True, queue_max=3)
    try:
        got = await answers(*[store.submit(note, name) for name in "abcde"])
        assert got[:3] == ["a", "b", "c"]
        assert [type(error) for error in got[3:]] == [Busy, Busy]
        assert got[3].retry_after_seconds > 0
        assert await store.submit(note, "d") == "d"
        assert await store.read(names) == ["a", "b", "c", "d"]
    finally:
        await store.close()


async def test_close_answers_everyone_who_waits_and_then_takes_nothing(migrated_url: str) -> None:
    store = await Store.open(migrated_url, allow_unsafe=True)
    sent = [f"{n:03}" for n in range(BATCH_MAX + 10)]
    waiting = [asyncio.create_task(store.submit(note, name)) for name in sent]
    await asyncio.sleep(0)
    await store.close()
    assert all(task.done() for task in waiting)
    assert await asyncio.gather(*waiting) == sent
    for refused in (store.submit(note, "late"), store.read(names), store.ready()):
        with pytest.raises(Closing):
            await refused
    await store.close()
    again = await Store.open(migrated_url, allow_unsafe=True)
    assert await again.read(names) == sent
    await again.close()


async def test_a_listener_hears_of_every_transaction_and_its_own_defect_hurts_nobody(
    migrated_url: str,
) -> None:
    heard: list[tuple[int, str]] = []
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))

    def listen(size: int, seconds: float, outcome: str) -> None:
        assert seconds > 0
        heard.append((size, outcome))
        raise RuntimeError("a broken gauge")

    def picky(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        if "poison" in items:
            raise ValueError("poison")
        return note(conn, items)

    store = await Store.open(migrated_url, allow_unsafe=True, on_batch=listen)
    got = await answers(store.submit(picky, "a"), store.submit(picky, "poison"))
    await store.close()
    assert got[0] == "a"
    assert heard == [(2, "rolled_back"), (1, "committed"), (1, "rolled_back")]
    assert len(reported) == 3


async def test_a_full_disk_is_an_outage_that_writes_nothing_and_ends_by_itself(store: Store) -> None:
    space = [False]

    def write(conn: Connection, items: Sequence[str]) -> Sequence[str]:
        fill_the_disk(conn, space=space[0])
        return note(conn, items)

    got = await answers(*[store.submit(write, name) for name in ("a" * 100_000, "b")])
    assert [type(error) for error in got] == [StorageFull, StorageFull]
    assert got[0] is not got[1], "each submitter has a trace of its own"
    assert await store.read(names) == []
    space[0] = True
    assert await store.submit(write, "c") == "c"


def fill_the_disk(conn: Connection, *, space: bool) -> None:
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"PRAGMA max_page_count={10**9 if space else 1}")
    elif not space:
        conn.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$")
