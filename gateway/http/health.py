"""`/livez`, `/readyz`, `/metrics`: whether this process lives, whether it would take a sale, and its figures.

None of them says anything about anybody, so none asks for a key; publish them on an inner network only.
"""

import asyncio

from gateway.edge import Receive, Scope
from gateway.http.inbound import answer_json
from gateway.hub import Hub
from gateway.problems import Problem, Send
from gateway.store.outages import Unavailable

PATHS = ("/livez", "/readyz", "/metrics")
READY_WITHIN_SECONDS = 2


async def check_health(hub: Hub, scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer 200, or 503 while the database would not take a sale."""
    if scope["path"] not in PATHS:
        raise Problem("not_found")
    if scope["method"] not in {"GET", "HEAD"}:
        raise Problem("method_not_allowed", headers={"allow": "GET, HEAD"})
    match scope["path"]:
        case "/livez":
            await answer_json(send, 200, {"status": "alive"})
        case "/readyz":
            await _ready(hub)
            await answer_json(send, 200, {"status": "ready"})
        case _:
            await _metrics(hub, send)


async def _ready(hub: Hub) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            await hub.store.ready()
    except (Unavailable, TimeoutError):
        raise Problem("not_ready", headers={"retry-after": "1"}) from None


async def _metrics(hub: Hub, send: Send) -> None:
    text, media = hub.metrics.render()
    headers = [(b"content-type", media.encode()), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})
