"""The yardstick: the rows that the hub wrote, written again by the bare driver with one commit per sale.

The rows are read back from the hub's own database, so both sides write the same ones.
"""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from gateway.store.migrations import upgrade

TABLES = ("delivery", "evidence", "evidence_key", "sale", "award", "movement", "posting", "lot", "outbox")
_OF_SALE = {
    "delivery": "SELECT d.*, sale_id AS its FROM delivery d JOIN evidence USING (programme_id, delivery_id)",
    "evidence": "SELECT e.*, e.sale_id AS its FROM evidence e",
    "evidence_key": "SELECT k.*, sale_id its FROM evidence_key k JOIN sale USING (programme_id, dossier_id)",
    "sale": "SELECT s.*, s.sale_id AS its FROM sale s",
    "award": "SELECT a.*, a.sale_id AS its FROM award a",
    "movement": "SELECT m.*, m.sale_id AS its FROM movement m",
    "posting": "SELECT p.*, sale_id AS its FROM posting p JOIN movement USING (programme_id, movement_id)",
    "lot": "SELECT l.*, l.sale_id AS its FROM lot l",
    "outbox": "SELECT o.*, o.subject_id AS its FROM outbox o",
}
_ADD = (
    "INSERT INTO balance (programme_id, account, account_ref, units) VALUES ({marks}) "
    "ON CONFLICT (programme_id, account, account_ref) DO UPDATE SET units = balance.units + excluded.units"
)


class Written(NamedTuple):
    """How long each sale took, how long all of them, and how many rows stand in each table afterwards."""

    seconds: list[float]
    elapsed: float
    counts: dict[str, int]


class Sale(NamedTuple):
    """The rows of one sale by table, and what it adds to balances."""

    rows: list[tuple[str, tuple[Any, ...]]]
    balances: list[tuple[Any, ...]]


def _grouped(found: dict[str, list[Sequence[Any]]], columns: dict[str, list[str]]) -> list[Sale]:
    sales: dict[str, Sale] = {}
    for table in TABLES:
        for row in found[table]:
            its, values = row[-1], tuple(row[:-1])
            sale = sales.setdefault(its, Sale([], []))
            sale.rows.append((table, values))
            if table == "posting":
                named = dict(zip(columns["posting"], values, strict=True))
                sale.balances.append(
                    (named["programme_id"], named["account"], named["account_ref"], named["units"])
                )
    return list(sales.values())


def sqlite_sales(path: Path, most: int) -> list[Sale]:
    """Return the rows of up to `most` sales of the hub's SQLite file."""
    with sqlite3.connect(path) as conn:
        columns = {t: [c[1] for c in conn.execute(f"PRAGMA table_info({t})")] for t in TABLES}
        found = {t: list(conn.execute(query)) for t, query in _OF_SALE.items()}
    return _grouped(found, columns)[-most:]


def sqlite_write(path: Path, sales: Sequence[Sale]) -> Written:
    """Write `sales` into a fresh file with the hub's schema and durability, one commit each."""
    upgrade(f"sqlite:///{path}")
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    inserts = {t: _insert(t, len(values), "?") for sale in sales[:1] for t, values in sale.rows}
    add, seconds = _ADD.format(marks="?,?,?,?"), []
    started = time.perf_counter()
    for sale in sales:
        begun = time.perf_counter()
        conn.execute("BEGIN IMMEDIATE")
        for table, values in sale.rows:
            conn.execute(inserts[table], values)
        for values in sale.balances:
            conn.execute(add, values)
        conn.execute("COMMIT")
        seconds.append(time.perf_counter() - begun)
    elapsed = time.perf_counter() - started
    counts = {t: conn.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}  # noqa: S608
    conn.close()
    return Written(seconds, elapsed, counts)


def _insert(table: str, width: int, mark: str) -> str:
    marks = ",".join(mark if mark == "?" else f"${n + 1}" for n in range(width))
    return f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 -- table names are ours


def postgres_sales(dsn: str, most: int) -> list[Sale]:
    """Return the rows of up to `most` sales of the hub's PostgreSQL database."""

    async def read() -> list[Sale]:
        conn = await asyncpg.connect(dsn)
        found: dict[str, list[Sequence[Any]]] = {}
        columns: dict[str, list[str]] = {}
        for table, query in _OF_SALE.items():
            records = await conn.fetch(query)
            found[table] = [tuple(record.values()) for record in records]
            columns[table] = [name for name in records[0].keys() if name != "its"]  # noqa: SIM118 -- a Record iterates over values
        await conn.close()
        return _grouped(found, columns)

    return asyncio.run(read())[-most:]


def postgres_write(dsn: str, sales: Sequence[Sale], connections: int) -> Written:
    """Write `sales` into a fresh database with the hub's schema, one commit each, over `connections`."""
    upgrade(dsn.replace("postgresql://", "postgresql+asyncpg://"))
    return asyncio.run(_postgres_write(dsn, sales, connections))


async def _postgres_write(dsn: str, sales: Sequence[Sale], connections: int) -> Written:
    conns = [await asyncpg.connect(dsn) for _ in range(connections)]
    left, seconds = iter(sales), []

    async def work(conn: Any) -> None:
        inserts = {t: await conn.prepare(_insert(t, len(values), "$")) for t, values in sales[0].rows}
        add = await conn.prepare(_ADD.format(marks="$1,$2,$3,$4"))
        for sale in left:
            begun = time.perf_counter()
            async with conn.transaction():
                for table, values in sale.rows:
                    await inserts[table].fetch(*values)
                for values in sorted(sale.balances):
                    await add.fetch(*values)
            seconds.append(time.perf_counter() - begun)

    started = time.perf_counter()
    await asyncio.gather(*(work(conn) for conn in conns))
    elapsed = time.perf_counter() - started
    counts = {t: await conns[0].fetchval(f"SELECT count(*) FROM {t}") for t in TABLES}  # noqa: S608
    for conn in conns:
        await conn.close()
    return Written(seconds, elapsed, counts)
