"""Sets of rows go in and come out alike on both databases, whatever they hold."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from gateway.store import rows
from gateway.store.columns import Day, Instant
from gateway.store.engine import Store
from gateway.store.tables import balance, counter, metadata

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLES = metadata.sorted_tables
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


class Undo(Exception):
    """Raised to leave no trace of an example."""


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    store = await Store.open(migrated_url, allow_unsafe=True)
    yield store
    await store.close()


async def undone(store: Store, work: Callable[[Connection], None]) -> None:
    """Do `work` in a write transaction and roll it back."""

    def action(conn: Connection, items: Sequence[None]) -> Sequence[None]:
        work(conn)
        raise Undo

    with pytest.raises(Undo):
        await store.submit(action, None)


def values(column: Column[Any]) -> st.SearchStrategy[Any]:
    kind = column.type
    some: st.SearchStrategy[Any] = TEXT
    if isinstance(kind, Instant):
        some = st.datetimes(timezones=st.just(UTC))
    elif isinstance(kind, Day):
        some = st.dates()
    elif isinstance(kind, Boolean):
        some = st.booleans()
    elif isinstance(kind, LargeBinary):
        some = st.binary(max_size=20)
    elif isinstance(kind, BigInteger):
        some = st.integers(-(2**63), 2**63 - 1)
    elif isinstance(kind, Integer):
        some = st.integers(-(2**31), 2**31 - 1)
    return st.none() | some if column.nullable else some


def plain(column: Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, Instant):
        return datetime(2026, 11, 25, tzinfo=UTC)
    if isinstance(kind, Day):
        return date(2026, 11, 25)
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, LargeBinary):
        return b"\x00\xff"
    return 7 if isinstance(kind, Integer) else "João"


def row_of(table: Table) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({column.name: values(column) for column in table.columns})


def columns_of(names: Iterable[str], row: rows.Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def key_of(table: Table, row: rows.Row) -> tuple[Any, ...]:
    return columns_of(table.primary_key.columns.keys(), row)


def in_order(table: Table, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: key_of(table, row))


def rows_of(table: Table) -> st.SearchStrategy[tuple[Table, list[dict[str, Any]]]]:
    rules = [rule for rule in table.constraints if isinstance(rule, PrimaryKeyConstraint | UniqueConstraint)]
    distinct = tuple(partial(columns_of, rule.columns.keys()) for rule in rules)
    return st.tuples(st.just(table), st.lists(row_of(table), max_size=4, unique_by=distinct))


@pytest.mark.parametrize("write", [rows.insert, rows.insert_new, rows.put])
@few
@given(
    sets=st.tuples(*[st.sampled_from(TABLES[n : n + 4]).flatmap(rows_of) for n in range(0, len(TABLES), 4)])
)
async def test_every_table_gives_back_exactly_what_was_put_in(
    store: Store,
    write: Callable[[Connection, Table, Sequence[rows.Row]], None],
    sets: tuple[tuple[Table, list[dict[str, Any]]], ...],
) -> None:
    def work(conn: Connection) -> None:
        for table, sent in sets:
            write(conn, table, sent)
            by = tuple(column.name for column in table.primary_key)
            found = rows.fetch(conn, table, by, [key_of(table, row) for row in sent])
            assert in_order(table, found) == in_order(table, sent)

    await undone(store, work)


async def test_every_table_can_be_written_and_read_by_its_own_names(store: Store) -> None:
    def work(conn: Connection) -> None:
        for table in TABLES:
            row = {column.name: plain(column) for column in table.columns}
            rows.insert(conn, table, [row])
            for column in table.columns:
                if not isinstance(column.type, LargeBinary):
                    assert rows.fetch(conn, table, (column.name,), [(row[column.name],)]) == [row], column

    await undone(store, work)


SMALL = st.sampled_from(["a", "b", "A", "é", ""])
DELTA = st.integers(-(10**6), 10**6)
STEP = st.tuples(st.sampled_from(["insert_new", "put", "add"]), st.lists(st.tuples(SMALL, DELTA), max_size=5))


@few
@given(steps=st.lists(STEP, max_size=5))
async def test_insert_new_keeps_put_replaces_and_add_sums_even_within_one_set(
    store: Store, steps: list[tuple[str, list[tuple[str, int]]]]
) -> None:
    expected: dict[str, int] = {}
    for step, pairs in steps:
        for name, value in pairs:
            if step == "insert_new":
                expected.setdefault(name, value)
            elif step == "put":
                expected[name] = value
            else:
                expected[name] = expected.get(name, 0) + value

    def work(conn: Connection) -> None:
        for step, pairs in steps:
            sent = [{"programme_id": "p", "name": name, "value": value} for name, value in pairs]
            if step == "insert_new":
                rows.insert_new(conn, counter, sent)
            elif step == "put":
                rows.put(conn, counter, sent)
            else:
                rows.add(conn, counter, sent, "value")
        found = rows.fetch(conn, counter, ("programme_id",), [("p",)])
        assert {row["name"]: row["value"] for row in found} == expected

    await undone(store, work)


async def test_a_row_comes_once_however_often_its_key_is_asked_and_none_matches_nothing(store: Store) -> None:
    def work(conn: Connection) -> None:
        rows.insert(conn, counter, [{"programme_id": "p", "name": name, "value": 1} for name in "abc"])
        found = rows.fetch(
            conn, counter, ("programme_id", "name"), [("p", "a"), ("p", "a"), ("p", None), ("q", "b")]
        )
        assert [row["name"] for row in found] == ["a"]
        assert rows.fetch(conn, counter, ("name",), []) == []

    await undone(store, work)


async def test_an_instant_keeps_its_microsecond_and_a_naive_one_is_refused(store: Store) -> None:
    at = datetime(2026, 11, 25, 12, 0, 0, 123457, tzinfo=UTC)
    naive = at.replace(tzinfo=None)

    def work(conn: Connection) -> None:
        audit = metadata.tables["audit"]
        row = {column.name: plain(column) for column in audit.columns}
        rows.insert(conn, audit, [{**row, "at": at}])
        assert rows.fetch(conn, audit, ("at",), [(at,)])[0]["at"] == at
        with pytest.raises(ValueError, match="naive"):
            rows.insert(conn, audit, [{**row, "audit_id": "other", "at": naive}])

    await undone(store, work)


async def test_a_hot_account_is_written_once_a_batch_and_sums_to_the_unit(store: Store) -> None:
    written: list[int] = []

    def credit(conn: Connection, units: Sequence[int]) -> Sequence[int]:
        deltas = [
            {"programme_id": "p", "account": "partner_prepaid", "account_ref": "big", "units": unit}
            for unit in units
        ]
        rows.add(conn, balance, deltas, "units")
        written.append(len(deltas))
        return units

    async with anyio.create_task_group() as group:
        for unit in range(1, 301):
            group.start_soon(store.submit, credit, unit)
    found = await store.read(lambda conn: rows.fetch(conn, balance, ("account_ref",), [("big",)]))
    assert [row["units"] for row in found] == [300 * 301 // 2]
    assert written == [300]
