"""Runs a hub as a process, with HTTP or without, until it is told to stop.

Whoever was given an answer finds it on disk: stopping ends what was begun, then lets the database go.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

import uvicorn
import uvloop

from gateway.app import STOP_WITHIN_SECONDS, create_app, working
from gateway.edge import App
from gateway.hub import open_hub
from gateway.settings import Settings
from gateway.worker import run_due, run_for_ever

Result = TypeVar("Result")

_KEEP_ALIVE_SECONDS = 75  # longer than the 60 s after which common proxies drop an idle connection
_BACKLOG = 2048


class AddressTaken(Exception):
    """The hub does not start: the text says which address cannot be listened on, and why."""


class _Server(uvicorn.Server):
    """Tells when it listens; a stop that was asked for ends the process with exit code 0."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- uvicorn's interface
        # uvicorn would raise the signal again afterwards, and the process would look killed.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class _Guest(_Server):
    """A server inside another program, which hears the signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Return what `main` returns, on the event loop of the hub."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def serve(settings: Settings, listening: Callable[[str], None], *, with_worker: bool = True) -> None:
    """Serve until SIGTERM or SIGINT; `listening` is told the base URL as soon as requests are accepted.

    A stop accepts nothing new and answers what is in flight, for at most 10 s. Refuses `AddressTaken`, and
    what `open_hub` refuses.
    """
    with contextlib.closing(_bound(settings.host, settings.port)) as door:
        async with open_hub(settings) as hub:
            beside = working(hub) if with_worker else contextlib.nullcontext()
            async with beside:
                base_url = _base_url(door)
                # What a start made stays as long as the process: no collection needs to walk over it.
                gc.freeze()
                gc.enable()
                await _Server(_config(create_app(hub)), lambda: listening(base_url)).serve(sockets=[door])


@contextlib.asynccontextmanager
async def hosted(app: App) -> AsyncIterator[str]:
    """Serve `app` on a free port of this machine beside whatever else this loop does; yield its base URL."""
    listening = asyncio.Event()
    with contextlib.closing(_bound("127.0.0.1", 0)) as door:
        server = _Guest(_config(app), listening.set)
        serving = asyncio.create_task(server.serve(sockets=[door]), name="hosted")
        try:
            await listening.wait()
            yield _base_url(door)
        finally:
            server.should_exit = True
            await serving


async def work(settings: Settings, listening: Callable[[], None]) -> None:
    """Do what is due, without HTTP, until SIGTERM or SIGINT; `listening` is told when the work begins."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with open_hub(settings) as hub:
        for asked in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(asked, stop.set)
        listening()
        await run_for_ever(hub, stop)


async def work_once(settings: Settings) -> int:
    """Do everything that is due now, and return how many things that were."""
    done = 0
    async with open_hub(settings) as hub:
        while fresh := await run_due(hub):
            done += fresh
    return done


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_WITHIN_SECONDS,
    )


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that holds the address and does not listen: nobody is let in before we are ready."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressTaken(f"{host} is no address of this machine: {error.strerror}.") from error
    # A hub that was killed leaves the address half closed; its successor may have it at once.
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(address)
    except OSError as error:
        door.close()
        raise AddressTaken(f"{host} port {port} cannot be used: {error.strerror}.") from error
    return door


def _base_url(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
