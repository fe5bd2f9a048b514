"""A load generator in a process of its own: connections that send the next request at once."""

import asyncio
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import uvloop


class _Client(asyncio.Protocol):
    """One connection. Answers are read up to their length and counted by status."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._heard = b""
        self._sent_at = 0.0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, gap, body = self._heard.partition(b"\r\n\r\n")
        if not gap:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._heard = body[length:]
        self._run.heard(int(head[9:12]), time.perf_counter() - self._sent_at)
        self._next()

    def _next(self) -> None:
        request = self._run.take()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


class _Run:
    """What is left to send, and what was heard."""

    def __init__(self, requests: list[bytes], done: "asyncio.Future[None]") -> None:
        self._left = iter(requests)
        self._waiting = len(requests)
        self._done = done
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}

    def take(self) -> bytes | None:
        return next(self._left, None)

    def heard(self, status: int, seconds: float) -> None:
        self.seconds.append(seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._waiting -= 1
        if not self._waiting:
            self._done.set_result(None)


async def _main(port: int, connections: int, requests: list[bytes]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    run = _Run(requests, loop.create_future())
    started = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Client(run), "127.0.0.1", port)
    await run._done  # noqa: SLF001 -- of this module
    elapsed = time.perf_counter() - started
    return {"elapsed": elapsed, "seconds": run.seconds, "statuses": run.statuses}


if __name__ == "__main__":
    port, connections, asked, told = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    batch = pickle.loads(asked.read_bytes())  # noqa: S301 -- written by our own parent process
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told.write_bytes(pickle.dumps(runner.run(_main(port, connections, batch))))
