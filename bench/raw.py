"""The yardstick: the rows that the hub wrote, written again by the bare driver with one commit per sale.

The rows are read back from the hub's own database, so both sides write the same ones. A sale that is timed
alone also asks what nobody can do without, one statement each: was this delivered, is this payment known,
whose is the document, what does its member owe.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import uvloop

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
    "identity": "SELECT i.*, sale_id AS its FROM identity i JOIN sale s USING (programme_id) "
    "WHERE document_index = s.owner",
}
_QUESTIONS = (
    "SELECT answer FROM delivery WHERE programme_id = {} AND installation_id = {} AND body_hash = {}",
    (
        "SELECT dossier_id FROM evidence_key WHERE programme_id = {} AND kind = {} AND value = {} "
        "UNION ALL SELECT dossier_id FROM evidence_key WHERE programme_id = {} AND kind = {} AND value = {}"
    ),
    "SELECT member_id, since_at FROM identity WHERE programme_id = {} AND document_index = {}",
    "SELECT units FROM balance WHERE programme_id = {} AND account = 'debt' AND account_ref = {}",
)
_ADD = (
    "INSERT INTO balance (programme_id, account, account_ref, units) VALUES ({}) "
    "ON CONFLICT (programme_id, account, account_ref) DO UPDATE SET units = balance.units + excluded.units"
)


class Written(NamedTuple):
    """How long each sale took, and how long all of them."""

    seconds: list[float]
    elapsed: float


class Sale(NamedTuple):
    """The rows of one sale by table, what it adds to balances, and what its `_QUESTIONS` are about.

    `identity` is the row of its owner, which stood there before.
    """

    rows: list[tuple[str, tuple[Any, ...]]]
    balances: list[tuple[Any, ...]]
    asked: list[tuple[Any, ...]]
    identity: tuple[Any, ...]


def _grouped(found: dict[str, list[Sequence[Any]]], columns: dict[str, list[str]]) -> list[Sale]:
    sales: dict[str, dict[str, list[tuple[Any, ...]]]] = {}
    for table, of_table in found.items():
        for row in of_table:
            sales.setdefault(row[-1], {}).setdefault(table, []).append(tuple(row[:-1]))
    return [_sale(of, columns) for of in sales.values()]


def _sale(of: dict[str, list[tuple[Any, ...]]], columns: dict[str, list[str]]) -> Sale:
    named = {table: [dict(zip(columns[table], row, strict=True)) for row in of[table]] for table in of}
    [delivery], [sale] = named["delivery"], named["sale"]
    programme_id = sale["programme_id"]
    return Sale(
        rows=[(table, row) for table in TABLES for row in of[table]],
        balances=[(programme_id, p["account"], p["account_ref"], p["units"]) for p in named["posting"]],
        asked=[
            (programme_id, delivery["installation_id"], delivery["body_hash"]),
            tuple(v for key in named["evidence_key"] for v in (programme_id, key["kind"], key["value"])),
            (programme_id, sale["owner"]),
            (programme_id, sale["member_id"]),
        ],
        identity=of["identity"][0],
    )


def sqlite_sales(path: Path, most: int) -> list[Sale]:
    """Return the rows of up to `most` sales of the hub's SQLite file."""
    with sqlite3.connect(path) as conn:
        columns = {t: [c[1] for c in conn.execute(f"PRAGMA table_info({t})")] for t in _OF_SALE}
        found = {t: list(conn.execute(query)) for t, query in _OF_SALE.items()}
    return _grouped(found, columns)[-most:]


class Writer(NamedTuple):
    """A fresh database: `know` lays the owners of sales, who stood there before them, `write` takes sales, one
    commit each, and `counts` returns the rows of each table.
    """

    know: Callable[[Sequence[Sale]], None]
    write: Callable[[Sequence[Sale]], Written]
    counts: Callable[[], dict[str, int]]


@contextmanager
def sqlite_writer(path: Path, like: Sale, *, asking: bool) -> Iterator[Writer]:
    """Yield a writer into a file with the hub's schema and durability, for sales whose rows are `like`."""
    upgrade(f"sqlite:///{path}")
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    texts = sqlite_statements(like)

    def know(sales: Sequence[Sale]) -> None:
        conn.execute("BEGIN")
        conn.executemany(texts.identity, [sale.identity for sale in sales])
        conn.execute("COMMIT")

    def write(sales: Sequence[Sale]) -> Written:
        seconds = []
        started = time.perf_counter()
        for sale in sales:
            begun = time.perf_counter()
            conn.execute("BEGIN IMMEDIATE")
            put(conn, texts, sale, asking=asking)
            conn.execute("COMMIT")
            seconds.append(time.perf_counter() - begun)
        return Written(seconds, time.perf_counter() - started)

    def counts() -> dict[str, int]:
        return {t: conn.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}  # noqa: S608

    with closing(conn):
        yield Writer(know, write, counts)


