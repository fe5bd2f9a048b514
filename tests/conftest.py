"""Fixtures every test may ask for. Storage tests run on SQLite and on PostgreSQL, or they fail.

`database_url` is an empty database; `migrated_url` is one that holds the schema of the hub.
"""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from tests.servers import Postgres

# A busy machine is not a failing property; a failing one must be repeatable from the log.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")

MEMORY = Path("/dev/shm")
MEMORY_MIN_BYTES = 4 * 1024**3
# Tests commit some hundred thousand times and pull no plug: where memory can be a folder, nobody waits for a disk.
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_MIN_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

BOTH_DATABASES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the hub does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One fast server for each test process."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def durable_postgres() -> Iterator[Postgres]:
    """A server of the test's own that survives `kill9()` with everything it acknowledged."""
    server = Postgres(durable=True)
    yield server
    server.close()


@pytest.fixture(params=BOTH_DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema, migrated once and copied for each test."""
    file = tmp_path_factory.mktemp("template") / "hub.sqlite"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """The name of a PostgreSQL database with the schema, migrated once and copied for each test."""
    name = postgres.create_database()
    _migrate(postgres.url(name))
    return name


@pytest.fixture(params=BOTH_DATABASES)
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database that already holds the schema, once on each kind."""
    if request.param == "sqlite":
        file = tmp_path / "hub.sqlite"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create_database(template=request.getfixturevalue("migrated_postgres"))
    yield server.url(name)
    server.drop_database(name)


def _migrate(url: str) -> None:
    """The one door to the store: bring the database at `url` to the newest schema and leave no connection open."""
    from gateway.store.migrations import upgrade

    upgrade(url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes first, and of those whatever is given most: a last one would keep the other cores waiting."""

    def seconds(item: pytest.Item) -> float:
        given = item.get_closest_marker("timeout")
        return given.args[0] if given else 0

    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, -seconds(item)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped test is a failed one: a promise nobody checked is not kept."""
    report = yield
    return _unless_skipped(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself while it is collected."""
    report = yield
    return _unless_skipped(report)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _unless_skipped(report: Report) -> Report:
    if os.environ.get("CI") == "true" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
