"""`python -m bench`: webhook to committed award over HTTP, against the raw database writing the same rows.

Four claims, each a ratio of one run: throughput at 64 connections, commits per sale, one partner against
many, and how long a sale that comes alone takes. On SQLite, beside the last stands the least that it could
take: everything but the work (`bench.bare`).
"""

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import raw
from bench.databases import Database, opened
from bench.seed import SECRET, Seeded, seed
from contracts.signatures import HmacFields
from gateway.settings import Settings

CONNECTIONS, LONE, TURN = 64, 1_000, 100
SERVE = ("gateway.cli", "serve", "--port", "0", "--json")
_SIGNATURE = HmacFields((SECRET.encode(),))


def _requests(seeded: Seeded, first: int, many: int, partners: int) -> list[bytes]:
    """Return `many` signed deliveries of one sale each, spread over `partners` installations."""
    now = datetime.now(UTC)
    made = []
    for n in range(first, first + many):
        fact = {
            "about": "payment",
            "keys": [
                ["stone:atk", f"{51_000_000_000_000 + n}"],
                ["stone:itk", f"PB0000X00001-6.4.1-AAAAAA-{n}"],
            ],
            "method": "credit",
            "captured_cents": 1_000 + n % 9_000,
            "sold_at": now.isoformat(),
            "as_of": now.isoformat(),
            "customer": {"document": seeded.documents[n * 7 % len(seeded.documents)]},
        }
        body = json.dumps({"facts": [fact]}).encode()
        headers = _SIGNATURE.sign(body, now, {"x-ponte-key": "bench", "x-ponte-nonce": f"n{n}"})
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        path = f"/in/{seeded.installations[n % partners]}"
        start = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        made.append(f"{start}content-length: {len(body)}\r\n{head}\r\n".encode() + body)
    return made


def _load(port: int, connections: int, requests: Sequence[bytes]) -> dict[str, Any]:
    """Send `requests` from a process of its own; return what it measured."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder, "asked"), Path(folder, "told")
        asked.write_bytes(pickle.dumps(list(requests)))
        command = [sys.executable, "-m", "bench.load", str(port), str(connections), str(asked), str(told)]
        subprocess.run(command, check=True)  # noqa: S603 -- our own module
        found: dict[str, Any] = pickle.loads(told.read_bytes())  # noqa: S301 -- written by our own child process
    if set(found["statuses"]) != {200}:
        raise SystemExit(f"answers other than 200: {found['statuses']}")
    return found


@contextmanager
def served(environ: dict[str, str], *module: str) -> Iterator[int]:
    """Run a module that serves, with its arguments, as its own process; yield its port."""
    command = [sys.executable, "-m", *module]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        yield int(str(line["base_url"]).rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(30)


def _commits(port: int) -> int:
    """Return the transactions that the hub committed so far, by its own metric."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("ponte_commits_total"))))


