"""Sets of rows in and out: one statement per table and batch, on either database.

SQLAlchemy compiles nothing here at run time: each statement's text is built once per table and kept. On
PostgreSQL a set travels as arrays (`unnest`), on SQLite as one `executemany` or one `json_each`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, Connection, Dialect, Integer, LargeBinary, Table

Row = Mapping[str, Any]
Process = Callable[[Any], Any] | None


class _Shape(NamedTuple):
    names: tuple[str, ...]
    binds: tuple[Process, ...]
    casts: tuple[str, ...]


@lru_cache(maxsize=256)
def _shape(table: Table, dialect: Dialect) -> _Shape:
    names, binds, casts = [], [], []
    for column in table.columns:
        names.append(column.name)
        binds.append(column.type.dialect_impl(dialect).bind_processor(dialect))
        casts.append(_cast(column.type))
    return _Shape(tuple(names), tuple(binds), tuple(casts))


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
    last = {_key(table, row): row for row in rows}
    _send(conn, table, [last[key] for key in sorted(last)], _on_conflict(table, add=()))


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
    return tuple([row[column.name] for column in table.primary_key])


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
def _insert_text(table: Table, dialect_name: str, casts: tuple[str, ...], tail: str) -> str:
    names = ", ".join(column.name for column in table.columns)
    if dialect_name == "postgresql":
        arrays = ", ".join(f"${n}::{cast}[]" for n, cast in enumerate(casts, 1))
        return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {tail}"  # noqa: S608 -- names are ours
    marks = ", ".join("?" for _ in casts)
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {tail}"  # noqa: S608 -- names are ours


def _send(conn: Connection, table: Table, rows: Sequence[Row], tail: str) -> None:
    if not rows:
        return
    shape = _shape(table, conn.dialect)
    text = _insert_text(table, conn.dialect.name, shape.casts, tail)
    if conn.dialect.name == "postgresql":
        columns = tuple(
            [row.get(name) if bind is None else bind(row.get(name)) for row in rows]
            for name, bind in zip(shape.names, shape.binds, strict=True)
        )
        conn.exec_driver_sql(text, columns)
        return
    pairs = tuple(zip(shape.names, shape.binds, strict=True))
    values = [
        tuple([row.get(name) if bind is None else bind(row.get(name)) for name, bind in pairs])
        for row in rows
    ]
    conn.exec_driver_sql(text, values if len(values) > 1 else values[0])


def fetch(
    conn: Connection, table: Table, by: tuple[str, ...], keys: Iterable[tuple[Any, ...]], tail: str = ""
) -> list[dict[str, Any]]:
    """Return the rows whose columns `by` equal one of `keys`, each once; order is not promised.

    `keys` may hold no bytes, and a None in one matches nothing.
    `tail` is a fixed SQL suffix of ours (`FOR UPDATE` is added by nobody: one process writes).
    """
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return []
    results = _results(table, conn.dialect)
    text, as_arrays = _fetch_text(table, by, conn.dialect.name, tail)
    binds = tuple(_bind(table, name, conn.dialect) for name in by)
    prepared = [tuple(v if b is None else b(v) for v, b in zip(key, binds, strict=True)) for key in wanted]
    args: tuple[Any, ...] = (
        tuple(list(c) for c in zip(*prepared, strict=True)) if as_arrays else (json.dumps(prepared),)
    )
    found = conn.exec_driver_sql(text, args)
    return [
        {
            name: value if process is None else process(value)
            for (name, process), value in zip(results, row, strict=True)
        }
        for row in found
    ]


def _bind(table: Table, name: str, dialect: Dialect) -> Process:
    return table.c[name].type.dialect_impl(dialect).bind_processor(dialect)


@lru_cache(maxsize=256)
def _results(table: Table, dialect: Dialect) -> tuple[tuple[str, Process], ...]:
    return tuple(
        (c.name, c.type.dialect_impl(dialect).result_processor(dialect, None)) for c in table.columns
    )


@lru_cache(maxsize=512)
def _fetch_text(table: Table, by: tuple[str, ...], dialect_name: str, tail: str) -> tuple[str, bool]:
    names = ", ".join(f"t.{column.name}" for column in table.columns)
    if dialect_name == "postgresql":
        arrays = ", ".join(f"${n}::{_cast(table.c[name].type)}[]" for n, name in enumerate(by, 1))
        places = ", ".join(f"k{n}" for n in range(len(by)))
        match = " AND ".join(f"t.{name} = k.k{n}" for n, name in enumerate(by))
        source = f"unnest({arrays}) AS k({places})"
        return f"SELECT {names} FROM {source} JOIN {table.name} AS t ON {match} {tail}", True  # noqa: S608 -- names are ours
    match = " AND ".join(f"t.{name} = json_extract(k.value, '$[{n}]')" for n, name in enumerate(by))
    text = f"SELECT {names} FROM json_each(?) AS k CROSS JOIN {table.name} AS t ON {match} {tail}"  # noqa: S608 -- names are ours
    return text, False
