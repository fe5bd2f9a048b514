"""The hub as a process of its own: started, killed, stopped, asked over a socket. Knows nothing of sales."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.gateway.world import MASTER_KEY

START_WITHIN_SECONDS = 60


class HubProcess:
    """`ponte serve` on a free port, with the database and the keys of a world; what it wrote is in `log`."""

    def __init__(
        self, folder: Path, database_url: str, *, program: Sequence[str] = ("gateway.cli",), **environ: str
    ) -> None:
        self._program = program
        self.log = folder / "hub.log"
        self._said = folder / "hub.said"
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONWARNINGS": "ignore",
            "DATABASE_URL": database_url,
            "PONTE_DATA_DIR": str(folder / "data"),
            "PONTE_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    async def start(self) -> None:
        """Start; return when it says that it listens."""
        self._said.write_bytes(b"")
        with self.log.open("ab") as errors, self._said.open("ab") as said:
            self.process = self._run("serve", "--json", "--port", "0", stdout=said, stderr=errors)
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while b"\n" not in (line := self._said.read_bytes()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the hub did not start:\n" + self.log.read_text()[-2000:])
            await asyncio.sleep(0.005)
        self.port = int(json.loads(line)["base_url"].rpartition(":")[2])

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run another command of the same installation; return its exit code and what it printed."""
        process = self._run(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = process.communicate(timeout=START_WITHIN_SECONDS)
        return process.returncode, said.decode()

    def kill9(self) -> None:
        """End it at once, as the system does with a process it must be rid of."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop, wait until it did; return its exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.kill9()

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)

    def _run(
        self, *arguments: str, stdout: int | IO[bytes], stderr: int | IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", *self._program, *arguments]
        return subprocess.Popen(
            command, env=self._environ, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )


class Wire:
    """One kept connection; cheap enough that the client is never what a load test measures."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Return status and parsed body of a POST of JSON."""
        status, answer = await self.ask("POST", path, body, {"content-type": "application/json", **headers})
        return status, json.loads(answer or b"null")

    async def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body. Raises `OSError` or `EOFError` when the server is gone."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = {"host": "hub", "content-length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
        answer = await reader.readexactly(int(lengths[0])) if lengths else b""
        if "connection: close" in lines:
            self.close()
        return int(status_line.split()[1]), answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