def measure(database: Database, sales: int) -> dict[str, Any]:
    """Return the ratios of one database."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ,
            "PONTE_DATA_DIR": folder,
            "DATABASE_URL": database.url,
            "PONTE_LOG_LEVEL": "error",
        }
        seeded = seed(Settings.read(environ), partners=50, members=5_000)
        with served(environ, *SERVE) as port:
            _load(port, CONNECTIONS, _requests(seeded, 0, 500, 50))
            database.settle()
            before = _commits(port)
            spread = _load(port, CONNECTIONS, _requests(seeded, 500, sales, 50))
            commits = _commits(port) - before
            hot = _load(port, CONNECTIONS, _requests(seeded, 500 + sales, sales, 1))
            written = _sales(database, sales)
            best, counts = _unhindered(database, written[: sales // 2])
            turns = _in_turn(port, database, _requests(seeded, 500 + 2 * sales, LONE, 50), written)
    rate = sales / spread["elapsed"]
    lone, alone, *bare = (statistics.median(seconds) for seconds in turns if seconds)
    raw_rate = len(best.seconds) / best.elapsed
    return {
        "database": database.name,
        "hub_sales_per_second": round(rate),
        "raw_sales_per_second": round(raw_rate),
        "throughput_ratio": round(rate / raw_rate, 2),
        "commits_per_sale": round(commits / sales, 3),
        "one_partner_ratio": round(sales / hot["elapsed"] / rate, 2),
        "p99_ms_at_64": round(1000 * statistics.quantiles(spread["seconds"], n=100)[98], 1),
        "lone_p50_ms": round(1000 * lone, 2),
        "raw_p50_ms": round(1000 * alone, 2),
        "lone_ratio": round(lone / alone, 2),
        "bare_ratio": round(bare[0] / alone, 2) if bare else None,
        "rows_per_sale": {table: round(count / len(best.seconds), 2) for table, count in counts.items()},
    }


def _sales(database: Database, most: int) -> list[raw.Sale]:
    """Return the rows that the hub wrote for up to `most` sales."""
    if database.name == "sqlite":
        return raw.sqlite_sales(Path(database.url.removeprefix("sqlite:///")), most)
    return raw.postgres_sales(database.url.replace("+asyncpg", ""), most)


def _writer(
    database: Database, like: raw.Sale, connections: int, *, asking: bool
) -> AbstractContextManager[raw.Writer]:
    if database.name == "sqlite":
        return raw.sqlite_writer(Path(database.fresh_url.removeprefix("sqlite:///")), like, asking=asking)
    return raw.postgres_writer(database.fresh_url.replace("+asyncpg", ""), like, connections, asking=asking)


def _unhindered(database: Database, sales: Sequence[raw.Sale]) -> tuple[raw.Written, dict[str, int]]:
    """Write `sales` as fast as one commit per sale allows; return that, and the rows of each table."""
    with _writer(database, sales[0], 16, asking=False) as writer:
        writer.know(sales)
        return writer.write(sales), writer.counts()


def _in_turn(
    port: int, database: Database, requests: Sequence[bytes], sales: Sequence[raw.Sale]
) -> tuple[list[float], list[float], list[float]]:
    """Return how long each took that came alone, a few of each in turn: sale, raw sale, everything but the work."""
    lone: list[float] = []
    alone: list[float] = []
    bare: list[float] = []
    left, stand_ready = sales[len(sales) // 2 :], sales[-len(requests) :]
    with _writer(database, sales[0], 1, asking=True) as writer, _bare(database, stand_ready) as bare_port:
        writer.know(left)
        for first in range(0, len(requests), TURN):
            asked = requests[first : first + TURN]
            lone += _load(port, 1, asked)["seconds"]
            alone += writer.write(left[first : first + TURN]).seconds
            if bare_port is not None:
                bare += _load(bare_port, 1, asked)["seconds"]
    return lone, alone, bare


@contextmanager
def _bare(database: Database, sales: Sequence[raw.Sale]) -> Iterator[int | None]:
    """Serve `sales` without any work on a SQLite file of its own; yield the port, or `None` on PostgreSQL."""
    if database.name != "sqlite":
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        file, stand_ready = Path(folder, "bare.db"), Path(folder, "sales")
        with raw.sqlite_writer(file, sales[0], asking=False) as writer:
            writer.know(sales)
        stand_ready.write_bytes(pickle.dumps(list(sales)))
        with served(dict(os.environ), "bench.bare", f"sqlite:///{file}", str(stand_ready)) as port:
            yield port


def main() -> None:
    """Measure what was asked for and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sales", type=int, default=6_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    asked = parser.parse_args()
    for name in ("sqlite", "postgresql") if asked.database == "both" else (asked.database,):
        with opened(name) as database:
            found = measure(database, asked.sales)
        if asked.json:
            print(json.dumps(found))
        else:
            print("\n".join(f"{key:>22}  {value}" for key, value in found.items()), end="\n\n")


if __name__ == "__main__":
    main()
