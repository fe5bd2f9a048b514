"""Running an installation's plans with its vendor's own answers, signing in anew where a token ran out.

New tokens are stored before they are used: a rotating one that is lost would shut the merchant out. Of two
processes that refresh at once one is refused, and goes on with what the other stored.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import structlog

from contracts.connector import AnyConnector, Plan
from contracts.credentials import Credentials, NoCredentials
from contracts.errors import Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.http import Reply, Request
from contracts.plans import AsyncAnswer, arun
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations.actions import ConfigChange
from gateway.installations.queries import Installed

T = TypeVar("T")

_log = structlog.get_logger("ponte.asking")


async def ask(hub: Hub, installed: Installed, plan: Callable[[Any], Plan[T]]) -> T:
    """Return what a plan of the installation's config ends with.

    Where the vendor no longer accepts the credentials, they are refreshed once if they can be; else the
    installation waits for its merchant, and `SignInAgain` goes on.
    """
    try:
        return await run(hub, installed.connector, installed.config, plan)
    except SignInAgain:
        fresh = await _refreshed(hub, installed)
    try:
        if fresh is not None:
            return await run(hub, fresh.connector, fresh.config, plan)
    except SignInAgain:
        pass
    at = (installed.programme_id, installed.installation_id, "needs_attention")
    await hub.submit(installations.set_state, at)
    raise SignInAgain


async def ask_for_access(hub: Hub, installed: Installed, plan: Callable[[Any], Plan[T]]) -> T:
    """Return what a plan of the sign-in ends with: asked where tokens are given out, by nobody yet."""
    connector, config = installed.connector, installed.config
    base_url = (connector.sign_in and connector.sign_in.base_url) or connector.base_url
    answer = _vendor(hub, connector, base_url(config) if base_url else "", NoCredentials())
    return await arun(plan(config), answer)


async def run(hub: Hub, connector: AnyConnector, config: Any, plan: Callable[[Any], Plan[T]]) -> T:
    """Return what a plan of `config` ends with, by the credentials that stand there and no others."""
    base_url = connector.base_url(config) if connector.base_url is not None else ""
    answer = _vendor(hub, connector, base_url, connector.credentials(config))
    return await arun(plan(config), answer)


def _vendor(hub: Hub, connector: AnyConnector, base_url: str, credentials: Credentials) -> AsyncAnswer:
    async def answer(request: Request) -> Reply:
        return await hub.transport.send(base_url, request, credentials, connector.limits)

    return answer


class Failure(NamedTuple):
    """Why a plan came to nothing, in a stable code, and how long its vendor asked to be left alone."""

    reason: str
    after_seconds: int | None = None


def failure(hub: Hub, installed: Installed, error: Exception) -> Failure:
    """Return what an error of a plan stands for; whatever is none of the five is a bug, counted and logged."""
    match error:
        case RetryLater():
            return Failure("vendor_busy", error.after_seconds)
        case SignInAgain():
            return Failure("sign_in_again")
        case Malformed() | VendorRefused():
            return Failure(type(error).__name__.lower())
    hub.metrics.bug(installed.connector.slug)
    _log.error(
        "connector bug",
        installation=installed.installation_id,
        kind=type(error).__name__,
        exc_info=error,
    )
    return Failure("connector_bug")


async def _refreshed(hub: Hub, installed: Installed) -> Installed | None:
    """Return the installation with credentials that are newer than these, `None` if there are none."""
    sign_in = installed.connector.sign_in
    if sign_in is None or sign_in.refresh is None:
        return None
    async with hub.refreshing(installed.installation_id):
        known = await hub.installed(installed.installation_id)
        if known is not None and known.version != installed.version:
            return known  # another plan of this process was faster
        try:
            fields = await ask_for_access(hub, installed, sign_in.refresh)
        except SignInAgain:
            known = await hub.reread(installed.installation_id)
            return known if known is not None and known.version != installed.version else None
        change = ConfigChange(
            installed.programme_id, installed.installation_id, installed.version, dict(fields)
        )
        await hub.submit(installations.change_config, change)
    return await hub.installed(installed.installation_id)
