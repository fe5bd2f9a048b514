"""The databases that a benchmark runs on: a SQLite file, or a durable PostgreSQL of its own from a wheel."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Database:
    """One durable database for the hub, and one of the same kind for the yardstick.

    `settle` gathers the statistics that a server gathers by itself within its first minutes.
    """

    name: str
    url: str
    fresh_url: str
    settle: Callable[[], None] = lambda: None


@contextmanager
def opened(name: str) -> Iterator[Database]:
    """Yield a durable database; it is gone afterwards."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield Database(name, f"sqlite:///{Path(folder, 'hub.db')}", f"sqlite:///{Path(folder, 'raw.db')}")
        return
    from tests.servers import Postgres

    server = Postgres(durable=True)
    try:
        server.execute("CREATE DATABASE hub")
        server.execute("CREATE DATABASE raw")
        yield Database(name, server.url("hub"), server.url("raw"), lambda: server.execute("ANALYZE", "hub"))
    finally:
        server.close()
