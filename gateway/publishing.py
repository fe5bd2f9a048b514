"""Telling stores about vouchers: coupons that are due are published, taken back or asked after.

Every telling ends in one of three ways: done, refused, or unknown; what is unknown is asked before it is
repeated, so that a lost answer never makes a second coupon.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from contracts.connector import Coupons, Plan
from contracts.errors import Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.http import Reply, Request
from contracts.plans import arun
from gateway.coupons import actions, queries
from gateway.coupons.actions import Done, Errand
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations.queries import Installed

BATCH = 100
CONCURRENT = 8

_log = structlog.get_logger("ponte.publishing")

T = TypeVar("T")


async def publish_coupons(hub: Hub) -> int:
    """Tell stores what is due; return how many coupons were looked after."""
    now = hub.context.clock()
    due = await hub.read(lambda conn: queries.due_coupons(conn, now, BATCH))
    if not due:
        return 0
    errands = await hub.submit(actions.claim, tuple(due))
    places = asyncio.Semaphore(CONCURRENT)

    async def run(errand: Errand) -> None:
        async with places:
            await hub.submit(actions.conclude, await _told(hub, errand))

    await asyncio.gather(*(run(errand) for errand in errands))
    return len(errands)


async def _told(hub: Hub, errand: Errand) -> Done:
    """Tell one store one thing; return what it answered, whatever happened."""
    installed = await hub.installed(errand.at[2])
    if installed is None or not installed.active or installed.connector.coupons is None:
        return _unchanged(errand, "installation_paused")
    store, ask = installed.connector.coupons, _asking(hub, installed)
    try:
        ref = errand.coupon_ref
        if errand.state == "unknown":
            ref = await ask(lambda config: store.find(errand.coupon.code, config))
    except Exception as error:  # noqa: BLE001 -- each kind is answered by its reason
        return _unchanged(errand, await _reason(hub, installed, error))
    try:
        return await _tell(ask, store, errand, ref)
    except VendorRefused as refused:
        return replace(_unchanged(errand, refused.code), state="refused")
    except (RetryLater, Malformed) as error:
        # The store may have done it all the same: only a create leaves a coupon of a known amount.
        amount_cents = None if _stands(errand, ref) else errand.coupon.amount_cents
        return Done(errand, "unknown", ref, amount_cents, await _reason(hub, installed, error))
    except Exception as error:  # noqa: BLE001 -- each kind is answered by its reason
        return _unchanged(errand, await _reason(hub, installed, error))


def _unchanged(errand: Errand, reason: str) -> Done:
    """Return that nothing was told, and why."""
    return Done(errand, errand.state, errand.coupon_ref, errand.amount_cents, reason)


async def _tell(ask: Any, store: Coupons[Any], errand: Errand, ref: str | None) -> Done:
    """Make one change: what stands there under other terms goes first, and is created anew the next time."""
    coupon = errand.coupon
    if not _stands(errand, ref):
        if errand.wanted == "revoked":
            return Done(errand, "revoked")
        made = await ask(lambda config: store.create(coupon, config))
        return Done(errand, "published", made, coupon.amount_cents)
    if (
        errand.state == "unknown"
        and errand.wanted == "published"
        and errand.amount_cents == coupon.amount_cents
    ):
        return Done(errand, "published", ref, coupon.amount_cents)
    await ask(lambda config: store.revoke(coupon.code, ref or "", config))
    return Done(errand, "revoked")


def _stands(errand: Errand, ref: str | None) -> bool:
    """Return whether the store has the coupon, as far as anybody knows."""
    return ref is not None and errand.state in {"published", "stale", "unknown"}


async def _reason(hub: Hub, installed: Installed, error: Exception) -> str:
    """Return a stable code for what went wrong; credentials that are no longer good pause the installation."""
    match error:
        case RetryLater():
            return "vendor_busy"
        case Malformed():
            return "malformed"
        case VendorRefused():
            return error.code
        case SignInAgain():
            at = (installed.programme_id, installed.installation_id, "needs_attention")
            await hub.submit(installations.set_state, at)
            return "sign_in_again"
    hub.metrics.bug(installed.connector.slug)
    _log.error("connector bug", installation=installed.installation_id, kind=type(error).__name__)
    return "connector_bug"


def _asking(hub: Hub, installed: Installed) -> Any:
    """Return how plans of one installation are run with its store's own answers."""
    connector, config = installed.connector, installed.config
    base_url = connector.base_url(config) if connector.base_url is not None else ""

    async def answer(request: Request) -> Reply:
        return await hub.transport.send(base_url, request, connector.credentials(config), connector.limits)

    async def ask(plan: Callable[[Any], Plan[T]]) -> T:
        return await arun(plan(config), answer)

    return ask
