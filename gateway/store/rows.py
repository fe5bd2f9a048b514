"""Sets of rows in and out: one statement per table and batch, on either database.

SQLAlchemy compiles nothing here at run time: each statement's text is built once per table and kept. On
PostgreSQL a set travels as arrays (`unnest`), and writes wait for one another: they leave together, in one
statement, before anything is read or committed. On SQLite a set is one `executemany` or one `json_each`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import BigInteger, Boolean, Connection, Dialect, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

Row = Mapping[str, Any]
Convert = Callable[[Any], Any]

_WAITING = "ponte_waiting_writes"
_FEW = 2  # what a lone sale writes into one table: cheaper spelt out than as arrays


class _Shape(NamedTuple):
    """A table as one database wants it: `pick` reads a row at once, `binds` and `results` convert it."""

    names: tuple[str, ...]
    pick: Callable[[Row], tuple[Any, ...]]
    binds: tuple[tuple[int, Convert], ...]
    results: tuple[tuple[str, Convert], ...]
    casts: tuple[str, ...]


@lru_cache(maxsize=256)
def _shape(table: Table, dialect: Dialect) -> _Shape:
    names = tuple(column.name for column in table.columns)
    impls = [column.type.dialect_impl(dialect) for column in table.columns]
    binds = [(place, impl.bind_processor(dialect)) for place, impl in enumerate(impls)]
    results = [(name, impl.result_processor(dialect, None)) for name, impl in zip(names, impls, strict=True)]
    return _Shape(
        names=names,
        pick=itemgetter(*names),
        binds=tuple((place, bind) for place, bind in binds if bind is not None),
        results=tuple((name, result) for name, result in results if result is not None),
        casts=tuple(_cast(column.type) for column in table.columns),
    )


def _cast(kind: Any) -> str:
    kind = getattr(kind, "impl_instance", kind)
    if isinstance(kind, Boolean):
        return "boolean"
    if isinstance(kind, LargeBinary):
        return "bytea"
    if isinstance(kind, BigInteger):
        return "bigint"
    return "integer" if isinstance(kind, Integer) else "text"


def insert(conn: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`; each names every column (a missing one is NULL)."""
    _send(conn, table, rows, "")


def insert_new(conn: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows whose keys are not there yet; the others change nothing."""
    _send(conn, table, rows, "ON CONFLICT DO NOTHING")


def put(conn: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`, or overwrite those with the same primary key; of two with one key the later counts."""
    if len(rows) > 1:
        last = {_key(table, row): row for row in rows}
        rows = [last[key] for key in sorted(last)]
    _send(conn, table, rows, _on_conflict(table, add=()))


def add(conn: Connection, table: Table, rows: Sequence[Row], column: str) -> None:
    """Insert `rows`, or add `column` to those with the same primary key and overwrite the rest.

    The deltas of one key are summed first, and keys are written in order, so that two writers lock alike.
    """
    summed: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = _key(table, row)
        before = summed.get(key)
        summed[key] = row if before is None else {**row, column: before[column] + row[column]}
    _send(conn, table, [summed[key] for key in sorted(summed)], _on_conflict(table, add=(column,)))


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    key: tuple[Any, ...] = _pick_key(table)(row)
    return key


@lru_cache(maxsize=256)
def _pick_key(table: Table) -> Callable[[Row], Any]:
    return itemgetter(*(column.name for column in table.primary_key))


@lru_cache(maxsize=256)
def _on_conflict(table: Table, add: tuple[str, ...]) -> str:
    keys = [key.name for key in table.primary_key]
    sets = [
        f"{c.name} = {table.name}.{c.name} + excluded.{c.name}"
        if c.name in add
        else f"{c.name} = excluded.{c.name}"
        for c in table.columns
        if c.name not in keys
    ]
    return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(sets)}"


@lru_cache(maxsize=512)
def _sqlite_insert(table: Table, tail: str) -> str:
    names = ", ".join(column.name for column in table.columns)
    marks = ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {tail}"  # noqa: S608 -- names are ours


@lru_cache(maxsize=4096)
def _postgres_insert(table: Table, tail: str, first: int, few: int) -> str:
    """Return the text for `few` rows spelt out, or for arrays when that is 0; marks count from `first`."""
    names = ", ".join(column.name for column in table.columns)
    casts = [_cast(column.type) for column in table.columns]
    if few:
        marks = [f"${n}::{cast}" for n, cast in enumerate(casts * few, first)]
        wide = len(casts)
        listed = ", ".join(f"({', '.join(marks[n : n + wide])})" for n in range(0, len(marks), wide))
        return f"INSERT INTO {table.name} ({names}) VALUES {listed} {tail}"  # noqa: S608 -- names are ours
    arrays = ", ".join(f"${n}::{cast}[]" for n, cast in enumerate(casts, first))
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {tail}"  # noqa: S608 -- names are ours


class _Waiting(NamedTuple):
    table: Table
    tail: str
    values: Sequence[Sequence[Any]]


def _send(conn: Connection, table: Table, rows: Sequence[Row], tail: str) -> None:
    if not rows:
        return
    shape = _shape(table, conn.dialect)
    values = [_values(shape, row) for row in rows]
    if conn.dialect.name != "postgresql":
        _sqlite(conn).executemany(_sqlite_insert(table, tail), values)
        return
    waiting: list[_Waiting] = conn.info.setdefault(_WAITING, [])
    if any(other.table is table for other in waiting):
        flush(conn)  # one statement sees one snapshot: it may change a row once
    waiting.append(_Waiting(table, tail, values))


