"""A running hub: its ports, its database, its connectors. What routes and the worker are given."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway import custody
from gateway.catalogue import Catalogue
from gateway.context import ANY_PROGRAMME, Context
from gateway.installations import queries as installations
from gateway.installations.queries import Installed, TerminalDevice
from gateway.observe import Metrics
from gateway.ports import Clock, Entropy, Ids, system_clock, system_entropy
from gateway.privacy import Vault
from gateway.settings import Settings
from gateway.store import Connection
from gateway.store.engine import Store
from gateway.transport import JwksCache, Transport
from gateway.vouchers.throttle import Throttle

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything one process holds. Belongs to the event loop that opened its store.

    `in_flight` are the requests with an Idempotency-Key that are being answered: (credential, key).
    """

    settings: Settings
    context: Context
    store: Store
    transport: Transport
    jwks: JwksCache
    metrics: Metrics
    in_flight: set[tuple[str, str]] = field(default_factory=set)
    throttle: Throttle = field(default_factory=Throttle)
    _refreshing: dict[str, asyncio.Lock] = field(default_factory=dict)
    _bound: dict[Callable[..., Any], Callable[..., Any]] = field(default_factory=dict)

    async def submit(
        self,
        action: Callable[[Context, Connection, Sequence[Item]], Sequence[Answer | Exception]],
        item: Item,
    ) -> Answer:
        """Return what `action` answered for `item` after the commit; concurrent items of an action share it.

        An answer that is an exception is raised.
        """
        bound = self._bound.get(action)
        if bound is None:
            context = self.context

            def bound(conn: Connection, items: Sequence[Item]) -> Sequence[Answer | Exception]:
                return action(context, conn, items)

            self._bound[action] = bound
        answer: Answer = await self.store.submit(bound, item)
        return answer

    async def read(self, query: Callable[[Connection], Answer]) -> Answer:
        """Return what `query` reads."""
        return await self.store.read(query)

    async def installed(self, installation_id: str) -> Installed | None:
        """Return an installation by its address; read once, then remembered by the writer."""
        known: Installed | None = self.context.memory.peek(ANY_PROGRAMME, ("installation", installation_id))
        return known or await self.submit(_find_installed, installation_id)

    async def reread(self, installation_id: str) -> Installed | None:
        """Return an installation as it is stored now, whatever another process made of it."""
        return await self.submit(_reread_installed, installation_id)

    def refreshing(self, installation_id: str) -> asyncio.Lock:
        """Return the lock of the one plan that may refresh an installation's credentials."""
        return self._refreshing.setdefault(installation_id, asyncio.Lock())

    async def terminal(self, terminal_id: str) -> TerminalDevice | None:
        """Return a terminal by its id; read once, then remembered by the writer."""
        known: TerminalDevice | None = self.context.memory.peek(ANY_PROGRAMME, ("terminal", terminal_id))
        return known or await self.submit(_find_terminal, terminal_id)


@contextlib.asynccontextmanager
async def open_hub(
    settings: Settings, *, clock: Clock = system_clock, entropy: Entropy = system_entropy
) -> AsyncIterator[Hub]:
    """Open everything a process needs; close it in order. Refuses what `Store.open` and the catalogue refuse."""
    catalogue = Catalogue.load(folder=settings.connectors_dir)
    metrics = Metrics(catalogue.slugs)
    vault = Vault(settings.master_key, entropy)
    context = Context(clock=clock, ids=Ids(clock, entropy), vault=vault, catalogue=catalogue)
    transport = Transport(settings.allow_addresses, clock)
    store = await Store.open(
        settings.database_url,
        queue_max=settings.queue_limit,
        on_batch=lambda size, _seconds, outcome: metrics.commit(size) if outcome == "committed" else None,
        allow_unsafe=settings.unsafe_database,
    )
    store.on_rollback.append(context.memory.clear)
    metrics.queue_depth(lambda: store.waiting)
    try:
        hub = Hub(settings, context, store, transport, JwksCache(transport, clock), metrics)
        await hub.submit(custody.hold, None)
        yield hub
    finally:
        await store.close()
        await transport.close()


def _find_installed(context: Context, conn: Connection, ids: Sequence[str]) -> list[Installed | None]:
    return [installations.installed(context, conn, installation_id) for installation_id in ids]


def _reread_installed(context: Context, conn: Connection, ids: Sequence[str]) -> list[Installed | None]:
    context.memory.forget(ANY_PROGRAMME)
    return _find_installed(context, conn, ids)


def _find_terminal(context: Context, conn: Connection, ids: Sequence[str]) -> list[TerminalDevice | None]:
    return [installations.terminal(context, conn, terminal_id) for terminal_id in ids]
