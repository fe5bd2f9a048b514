"""The servers other tests rely on do what those tests believe. Nothing is skipped when a server is missing."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests import servers
from tests.servers import Postgres


def _ask(url: str, question: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_every_test_gets_an_empty_database_of_each_kind(database_url: str) -> None:
    if database_url.startswith("sqlite:///"):
        assert not Path(database_url.removeprefix("sqlite:///")).exists()
    else:
        assert _ask(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_a_database_made_from_a_template_holds_its_tables_and_rows(postgres: Postgres) -> None:
    template = postgres.create_database()
    postgres.execute("CREATE TABLE seen AS SELECT 41 + 1 AS answer", template)

    copy = postgres.create_database(template=template)

    assert _ask(postgres.url(copy), "SELECT answer FROM seen") == 42
    postgres.drop_database(copy)
    postgres.drop_database(template)


def test_a_durable_server_killed_at_once_comes_back_with_what_it_acknowledged(
    durable_postgres: Postgres,
) -> None:
    assert _ask(durable_postgres.url("postgres"), "SHOW fsync") == "on"
    durable_postgres.execute("CREATE TABLE kept AS SELECT 7 AS answer")

    for _ in range(2):
        durable_postgres.kill9()
        durable_postgres.start()

    assert _ask(durable_postgres.url("postgres"), "SELECT answer FROM kept") == 7


def test_a_server_ends_when_the_process_that_started_it_is_killed() -> None:
    program = (
        "import time; from tests.servers import Postgres; server = Postgres();"
        "print(server.process.pid, server.folder, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, folder = parent.stdout.readline().split()
    assert servers._alive(pid)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 10
    while servers._alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not servers._alive(pid)
    shutil.rmtree(folder)


def test_a_machine_without_a_server_fails_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_candidates", lambda: iter([Path("nowhere")]))

    with pytest.raises(RuntimeError, match="no PostgreSQL found"):
        servers._installed_binaries()
