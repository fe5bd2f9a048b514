"""`python -m bench.vouchers`: a voucher quoted, reserved and committed over HTTP, against its bare SQL.

The yardstick makes the same writes in the same tables, one transaction for the reservation and one for the
commit, over 16 connections (PostgreSQL) or one (SQLite). Both sides are measured in one run; the second
figure is one voucher that 64 connections want at once.
"""

import argparse
import asyncio
import json
import os
import pickle
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import uvloop

from bench.__main__ import CONNECTIONS, SERVE, served
from bench.databases import Database, opened
from bench.seed import seed
from gateway.access import PROGRAMME_SCOPES, Principal
from gateway.hub import open_hub
from gateway.keys import actions as keys
from gateway.keys.actions import MadeKey, NewKey
from gateway.members.actions import GoodwillGiven, give
from gateway.settings import Settings
from gateway.store import tables as t
from gateway.store.migrations import upgrade
from gateway.vouchers.issuing import Issued, MemberWish, issue_for

PROGRAMME, PARTNER = "prg_bench", "par_0"
MEMBERS = 200
CENTS = 100
RAW_CONNECTIONS = 16


class Till(NamedTuple):
    """What the tills know: vouchers (id, code, member), and the key that opens the API."""

    vouchers: list[tuple[str, str, str]]
    api_key: str


class Phase(NamedTuple):
    """One verb for every voucher: how long all took, and each."""

    elapsed: float
    seconds: list[float]