class Statements(NamedTuple):
    """Every text with the marks of one driver."""

    inserts: dict[str, str]
    identity: str
    questions: list[str]
    add: str


def put(conn: sqlite3.Connection, texts: Statements, sale: Sale, *, asking: bool) -> None:
    """Write one sale within a transaction; `asking` first what a sale that comes alone must ask."""
    for question, asked in zip(texts.questions, sale.asked, strict=True) if asking else ():
        conn.execute(question, asked).fetchall()
    for table, values in sale.rows:
        conn.execute(texts.inserts[table], values)
    for values in sale.balances:
        conn.execute(texts.add, values)


def sqlite_statements(like: Sale) -> Statements:
    """Return the texts for SQLite, for sales whose rows are `like`."""
    return _statements(like, lambda _: "?")


def _statements(sale: Sale, mark: Callable[[int], str]) -> Statements:
    """Return every text; `mark` writes the mark of a value by its place from 1."""

    def marks(row: Sequence[Any]) -> list[str]:
        return [mark(n) for n in range(1, len(row) + 1)]

    def insert(table: str, row: Sequence[Any]) -> str:
        return f"INSERT INTO {table} VALUES ({', '.join(marks(row))})"  # noqa: S608 -- table names are ours

    return Statements(
        inserts={table: insert(table, row) for table, row in sale.rows},
        identity=f"{insert('identity', sale.identity)} ON CONFLICT DO NOTHING",
        questions=[q.format(*marks(asked)) for q, asked in zip(_QUESTIONS, sale.asked, strict=True)],
        add=_ADD.format(", ".join(marks(sale.balances[0]))),
    )


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

    with _runner() as runner:
        return runner.run(read())[-most:]


@contextmanager
def postgres_writer(dsn: str, like: Sale, connections: int, *, asking: bool) -> Iterator[Writer]:
    """Yield a writer into a database with the hub's schema, for sales whose rows are `like`."""
    upgrade(dsn.replace("postgresql://", "postgresql+asyncpg://"))
    texts = _statements(like, lambda n: f"${n}")

    async def know(sales: Sequence[Sale]) -> None:
        await conns[0].executemany(texts.identity, [sale.identity for sale in sales])

    async def write(sales: Sequence[Sale]) -> Written:
        left, seconds = iter(sales), list[float]()
        started = time.perf_counter()
        await asyncio.gather(*(_write_each(conn, texts, left, seconds, asking=asking) for conn in conns))
        return Written(seconds, time.perf_counter() - started)

    async def counts() -> dict[str, int]:
        return {t: await conns[0].fetchval(f"SELECT count(*) FROM {t}") for t in TABLES}  # noqa: S608

    with _runner() as runner:
        conns = [runner.run(asyncpg.connect(dsn)) for _ in range(connections)]
        try:
            yield Writer(
                know=lambda sales: runner.run(know(sales)),
                write=lambda sales: runner.run(write(sales)),
                counts=lambda: runner.run(counts()),
            )
        finally:
            for conn in conns:
                runner.run(conn.close())


async def _write_each(
    conn: Any, texts: Statements, left: Iterator[Sale], seconds: list[float], *, asking: bool
) -> None:
    """Write sales of `left` over one connection until none is left."""
    inserts = {table: await conn.prepare(text) for table, text in texts.inserts.items()}
    questions = [await conn.prepare(text) for text in texts.questions]
    add = await conn.prepare(texts.add)
    for sale in left:
        begun = time.perf_counter()
        async with conn.transaction():
            for question, asked in zip(questions, sale.asked, strict=True) if asking else ():
                await question.fetch(*asked)
            for table, values in sale.rows:
                await inserts[table].fetch(*values)
            for values in sorted(sale.balances):
                await add.fetch(*values)
        seconds.append(time.perf_counter() - begun)


def _runner() -> asyncio.Runner:
    """Return a runner of the event loop that the hub has too."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
