"""The worker: what is due by the clock, done in sets. A job may run late or twice; the ledger ends the same.

Rows are the truth: the loop only looks which of them are due.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias

import structlog

from contracts.facts import AnyFact
from contracts.http import Delivery
from gateway import idempotency, intake
from gateway.asking import ask, failure
from gateway.context import Context
from gateway.http.inbound import note, source_of
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations import queries as installation_queries
from gateway.installations.queries import Installed
from gateway.intake import Inbound
from gateway.ledger import actions as ledger
from gateway.ledger import queries as ledger_queries
from gateway.ledger.queries import MemberRef
from gateway.polling import read_pages
from gateway.publishing import publish_coupons
from gateway.sales import actions as sales
from gateway.sales.dossiers import Scope
from gateway.store import Connection
from gateway.store.outages import Unavailable
from gateway.vouchers import actions as vouchers
from gateway.vouchers import auto
from gateway.vouchers import queries as voucher_queries

Job: TypeAlias = Callable[[Hub], Coroutine[Any, Any, int]]
Dossiers: TypeAlias = tuple[tuple[Scope, str], ...]

BATCH = 200
EVERY_SECONDS = 1.0
CONCURRENT_PLANS = 8

_log = structlog.get_logger("ponte.worker")


async def run_due(hub: Hub) -> int:
    """Do everything that is due now; return how many things were done."""
    return sum([await job(hub) for job in JOBS])


async def run_for_ever(hub: Hub, stop: asyncio.Event) -> None:
    """Do what is due until `stop` is set. Each job has its own pace: no slow vendor holds up the ledger."""
    await asyncio.gather(*(_repeat(job, hub, stop) for job in JOBS))


async def _repeat(job: Job, hub: Hub, stop: asyncio.Event) -> None:
    """Do one job again and again; a failure is logged and tried again."""
    while not stop.is_set():
        try:
            busy = await job(hub)
        except Unavailable:
            busy = 0
        except Exception:  # noqa: BLE001 -- the loop must outlive whatever one job met
            _log.exception("worker failed", job=job.__name__)
            busy = 0
        if not busy:
            try:
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue


async def keep_time(hub: Hub) -> int:
    """Do what falls due by the clock alone: activation, expiry, the end of promises, and forgetting."""
    done = await activate_awards(hub)
    done += await expire_lots(hub)
    done += await expire_holds(hub)
    done += await expire_vouchers(hub)
    return done + await forget_answers(hub)


async def finish_deliveries(hub: Hub) -> int:
    """Run the plans of waiting deliveries: outside any transaction, then apply what they say."""
    now = hub.context.clock()
    due = await hub.read(lambda conn: installation_queries.due_deliveries(conn, now, BATCH))
    places = asyncio.Semaphore(CONCURRENT_PLANS)

    async def finish(row: dict[str, Any]) -> None:
        async with places:
            await _finish(hub, row)

    await asyncio.gather(*(finish(row) for row in due))
    return len(due)


async def _finish(hub: Hub, row: dict[str, Any]) -> None:
    installed = await hub.installed(row["installation_id"])
    if installed is None or installed.connector.webhook is None:
        await _put_off(hub, row, "installation_gone", None)
        return
    webhook = installed.connector.webhook
    place = installations.body_place(row["delivery_id"])
    body = installed.keys.open_delivery(place, row["received_at"], row["body_sealed"])
    try:
        delivery = Delivery(body=body, headers=_headers(installed, row), received_at=row["received_at"])
        facts = await ask(hub, installed, lambda config: webhook.receive(delivery, config))
    except Exception as error:  # noqa: BLE001 -- one of the five, or a bug of the connector
        await _put_off(hub, row, *failure(hub, installed, error))
    else:
        await _apply(hub, installed, row, body, facts)


def _headers(installed: Installed, row: dict[str, Any]) -> dict[str, str]:
    """Return what the vendor said beside the body when it was received."""
    if row["headers_sealed"] is None:
        return {}
    place = installations.headers_place(row["delivery_id"])
    clear = installed.keys.open_delivery(place, row["received_at"], row["headers_sealed"])
    headers: dict[str, str] = json.loads(clear)
    return headers


async def _apply(
    hub: Hub, installed: Installed, row: dict[str, Any], body: bytes, facts: Iterable[AnyFact]
) -> None:
    """Apply what a plan said; facts that break our own rules are parked, so that the others go on."""
    inbound = Inbound(
        source=source_of(installed),
        facts=tuple(facts),
        received_at=row["received_at"],
        body=body,
        body_hash=row["body_hash"],
        delivery_id=row["delivery_id"],
    )
    try:
        outcome = await hub.submit(intake.apply, inbound)
    except Unavailable:
        raise
    except Exception as bug:  # noqa: BLE001 -- a defect of ours must not be tried again every second
        _log.exception("intake bug", installation=row["installation_id"], kind=type(bug).__name__)
        await _put_off(hub, row, "intake_bug", None)
    else:
        note(hub, installed.connector.slug, outcome)


async def _put_off(hub: Hub, row: dict[str, Any], reason: str, after_seconds: int | None) -> None:
    await hub.submit(installations.put_off, (row["programme_id"], row["delivery_id"], reason, after_seconds))


async def activate_awards(hub: Hub) -> int:
    """Make pending awards available whose time has come."""
    now = hub.context.clock()

    def due(conn: Connection) -> list[tuple[tuple[str, str], str]]:
        return ledger_queries.dossiers_to_activate(conn, now, BATCH)

    dossiers = await hub.read(due)
    if dossiers:
        await hub.submit(_reconsider, tuple(dossiers))
    return len(dossiers)


def _reconsider(context: Context, conn: Connection, items: Sequence[Dossiers]) -> list[int]:
    """Conclude again; what became available may buy a reward that is issued by itself."""
    credited = [sales.reconsider(context, conn, dossiers) for dossiers in items]
    auto.issue_due(context, conn, set[MemberRef]().union(*credited))
    return [len(members) for members in credited]


async def expire_lots(hub: Hub) -> int:
    """Move what remains in lots past their expiry to breakage."""
    now = hub.context.clock()
    members = await hub.read(lambda conn: ledger_queries.members_with_due_lots(conn, now, BATCH))
    if members:
        await hub.submit(_expire, tuple(members))
    return len(members)


def _expire(context: Context, conn: Connection, items: Sequence[tuple[MemberRef, ...]]) -> list[int]:
    return [ledger.expire(context, conn, members) for members in items]


async def expire_holds(hub: Hub) -> int:
    """Let go of vouchers that were promised to orders which never came."""
    now = hub.context.clock()
    uses = await hub.read(lambda conn: voucher_queries.due_uses(conn, now, BATCH))
    if uses:
        await hub.submit(vouchers.expire_holds, tuple(uses))
    return len(uses)


async def expire_vouchers(hub: Hub) -> int:
    """End vouchers whose time is over."""
    now = hub.context.clock()
    due = await hub.read(lambda conn: voucher_queries.due_vouchers(conn, now, BATCH))
    if due:
        await hub.submit(vouchers.expire, tuple(due))
    return len(due)


async def forget_answers(hub: Hub) -> int:
    """Forget what was answered to requests that nobody repeats any more."""
    now = hub.context.clock()
    last = await hub.read(lambda conn: idempotency.forgotten_by(conn, now, BATCH))
    if last is None:
        return 0
    await hub.submit(idempotency.forget, last)
    return 1


JOBS: tuple[Job, ...] = (finish_deliveries, read_pages, publish_coupons, keep_time)