def flush(conn: Connection) -> None:
    """Send the writes that wait, in one statement: before every other one and before the commit."""
    waiting: list[_Waiting] = conn.info.get(_WAITING, [])
    if not waiting:
        return
    sent, waiting[:] = list(waiting), []
    texts: list[str] = []
    args: list[Any] = []
    for table, tail, values in sent:
        few = len(values) if len(values) <= _FEW else 0
        texts.append(_postgres_insert(table, tail, len(args) + 1, few))
        args.extend(chain(*values) if few else map(list, zip(*values, strict=True)))
    if len(texts) == 1:
        _postgres(conn, texts[0], args)
        return
    parts = ", ".join(f"w{n} AS ({text})" for n, text in enumerate(texts))
    _postgres(conn, f"WITH {parts} SELECT 1", args)


def forget(conn: Connection) -> None:
    """Drop the writes that wait: their transaction is rolled back, or their connection lost."""
    if not conn.invalidated:
        conn.info.get(_WAITING, []).clear()


def _values(shape: _Shape, row: Row) -> Sequence[Any]:
    try:
        picked = shape.pick(row)
    except KeyError:
        picked = tuple([row.get(name) for name in shape.names])
    if not shape.binds:
        return picked
    bound = list(picked)
    for place, bind in shape.binds:
        bound[place] = bind(bound[place])
    return bound


def _sqlite(conn: Connection) -> sqlite3.Connection:
    """Return the driver's own connection, within the transaction of `conn`.

    A lone sale makes fifteen statements: through SQLAlchemy's events they would cost twice as much.
    """
    driver: sqlite3.Connection = conn.connection.driver_connection  # type: ignore[assignment]
    return driver


def _postgres(conn: Connection, text: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """Return what `text` answers, in the transaction of `conn`; a lone sale makes five statements.

    Through SQLAlchemy's events and results each would take twice as long; its errors are raised all the same.
    """
    cursor = conn.connection.cursor()
    raised = conn.dialect.loaded_dbapi.Error
    try:
        cursor.execute(text, args)
        return cursor.fetchall()
    except raised as error:
        lost = conn.dialect.is_disconnect(error, conn.connection, cursor)
        if lost:
            conn.invalidate(error)
        raise DBAPIError.instance(
            text, tuple(args), error, raised, hide_parameters=True, connection_invalidated=lost
        ) from error
    finally:
        cursor.close()


def fetch(
    conn: Connection, table: Table, by: tuple[str, ...], keys: Iterable[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """Return the rows whose columns `by` equal one of `keys`, each once; order is not promised.

    `keys` may hold no bytes, and a None in one matches nothing.
    """
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return []
    dialect = conn.dialect
    shape, binds = _shape(table, dialect), _key_binds(table, by, dialect)
    if any(binds):
        wanted = [tuple([b(v) if b else v for v, b in zip(key, binds, strict=True)]) for key in wanted]
    text = _fetch_text(table, by, dialect.name, lone=len(wanted) == 1)
    found: Iterable[Sequence[Any]]
    if dialect.name == "postgresql":
        flush(conn)
        found = _postgres(
            conn, text, wanted[0] if len(wanted) == 1 else [*map(list, zip(*wanted, strict=True))]
        )
    else:
        found = _sqlite(conn).execute(text, wanted[0] if len(wanted) == 1 else (to_json(wanted).decode(),))
    rows = [dict(zip(shape.names, row, strict=True)) for row in found]
    for name, result in shape.results:
        for row in rows:
            row[name] = result(row[name])
    return rows


@lru_cache(maxsize=512)
def _key_binds(table: Table, by: tuple[str, ...], dialect: Dialect) -> tuple[Convert | None, ...]:
    return tuple(table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in by)


@lru_cache(maxsize=512)
def _fetch_text(table: Table, by: tuple[str, ...], dialect_name: str, *, lone: bool) -> str:
    """Return the text for a set of keys, or for a `lone` one, which needs no array."""
    names = ", ".join(f"t.{column.name}" for column in table.columns)
    if lone:
        mark = "$" if dialect_name == "postgresql" else "?"
        match = " AND ".join(f"t.{name} = {mark}{n}" for n, name in enumerate(by, 1))
        return f"SELECT {names} FROM {table.name} AS t WHERE {match}"  # noqa: S608 -- names are ours
    if dialect_name == "postgresql":
        arrays = ", ".join(f"${n}::{_cast(table.c[name].type)}[]" for n, name in enumerate(by, 1))
        places = ", ".join(f"k{n}" for n in range(len(by)))
        match = " AND ".join(f"t.{name} = k.k{n}" for n, name in enumerate(by))
        source = f"unnest({arrays}) AS k({places})"
        return f"SELECT {names} FROM {source} JOIN {table.name} AS t ON {match}"  # noqa: S608 -- names are ours
    match = " AND ".join(f"t.{name} = json_extract(k.value, '$[{n}]')" for n, name in enumerate(by))
    return f"SELECT {names} FROM json_each(?) AS k CROSS JOIN {table.name} AS t ON {match}"  # noqa: S608 -- names are ours
