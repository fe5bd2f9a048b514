"""Telling stores about vouchers: coupons that are due are published, taken back or asked after.

Every telling ends in one of three ways: done, refused, or unknown; what is unknown is asked before it is
repeated, so that a lost answer never makes a second coupon.
"""

import asyncio
from dataclasses import replace
from typing import Any

from contracts.connector import Coupons
from contracts.errors import Malformed, RetryLater, VendorRefused
from gateway.asking import ask, failure
from gateway.coupons import actions, queries
from gateway.coupons.actions import Done, Errand
from gateway.hub import Hub
from gateway.installations.queries import Installed

BATCH = 100
CONCURRENT = 8


async def publish_coupons(hub: Hub) -> int:
    """Tell stores what is due; return how many coupons were looked after."""
    now = hub.context.clock()
    due = await hub.read(lambda conn: queries.due_coupons(conn, now, BATCH))
    hub.metrics.coupons_waiting(await hub.read(queries.waiting))
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
    store = installed.connector.coupons
    try:
        ref = errand.coupon_ref
        if errand.state == "unknown":
            ref = await ask(hub, installed, lambda config: store.find(errand.coupon.code, config))
    except VendorRefused as refused:
        return _unchanged(errand, refused.code)
    except Exception as error:  # noqa: BLE001 -- one of the five, or a bug of the connector
        return _unchanged(errand, failure(hub, installed, error).reason)
    try:
        return await _tell(hub, installed, store, errand, ref)
    except VendorRefused as refused:
        return replace(_unchanged(errand, refused.code), state="refused")
    except (RetryLater, Malformed) as error:
        # The store may have done it all the same: only a create leaves a coupon of a known amount.
        amount_cents = None if _stands(errand, ref) else errand.coupon.amount_cents
        return Done(errand, "unknown", ref, amount_cents, failure(hub, installed, error).reason)
    except Exception as error:  # noqa: BLE001 -- one of the five, or a bug of the connector
        return _unchanged(errand, failure(hub, installed, error).reason)


def _unchanged(errand: Errand, reason: str) -> Done:
    """Return that nothing was told, and why."""
    return Done(errand, errand.state, errand.coupon_ref, errand.amount_cents, reason)


async def _tell(hub: Hub, installed: Installed, store: Coupons[Any], errand: Errand, ref: str | None) -> Done:
    """Make one change: what stands there under other terms goes first, and is created anew the next time."""
    coupon = errand.coupon
    if not _stands(errand, ref):
        if errand.wanted == "revoked":
            return Done(errand, "revoked")
        made = await ask(hub, installed, lambda config: store.create(coupon, config))
        return Done(errand, "published", made, coupon.amount_cents)
    if (
        errand.state == "unknown"
        and errand.wanted == "published"
        and errand.amount_cents == coupon.amount_cents
    ):
        return Done(errand, "published", ref, coupon.amount_cents)
    await ask(hub, installed, lambda config: store.revoke(coupon.code, ref or "", config))
    return Done(errand, "revoked")


def _stands(errand: Errand, ref: str | None) -> bool:
    """Return whether the store has the coupon, as far as anybody knows."""
    return ref is not None and errand.state in {"published", "stale", "unknown"}
