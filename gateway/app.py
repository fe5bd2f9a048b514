"""The application: the edge outside, the hot lanes next, FastAPI for everything that a person browses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from gateway.edge import App, Edge, Receive, Scope
from gateway.http.api import build_api
from gateway.http.checkout import PREFIX as CHECKOUT
from gateway.http.checkout import serve_checkout
from gateway.http.health import PATHS as HEALTH
from gateway.http.health import check_health
from gateway.http.inbound import deliver
from gateway.http.sign_in import PATH as SIGN_IN
from gateway.http.sign_in import finish_sign_in
from gateway.http.terminal import serve_terminal
from gateway.hub import Hub
from gateway.problems import Problem, Send
from gateway.store.outages import Unavailable
from gateway.worker import run_for_ever

Lane: TypeAlias = Callable[[Hub, Scope, Receive, Send], Awaitable[None]]

LANES: tuple[tuple[str, Lane], ...] = (
    ("/in/", deliver),
    (CHECKOUT, serve_checkout),
    ("/v1/terminal/", serve_terminal),
    (SIGN_IN, finish_sign_in),
    *((path, check_health) for path in HEALTH),
)
"""Paths that are answered before FastAPI's router is asked."""

STOP_WITHIN_SECONDS = 10


def create_app(hub: Hub) -> App:
    """Return the ASGI application of an open hub."""
    api = build_api()

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        for prefix, lane in LANES:
            if path.startswith(prefix):
                try:
                    await lane(hub, scope, receive, send)
                except Unavailable as outage:
                    raise Problem.busy(outage.retry_after_seconds) from None
                return
        scope["state"]["hub"] = hub
        await api(scope, receive, send)

    return Edge(
        route,
        lambda: hub.context.ids.new("req"),
        body_limit_bytes=hub.settings.body_limit_bytes,
        body_timeout_seconds=hub.settings.body_timeout_seconds,
        answered=lambda path, status, seconds: hub.metrics.http(_lane_of(path), status, seconds),
        forbidden=lambda: hub.metrics.forbidden("api"),
    )


def _lane_of(path: str) -> str:
    return next((prefix.strip("/") for prefix, _ in LANES if path.startswith(prefix)), "api")


@contextlib.asynccontextmanager
async def working(hub: Hub) -> AsyncIterator[None]:
    """Run the worker beside the server; stop it before the hub closes."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_for_ever(hub, stop), name="worker")
    try:
        yield
    finally:
        stop.set()
        # Cut short, a job is found due again at the next start.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(task, STOP_WITHIN_SECONDS)
