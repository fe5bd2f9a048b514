"""A bad network between a store and the hub: it doubles, holds back and loses what passes, by a seed.

It reads nothing and changes no byte. Two kinds of traffic pass it: messages, whose sender does not wait for
what became of them, and questions, whose sender does.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import httpx
import uvicorn

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HOP_BY_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Mischief:
    """How often what happens, in percent. Held back: up to `late_seconds`, so that later messages overtake."""

    doubled: int = 0
    held_back: int = 0
    lost: int = 0
    late_seconds: float = 0.8


HONEST = Mischief()
BAD = Mischief(doubled=30, held_back=20, lost=10)
LOSSY = Mischief(lost=10)
CHATTY = Mischief(doubled=30, lost=10)
"""For questions; those that change something and have no number of their own may not be doubled.

Half of the lost ones are lost on the way back: what was asked for was done.
"""


class Proxy:
    """One direction. `target` may be set after the start: who stands behind it may not be known before."""

    def __init__(self, mischief: Mischief, seed: int, *, asks: bool = False) -> None:
        self.mischief = mischief
        self.target = ""
        self.url = ""
        self.seen: Counter[str] = Counter()
        self._asks = asks
        self._dice = random.Random(seed)
        self._late: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(timeout=30)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        """Listen on a free port until the block ends."""
        config = uvicorn.Config(
            self, host="127.0.0.1", port=0, log_level="critical", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server._serve())
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.005)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            await self.quiet()
            server.should_exit = True
            await serving
            await self._http.aclose()

    async def quiet(self) -> None:
        """Return when nothing is on its way any more."""
        while self._late:
            await asyncio.gather(*self._late)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request; a message is answered at once, a question by what stands behind."""
        body = b""
        while (event := await receive()).get("more_body"):
            body += event["body"]
        body += event.get("body", b"")
        request = self._outgoing(scope, body)
        reply = await (self._ask(request) if self._asks else self._post(request))
        if reply is None:
            await _hang_up(send)
        headers = [(b"content-type", reply.headers.get("content-type", "application/json").encode())]
        await send({"type": "http.response.start", "status": reply.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    async def _post(self, request: httpx.Request) -> httpx.Response:
        copies = 2 if self._happens(self.mischief.doubled, "doubled") else 1
        for _ in range(copies):
            if self._happens(self.mischief.lost, "lost"):
                continue
            late = self._happens(self.mischief.held_back, "held_back")
            wait_seconds = self._dice.uniform(0, self.mischief.late_seconds) if late else 0.0
            task = asyncio.ensure_future(self._forward(request, wait_seconds))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        return httpx.Response(202, json={})

    async def _forward(self, request: httpx.Request, wait_seconds: float) -> None:
        await asyncio.sleep(wait_seconds)
        with contextlib.suppress(httpx.TransportError):
            answer = await self._http.send(request)
            self.seen[f"answered_{answer.status_code}"] += 1

    async def _ask(self, request: httpx.Request) -> httpx.Response | None:
        """Return the answer, or `None` for a question that was lost: before it arrived, or after."""
        lost = self._happens(self.mischief.lost, "lost")
        if lost and self._dice.random() < 0.5:
            return None
        if self._happens(self.mischief.doubled, "doubled"):
            await self._http.send(request)
        answer = await self._http.send(request)
        return None if lost else answer

    def _happens(self, percent: int, what: str) -> bool:
        happens = self._dice.randrange(100) < percent
        self.seen[what] += happens
        return happens

    def _outgoing(self, scope: Scope, body: bytes) -> httpx.Request:
        query = scope["query_string"].decode()
        path = "" if scope["path"] == "/" else scope["path"]
        url = self.target + path + (f"?{query}" if query else "")
        headers = [(name, value) for name, value in scope["headers"] if name.decode() not in HOP_BY_HOP]
        return self._http.build_request(scope["method"], url, content=body, headers=headers)


async def _hang_up(send: Send) -> NoReturn:
    """Promise a body and break off, so that the server closes the connection instead of answering 500."""
    headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    raise ConnectionResetError("lost on the way")
