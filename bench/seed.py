"""A programme with many members and one installation per partner, laid before the clock starts."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.context import Context
from gateway.hub import Hub, open_hub
from gateway.installations.actions import NewInstallation, install
from gateway.settings import Settings
from gateway.store import Connection, rows
from gateway.store import tables as t

SECRET = "bench-secret-of-a-generic-installation"  # noqa: S105 -- of a database that lives for one run
LONG_AGO = datetime.now(UTC) - timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Seeded:
    """Where deliveries may be sent, and who buys."""

    installations: tuple[str, ...]
    documents: tuple[str, ...]


def cpf(body: int) -> str:
    """Return the bare CPF with these first nine digits."""
    digits = [int(d) for d in f"{body:09d}"]
    for weight in (10, 11):
        rest = sum(d * w for d, w in zip(digits, range(weight, 1, -1), strict=True)) % 11
        digits.append(0 if rest < 2 else 11 - rest)
    return "".join(map(str, digits))


def seed(settings: Settings, *, partners: int, members: int) -> Seeded:
    """Lay `partners` with a rate and an installation each, and `members`, in the database of `settings`."""
    return asyncio.run(_seed(settings, partners, members))


async def _seed(settings: Settings, partners: int, members: int) -> Seeded:
    documents = tuple(cpf(100_000_000 + 7919 * n) for n in range(members))
    async with open_hub(settings) as hub:
        await hub.submit(_lay, (partners, documents))
        made = await asyncio.gather(*(_install(hub, n) for n in range(partners)))
    return Seeded(tuple(made), documents)


def _lay(context: Context, conn: Connection, items: Sequence[Any]) -> list[None]:
    [(partners, documents)] = items
    wrapped = context.vault.new_programme_key()
    keys = context.vault.programme("prg_bench", wrapped)
    ours = {"programme_id": "prg_bench"}
    fixed = {
        "name": "Bench",
        "unit": "points",
        "mode": "coalition",
        "zone": "America/Sao_Paulo",
        "active": True,
    }
    programme = {
        **ours,
        **fixed,
        "key_wrapped": wrapped,
        "created_at": LONG_AGO,
        "version": 1,
    }
    rows.insert(conn, t.programme, [programme])
    policy = {**ours, "valid_from": LONG_AGO, "recorded_at": LONG_AGO, "terms": "{}"}
    rows.insert(conn, t.policy, [policy])
    companies = [
        {**ours, "partner_id": f"par_{n}", "created_at": LONG_AGO, "version": 1} for n in range(partners)
    ]
    rows.insert(conn, t.partner, [{**c, "name": c["partner_id"], "funding": "issuance"} for c in companies])
    rate = {"rate_micro": 1_500_000, "valid_from": LONG_AGO, "recorded_at": LONG_AGO}
    rows.insert(conn, t.rate, [{**ours, "partner_id": c["partner_id"], **rate} for c in companies])
    people = [(f"mem_{n}", keys.blind_index(document)) for n, document in enumerate(documents)]
    common = {**ours, "blocked": False, "member_since": LONG_AGO, "created_at": LONG_AGO, "version": 1}
    wrapped_member = keys.new_member_key()
    rows.insert(
        conn, t.member, [{**common, "member_id": m, "key_wrapped": wrapped_member} for m, _ in people]
    )
    who = {**ours, "role": "holder", "document_sealed": b"", "since_at": LONG_AGO}
    rows.insert(conn, t.identity, [{**who, "document_index": i, "member_id": m} for m, i in people])
    return [None]


async def _install(hub: Hub, n: int) -> str:
    config = json.dumps({"namespace": f"bench{n}", "secret": SECRET}).encode()
    made = await hub.submit(
        install,
        NewInstallation(
            programme_id="prg_bench",
            partner_id=f"par_{n}",
            store_id=None,
            connector="generic",
            name=f"bench {n}",
            config=config,
            account_ref=f"bench{n}",
            trust="signed",
            covers=False,
        ),
    )
    if not isinstance(made, str):
        raise TypeError(made)
    return made
