"""The least that a lone sale takes: our HTTP, signature, JSON and writer, and rows that stand ready.

Nothing is decided, sealed or remembered: whatever a sale takes beyond this is the work of the hub.
`python -m bench` starts it as a process of its own, which serves until it is told to stop.
"""

import asyncio
import json
import pickle
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection

from adapters.erp.generic.connector import GenericConfig, receive, signature
from bench import raw
from bench.seed import SECRET
from contracts.http import Delivery
from gateway.edge import App, Edge, Receive, Scope, headers_of, whole_body
from gateway.http.inbound import answer_json
from gateway.ports import Ids, system_clock, system_entropy
from gateway.problems import Send
from gateway.serve import hosted, run
from gateway.store.sqlite import SqliteDatabase

_CONFIG = GenericConfig(namespace="bench", secret=SecretStr(SECRET))


def _app(database: SqliteDatabase, sales: Sequence[raw.Sale]) -> App:
    """Return an application that answers each genuine delivery once the next of `sales` is on disk."""
    texts, left = raw.sqlite_statements(sales[0]), iter(sales)
    ids = Ids(system_clock, system_entropy)

    def write(conn: Connection) -> None:
        raw.put(_driver(conn), texts, next(left), asking=True)

    async def deliver(scope: Scope, arriving: Receive, send: Send) -> None:
        now = system_clock()
        delivery = Delivery(body=await whole_body(arriving), headers=headers_of(scope), received_at=now)
        signature(_CONFIG).check(delivery, now)
        facts = receive(delivery, _CONFIG)
        await database.transact(write)
        await answer_json(send, 200, {"outcome": "recorded", "sales": [fact.about for fact in facts]})

    return Edge(deliver, lambda: ids.new("req"))


def _driver(conn: Connection) -> sqlite3.Connection:
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


async def _serve(url: str, sales: Sequence[raw.Sale]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = await SqliteDatabase.open(url)
    try:
        async with hosted(_app(database, sales)) as base_url:
            print(json.dumps({"base_url": base_url}), flush=True)
            await stop.wait()
    finally:
        await database.close()


if __name__ == "__main__":
    url, stood_ready = sys.argv[1], Path(sys.argv[2])
    run(_serve(url, pickle.loads(stood_ready.read_bytes())))  # noqa: S301 -- written by our own parent process
