"""Running an installation's plans with its vendor's own answers, signing in anew where a token ran out.

New tokens are stored before they are used: a rotating one that is lost would shut the merchant out. Of two
processes that refresh at once one is refused, and goes on with what the other stored.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from contracts.connector import Plan
from contracts.credentials import Credentials, NoCredentials
from contracts.errors import SignInAgain
from contracts.http import Reply, Request
from contracts.plans import arun
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations.actions import ConfigChange
from gateway.installations.queries import Installed

T = TypeVar("T")


async def ask(hub: Hub, installed: Installed, plan: Callable[[Any], Plan[T]]) -> T:
    """Return what a plan of the installation's config ends with.

    Where the vendor no longer accepts the credentials, they are refreshed once if they can be; else the
    installation waits for its merchant, and `SignInAgain` goes on.
    """
    try:
        return await _run(hub, installed, plan)
    except SignInAgain:
        fresh = await _refreshed(hub, installed)
    try:
        if fresh is not None:
            return await _run(hub, fresh, plan)
    except SignInAgain:
        pass
    at = (installed.programme_id, installed.installation_id, "needs_attention")
    await hub.submit(installations.set_state, at)
    raise SignInAgain


async def ask_for_access(hub: Hub, installed: Installed, plan: Callable[[Any], Plan[T]]) -> T:
    """Return what a plan of the sign-in ends with: asked where tokens are given out, by nobody yet."""
    config, sign_in = installed.config, installed.connector.sign_in
    base_url = (sign_in and sign_in.base_url) or installed.connector.base_url
    return await _asked(hub, installed, plan, base_url(config) if base_url else "", NoCredentials())


async def _run(hub: Hub, installed: Installed, plan: Callable[[Any], Plan[T]]) -> T:
    connector, config = installed.connector, installed.config
    base_url = connector.base_url(config) if connector.base_url is not None else ""
    return await _asked(hub, installed, plan, base_url, connector.credentials(config))


async def _asked(
    hub: Hub, installed: Installed, plan: Callable[[Any], Plan[T]], base_url: str, credentials: Credentials
) -> T:
    async def answer(request: Request) -> Reply:
        return await hub.transport.send(base_url, request, credentials, installed.connector.limits)

    return await arun(plan(installed.config), answer)


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
