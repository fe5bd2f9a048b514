"""One CPF, one card number, one holder's name, in six writings, in every field of every route: found nowhere (F101)."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.store import tables as t
from tests.faults.children import HubProcess, Wire
from tests.faults.sender import DEVICE, SYSTEM
from tests.gateway.world import MERCHANT, open_world
from tests.journeys.canaries import CANARIES, Call, Routes, flown, traces_in
from tests.servers import Postgres

CHATTY = "tests.journeys.chatty_hub"
LINES = 16
NUMBERS = count()


@dataclass(frozen=True)
class Aviary:
    """A running hub and who may call it."""

    hub: HubProcess
    known: dict[str, Any]
    key: str

    async def calls(self) -> list[Call]:
        """Return every operation of the API once, and what vendors and terminals send."""
        with closing(Wire(self.hub.port)) as wire:
            status, document = await wire.ask(
                "GET", "/openapi.json", b"", {"authorization": f"Bearer {self.key}"}
            )
        assert status == 200
        return [*Routes(json.loads(document), self.known).calls(), *machine_calls(self.known)]

    async def fly(self, calls: Sequence[Call]) -> bytes:
        """Send every canary in every writing in every field of `calls`; return what refusals answered."""
        birds = list(flown(calls))
        refusals = await asyncio.gather(*(self._send(birds[line::LINES]) for line in range(LINES)))
        return b"".join(refusals)

    async def _send(self, calls: Sequence[Call]) -> bytes:
        refused = []
        with closing(Wire(self.hub.port)) as wire:
            for call in calls:
                text = call.body if isinstance(call.body, str) else json.dumps(call.body)
                body = b"" if call.body is None else text.encode()
                headers = {
                    "content-type": "application/json",
                    **self._proof(call, body),
                    **dict(call.headers),
                }
                status, answer = await wire.ask(call.method, call.path, body, headers)
                assert status < 500, (call, answer)
                if status >= 400:
                    refused.append(answer)
        return b"".join(refused)

    def _proof(self, call: Call, body: bytes) -> dict[str, str]:
        once = f"n{next(NUMBERS)}"
        scheme, key_id = (
            (DEVICE, self.known["terminal_id"]) if "/terminal/" in call.path else (SYSTEM, "loja")
        )
        signed = scheme.sign(body, datetime.now(UTC), {"x-ponte-key": key_id, "x-ponte-nonce": once})
        return {"authorization": f"Bearer {self.key}", "idempotency-key": once, **signed}


def machine_calls(known: dict[str, Any]) -> Iterator[Call]:
    """Yield what vendors and terminals send: the lanes that no OpenAPI document generates."""
    now = datetime.now(UTC).isoformat()
    payment = {
        "about": "payment", "keys": [["stone:atk", "1"]], "links": [["order:loja", "1"]], "merchant_ref": MERCHANT,
        "terminal_ref": "t", "operator_ref": "o", "sold_at": now, "as_of": now, "state": "captured",
        "method": "credit", "captured_cents": 1000, "voucher_codes": ["v"],
        "customer": {"document": "529.982.247-25", "phone": "x", "consent": True},
        "lines": [{"code": "c", "quantity_milli": 1, "amount_cents": 1}],
        "operations": [{"space": "s", "key": "k", "kind": "return", "amount_cents": 1, "happened_at": now}],
    }  # fmt: skip
    yield Call("POST", f"/in/{known['installation_id']}", {"facts": [payment]})
    yield Call(
        "POST", f"/in/{known['installation_id']}", {"facts": [], "card": {"holder_name": "x", "number": "x"}}
    )
    yield Call("POST", "/v1/terminal/reservations", {"cpf": "529.982.247-25", "amount_cents": 1000})
    answer = "ponte://pay-response?code=0&success=true&amount=1000&atk=2"
    yield Call(
        "POST", "/v1/terminal/results", {"answer": answer, "reservation": "42", "cpf": "529.982.247-25"}
    )


async def open_aviary(hub: HubProcess, database_url: str) -> Aviary:
    """Lay down a club and start the hub beside it."""
    async with open_world(database_url, at=datetime.now(UTC)) as world:
        club = await world.club()
        installation_id = await club.install()
        known = {
            "partner_id": club.partner_id, "store_id": club.store_id, "category_id": "cat",
            "installation_id": installation_id, "member_id": await club.enrol("529.982.247-25"),
            "terminal_id": await club.terminal(await club.install("stone", {"account_id": "acc_1"})),
        }  # fmt: skip
        key = await club.api_key()
    await hub.start()
    return Aviary(hub, known, key)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_f101_no_canary_of_any_route_is_found_in_sqlite_logs_metrics_refusals_or_the_process_list(
    tmp_path: Path,
) -> None:
    file = tmp_path / "hub.sqlite"
    hub = HubProcess(tmp_path, f"sqlite:///{file}", PONTE_LOG_LEVEL="debug")
    try:
        await check_flight(hub, f"sqlite:///{file}")
        stored = b"".join(path.read_bytes() for path in (file, Path(f"{file}-wal")))
    finally:
        hub.close()
    assert len(stored) > 100_000
    assert traces_in(stored) == set()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_f101_no_canary_of_any_route_is_found_in_any_column_of_postgresql(
    tmp_path: Path, postgres: Postgres
) -> None:
    database = await asyncio.to_thread(postgres.create_database)
    url = postgres.url(database)
    hub = HubProcess(tmp_path, url, PONTE_LOG_LEVEL="debug", PONTE_UNSAFE_DATABASE="1")
    try:
        await check_flight(hub, url)
        found = await columns_that_betray(postgres, database)
    finally:
        hub.close()
    assert found == {}


async def check_flight(hub: HubProcess, database_url: str) -> None:
    """Let every canary fly; everything that the hub shows is free of them."""
    aviary = await open_aviary(hub, database_url)
    calls = await aviary.calls()
    assert len(calls) > 40
    assert traces_in(await aviary.fly(calls)) == set()
    with closing(Wire(hub.port)) as wire:
        status, metrics = await wire.ask("GET", "/metrics", b"", {})
    assert (status, traces_in(metrics)) == (200, set())
    assert traces_in(command_line(hub)) == set()
    assert traces_in(hub.log.read_bytes()) == set()


def command_line(hub: HubProcess) -> bytes:
    """Return what the process list shows of the hub."""
    assert hub.process is not None
    return Path(f"/proc/{hub.process.pid}/cmdline").read_bytes()


async def columns_that_betray(server: Postgres, database: str) -> dict[str, set[str]]:
    """Return the columns in which a canary stands, as text or in its bytes."""
    connection = await asyncpg.connect(host="127.0.0.1", port=server.port, user="postgres", database=database)
    found: dict[str, set[str]] = {}
    rows = 0
    try:
        for table in t.metadata.sorted_tables:
            for row in await connection.fetch(f"SELECT * FROM {table.name}"):
                rows += 1
                for column, value in row.items():
                    blob = value if isinstance(value, bytes) else str(value).encode()
                    if traces := traces_in(blob):
                        found.setdefault(f"{table.name}.{column}", set()).update(traces)
    finally:
        await connection.close()
    assert rows > 100
    return found


async def heard(folder: Path, *flags: str) -> set[str]:
    """Return what a hub with a talkative library in it betrays in its logs."""
    url = f"sqlite:///{folder / 'hub.sqlite'}"
    hub = HubProcess(folder, url, program=(CHATTY, *flags))
    try:
        aviary = await open_aviary(hub, url)
        await aviary.fly(
            [call for call in await aviary.calls() if call.path in {"/v1/members", "/v1/partners"}]
        )
    finally:
        hub.close()
    return traces_in(hub.log.read_bytes())


async def test_f101_a_talkative_library_betrays_no_document_and_no_card(tmp_path: Path) -> None:
    betrayed = await heard(tmp_path)
    # A name in running text looks like any other words; the hub itself never logs what it was sent.
    assert {trace for trace in betrayed if not trace.startswith("holder")} == set()


async def test_f101_with_the_mask_off_every_canary_is_found(tmp_path: Path) -> None:
    betrayed = await heard(tmp_path, "--unmasked")
    for canary in CANARIES:
        for writing in canary.writings.values():
            assert f"{canary.kind} as {writing}" in betrayed