async def _prepared(settings: Settings, vouchers: int) -> Till:
    by = Principal(PROGRAMME, "bench", PROGRAMME_SCOPES)
    async with open_hub(settings) as hub:
        each = -(-vouchers // MEMBERS)
        await asyncio.gather(
            *(
                hub.submit(give, GoodwillGiven(by, f"mem_{n}", each * CENTS, None, "bench"))
                for n in range(MEMBERS)
            )
        )
        wishes = [MemberWish(by, f"mem_{n % MEMBERS}", None, CENTS) for n in range(vouchers)]
        issued: list[Any] = []
        for start in range(0, vouchers, MEMBERS):
            batch = wishes[start : start + MEMBERS]
            issued += await asyncio.gather(*(hub.submit(issue_for, wish) for wish in batch))
        made: Any = await hub.submit(keys.create, NewKey(by, PROGRAMME, "bench", PROGRAMME_SCOPES))
    assert isinstance(made, MadeKey)
    assert all(isinstance(each, Issued) for each in issued)
    return Till([(i.row["voucher_id"], i.code, i.row["member_id"]) for i in issued], made.text)


def _requests(till: Till, verb: str, bodies: Sequence[dict[str, Any]]) -> list[bytes]:
    made = []
    for n, said in enumerate(bodies):
        body = json.dumps(said).encode()
        head = (
            f"POST /v1/vouchers/{verb} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {till.api_key}\r\nidempotency-key: {verb}-{n}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def _load(port: int, requests: Sequence[bytes], *expected: int) -> Phase:
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder, "asked"), Path(folder, "told")
        asked.write_bytes(pickle.dumps(list(requests)))
        command = [sys.executable, "-m", "bench.load", str(port), str(CONNECTIONS), str(asked), str(told)]
        subprocess.run(command, check=True)  # noqa: S603 -- our own module
        found: dict[str, Any] = pickle.loads(told.read_bytes())  # noqa: S301 -- written by our own child process
    if not set(found["statuses"]) <= set(expected):
        raise SystemExit(f"{expected} were expected: {found['statuses']}")
    return Phase(found["elapsed"], found["seconds"])


def _uses(database: Database) -> list[str]:
    """Return the uses that the hub wrote, read beside it."""
    if database.name == "sqlite":
        with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as conn:
            return [row[0] for row in conn.execute(_USES)]

    async def read() -> list[str]:
        conn = await asyncpg.connect(database.url.replace("+asyncpg", ""))
        found = [row["use_id"] for row in await conn.fetch(_USES)]
        await conn.close()
        return found

    return asyncio.run(read())


def measure(database: Database, vouchers: int) -> dict[str, Any]:
    """Return the ratios of one database."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ,
            "PONTE_DATA_DIR": folder,
            "DATABASE_URL": database.url,
            "PONTE_LOG_LEVEL": "error",
            "PONTE_NO_WORKER": "1",
        }
        settings = Settings.read(environ)
        seed(settings, partners=1, members=MEMBERS)
        till = asyncio.run(_prepared(settings, vouchers + 20))
        database.settle()
        wanted = [{"code": c, "partner_id": PARTNER, "order_cents": 10_000} for _, c, _ in till.vouchers]
        orders = [{**order, "order_ref": f"o-{n}"} for n, order in enumerate(wanted)]
        with served(environ, *SERVE) as port:
            quoted = _load(port, _requests(till, "quote", wanted[:vouchers]), 200)
            held = _load(port, _requests(till, "reserve", orders[:vouchers]), 201)
            uses = [{"use_id": use_id} for use_id in _uses(database)]
            spent = _load(port, _requests(till, "commit", uses), 200)
            raced = [
                {**order, "order_ref": f"r-{n}-{m}"}
                for n, order in enumerate(wanted[vouchers:])
                for m in range(64)
            ]
            race = _load(port, _requests(till, "redeem", raced), 201, 422)
    raw = _raw(database, till.vouchers[:vouchers])
    hub_rate = vouchers / (quoted.elapsed + held.elapsed + spent.elapsed)
    raw_rate = vouchers / raw.elapsed
    return {
        "database": database.name,
        "hub_vouchers_per_second": round(hub_rate),
        "raw_vouchers_per_second": round(raw_rate),
        "throughput_ratio": round(hub_rate / raw_rate, 2),
        **{
            f"{name}_p99_ms": _p99(phase)
            for name, phase in (("quote", quoted), ("reserve", held), ("commit", spent))
        },
        "raw_p99_ms": _p99(raw),
        "contended_redeems_per_second": round(len(raced) / race.elapsed),
        "contended_p99_ms": _p99(race),
    }


def _p99(phase: Phase) -> float:
    return round(1000 * statistics.quantiles(phase.seconds, n=100)[98], 1)


_USES = "SELECT use_id FROM voucher_use"
_QUOTE = "SELECT * FROM voucher WHERE programme_id = {} AND code_hash = {}"
_HOLD = (
    "UPDATE voucher SET held_cents = free_cents, held_units = free_units, free_cents = 0, free_units = 0, "
    "state = 'reserved', version = version + 1 WHERE programme_id = {} AND voucher_id = {} AND free_cents > 0"
)
_SPEND = (
    "UPDATE voucher SET spent_cents = held_cents, spent_units = held_units, held_cents = 0, held_units = 0, "
    "state = 'committed', version = version + 1 WHERE programme_id = {} AND voucher_id = {} AND held_cents > 0"
)
_USE = (
    "INSERT INTO voucher_use VALUES ({0}, {1}, {2}, 'par_0', NULL, {1}, NULL, 100, 100, 100, 0, 0, 0, 0, 'held', "
    "1, 1, NULL)"
)
_USED = (
    "UPDATE voucher_use SET spent_cents = held_cents, spent_units = held_units, held_cents = 0, held_units = 0, "
    "state = 'committed' WHERE programme_id = {} AND use_id = {}"
)
_MOVEMENT = "INSERT INTO movement VALUES ({}, {}, 'voucher_reserve', NULL, {}, NULL, 'par_0', 1, 1, 'voucher_reserved')"
_POSTING = "INSERT INTO posting VALUES ({}, {}, {}, {}, {}, {})"
_BALANCE = (
    "INSERT INTO balance VALUES ({}, {}, {}, {}) "
    "ON CONFLICT (programme_id, account, account_ref) DO UPDATE SET units = balance.units + excluded.units"
)
_EVENT = "INSERT INTO outbox VALUES ({}, {}, 'voucher.reserved', {}, '{{}}', 'ready', 0, 1, 1)"
_KEPT = "INSERT INTO idempotency VALUES ({}, 'key_bench', {}, 'f', 201, '{{}}', 1)"
_MARKS = {
    _QUOTE: 2,
    _HOLD: 2,
    _SPEND: 2,
    _USE: 3,
    _USED: 2,
    _MOVEMENT: 3,
    _POSTING: 6,
    _BALANCE: 4,
    _EVENT: 3,
    _KEPT: 2,
}

Statement = tuple[str, tuple[Any, ...]]


def _steps(voucher_id: str, member_id: str) -> Iterator[list[Statement]]:
    """Yield the statements of a reservation, then those of its commit: what the hub writes, row for row."""
    for step, (taken, given) in enumerate(
        ((("outstanding", voucher_id), ("held", voucher_id)), (("held", voucher_id), ("redeemed", PARTNER)))
    ):
        movement_id = f"mov_{step}_{voucher_id}"
        moved = ((*taken, -CENTS), (*given, CENTS))
        first: list[Statement] = (
            [(_QUOTE, (PROGRAMME, f"h_{voucher_id}")), (_HOLD, (PROGRAMME, voucher_id))]
            if step == 0
            else [(_SPEND, (PROGRAMME, voucher_id)), (_USED, (PROGRAMME, f"use_{voucher_id}"))]
        )
        use: list[Statement] = [(_USE, (PROGRAMME, f"use_{voucher_id}", voucher_id))] if step == 0 else []
        yield [
            *first,
            *use,
            (_MOVEMENT, (PROGRAMME, movement_id, member_id)),
            *((_POSTING, (PROGRAMME, movement_id, line, *each)) for line, each in enumerate(moved)),
            *((_BALANCE, (PROGRAMME, *each)) for each in sorted(moved)),
            (_EVENT, (PROGRAMME, f"out_{step}_{voucher_id}", voucher_id)),
            (_KEPT, (PROGRAMME, f"{step}_{voucher_id}")),
        ]


def _raw(database: Database, vouchers: Sequence[tuple[str, str, str]]) -> Phase:
    if database.name == "sqlite":
        return _raw_sqlite(Path(database.fresh_url.removeprefix("sqlite:///")), vouchers)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_raw_postgres(database.fresh_url.replace("+asyncpg", ""), vouchers))


def _voucher_row(voucher_id: str, member_id: str, number: int) -> tuple[Any, ...]:
    values: dict[str, Any] = {
        "programme_id": PROGRAMME, "voucher_id": voucher_id, "member_id": member_id, "reward_id": "rwd",
        "display_number": number, "code_hash": f"h_{voucher_id}", "keypad_hash": f"k_{voucher_id}",
        "code_sealed": b"x" * 45, "code_tail": "ABCD", "units": CENTS, "free_cents": CENTS, "free_units": CENTS,
        "combinable": True, "drawn": False, "remainder": "keep", "on_expiry": "return", "state": "issued",
        "issued_at": 1, "version": 1, "minimum_cents": 0, "partner_id": None, "ended": None, "expires_at": None,
    }  # fmt: skip
    return tuple(values.get(column.name, 0) for column in t.voucher.columns)


def _raw_sqlite(path: Path, vouchers: Sequence[tuple[str, str, str]]) -> Phase:
    upgrade(f"sqlite:///{path}")
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    texts = {text: text.format(*[f"?{n}" for n in range(1, marks + 1)]) for text, marks in _MARKS.items()}
    _laid = [_voucher_row(v, m, n) for n, (v, _, m) in enumerate(vouchers)]
    conn.executemany(f"INSERT INTO voucher VALUES ({', '.join('?' * len(_laid[0]))})", _laid)  # noqa: S608
    seconds = []
    started = time.perf_counter()
    for voucher_id, _, member_id in vouchers:
        for statements in _steps(voucher_id, member_id):
            begun = time.perf_counter()
            conn.execute("BEGIN IMMEDIATE")
            for text, values in statements:
                conn.execute(texts[text], values).fetchall()
            conn.execute("COMMIT")
            seconds.append(time.perf_counter() - begun)
    return Phase(time.perf_counter() - started, seconds)


async def _raw_postgres(dsn: str, vouchers: Sequence[tuple[str, str, str]]) -> Phase:
    await asyncio.to_thread(upgrade, dsn.replace("postgresql://", "postgresql+asyncpg://"))
    conns = [await asyncpg.connect(dsn) for _ in range(RAW_CONNECTIONS)]
    texts = {text: text.format(*[f"${n}" for n in range(1, marks + 1)]) for text, marks in _MARKS.items()}
    rows = [_voucher_row(v, m, n) for n, (v, _, m) in enumerate(vouchers)]
    await conns[0].copy_records_to_table("voucher", records=rows)
    left, seconds = iter(vouchers), list[float]()

    async def till(conn: Any) -> None:
        prepared = {text: await conn.prepare(written) for text, written in texts.items()}
        for voucher_id, _, member_id in left:
            for statements in _steps(voucher_id, member_id):
                begun = time.perf_counter()
                async with conn.transaction():
                    for text, values in statements:
                        await prepared[text].fetch(*values)
                seconds.append(time.perf_counter() - begun)

    started = time.perf_counter()
    await asyncio.gather(*(till(conn) for conn in conns))
    elapsed = time.perf_counter() - started
    for conn in conns:
        await conn.close()
    return Phase(elapsed, seconds)


def main() -> None:
    """Measure both databases, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vouchers", type=int, default=2_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    asked = parser.parse_args()
    for name in [asked.database] if asked.database else ["sqlite", "postgresql"]:
        with opened(name) as database:
            print(json.dumps(measure(database, asked.vouchers), indent=2))


if __name__ == "__main__":
    main()
