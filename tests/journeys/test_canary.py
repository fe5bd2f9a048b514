"""One CPF, one card number, one holder's name, in six writings, in every field of every route: found nowhere (F101)."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from adapters.ecommerce.giftcards.connector import connector as giftcards
from contracts.documents import Cpf
from contracts.errors import Forged, Malformed
from gateway.keys.actions import FROM_OUTSIDE, NewKey, create
from gateway.store import tables as t
from tests.faults.children import HubProcess, Wire
from tests.faults.sender import DEVICE, SYSTEM
from tests.gateway.world import open_world
from tests.journeys.canaries import CANARIES, FRESH, FRESH_CPF, Call, Canary, Routes, flown, traces_in
from tests.journeys.canary_calls import (
    APP_KEY,
    APP_TOKEN,
    CPF,
    OPERATOR,
    machine_calls,
    told_calls,
)
from tests.servers import Postgres

CHATTY = "tests.journeys.chatty_hub"
LINES = 16
KEPT_AS_TOKENS = {
    "evidence.body", "evidence_key.value", "merchant.merchant_ref", "nonce.nonce",
    "operator.operator_ref", "sale.first_value", "terminal.serial", "voucher_entry.request_ref",
    "voucher_use.order_ref", "voucher_use.request_ref",
}  # fmt: skip
"""Columns for what other systems choose: a CPF, a card or a name that stands in one is kept as a token."""
NUMBERS = count()


@dataclass(frozen=True)
class Aviary:
    """A running hub and who may call it."""

    hub: HubProcess
    known: dict[str, Any]
    key: str

    async def calls(self) -> list[Call]:
        """Return what people, programs, vendors, terminals and stores send, and every operation of the API once."""
        with closing(Wire(self.hub.port)) as wire:
            status, document = await wire.ask("GET", "/openapi.json", b"", self._bearer(self.key))
        assert status == 200
        taken = self.taken()
        seen = {(call.method, call.path) for call in taken}
        others = Routes(json.loads(document), self.known).calls()
        return [*taken, *(call for call in others if (call.method, call.path) not in seen)]

    def taken(self) -> list[Call]:
        """Return the calls that the hub must accept as they stand."""
        return [*told_calls(self.known), *machine_calls(self.known)]

    async def are_taken(self, calls: Sequence[Call]) -> None:
        """Check that each call is accepted: a refused one would plant nothing."""
        with closing(Wire(self.hub.port)) as wire:
            for call in calls:
                status, answer = await self._sent(wire, call)
                assert status < 300, (call, status, answer)

    async def fly(self, calls: Sequence[Call], canaries: Sequence[Canary] = CANARIES) -> bytes:
        """Send canaries in every writing in every field of `calls`; return what refusals answered."""
        birds = list(flown(calls, canaries))
        refusals = await asyncio.gather(*(self._send(birds[line::LINES]) for line in range(LINES)))
        return b"".join(refusals)

    async def _send(self, calls: Sequence[Call]) -> bytes:
        refused = []
        with closing(Wire(self.hub.port)) as wire:
            for call in calls:
                status, answer = await self._sent(wire, call)
                assert status < 500, (call, answer)
                if status >= 400:
                    refused.append(answer)
        return b"".join(refused)

    async def told(self, method: str, path: str, body: Any) -> Any:
        """Send one request, which is accepted, and return its answer."""
        with closing(Wire(self.hub.port)) as wire:
            status, answer = await self._sent(wire, Call(method, path, body))
        assert status < 300, (path, status, answer)
        return json.loads(answer)

    async def _sent(self, wire: Wire, call: Call) -> tuple[int, bytes]:
        number = next(NUMBERS)
        text = call.body if isinstance(call.body, str) else json.dumps(call.body)
        text = text.replace(FRESH, str(number)).replace(FRESH_CPF, new_cpf(number))
        body = b"" if call.body is None else text.encode()
        headers = {
            "content-type": "application/json",
            **self._proof(call, body, call.nonce or f"n{number}"),
            **dict(call.headers),
        }
        return await wire.ask(call.method, call.path, body, headers)

    def _proof(self, call: Call, body: bytes, once: str) -> dict[str, str]:
        if call.path.startswith("/checkout/"):
            return {"x-provider-api-appkey": APP_KEY, "x-provider-api-apptoken": APP_TOKEN}
        device = call.path.startswith("/v1/terminal/")
        if not device and not call.path.startswith("/in/"):
            return {**self._bearer(self._key(call)), "idempotency-key": once}
        scheme, key_id = (DEVICE, self.known["terminal_id"]) if device else (SYSTEM, "loja")
        try:
            return scheme.sign(body, datetime.now(UTC), {"x-ponte-key": key_id, "x-ponte-nonce": once})
        except Forged:  # dots divide what is signed: no nonce may hold one
            return {"x-ponte-key": key_id, "x-ponte-nonce": once}

    def _key(self, call: Call) -> str:
        if call.path.startswith("/v1/programmes"):
            return str(self.known["hub_key"])
        return str(self.known["till_key"]) if call.only else self.key

    @staticmethod
    def _bearer(key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}


def new_cpf(number: int) -> str:
    """Return the CPF that begins with `number`."""
    for check in range(100):
        with suppress(Malformed):
            return Cpf(f"{100_000_000 + number}{check:02d}").text
    raise AssertionError("every body has its check digits")


async def open_aviary(hub: HubProcess, database_url: str) -> Aviary:
    """Lay down a club, start the hub beside it and furnish it with one of everything that calls name."""
    async with open_world(database_url, giftcards, at=datetime.now(UTC)) as world:
        club = await world.club()
        stone_id = await club.install("stone", {"account_id": "acc_1"})
        till = {"app_key": APP_KEY, "app_token": APP_TOKEN}
        known = {
            "partner_id": club.partner_id, "store_id": club.store_id, "category_id": "cat", "stone_id": stone_id,
            "installation_id": await club.install(), "covering_id": await club.install(covers=True),
            "till_id": await club.install("giftcards", till), "member_id": await club.enrol(CPF),
            "terminal_id": await club.terminal(stone_id), "till_key": await club.api_key(),
            "now": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        asked = NewKey(FROM_OUTSIDE, "", "test", frozenset({"hub:admin"}))
        known["hub_key"] = (await world.hub.submit(create, asked)).text
        key = await club.api_key()
    await hub.start()
    aviary = Aviary(hub, known, key)
    await furnish(aviary)
    return aviary


async def furnish(aviary: Aviary) -> None:
    """Add an operator, a voucher in use, a reservation and a store's debit to what is known."""
    known, told = aviary.known, aviary.told
    operator = {"store_id": known["store_id"], "name": "Bia", "operator_ref": OPERATOR}
    await told("POST", f"/v1/partners/{known['partner_id']}/operators", operator)
    await told("POST", f"/v1/members/{known['member_id']}/goodwill", {"units": 9_000_000})
    reward = await told("POST", "/v1/rewards", {"name": "Vale", "kind": "cashout", "remainder": "keep"})
    known["reward_id"] = reward["reward_id"]
    wish = {"member_id": known["member_id"], "reward_id": known["reward_id"], "units": 4_000_000}
    known["code"] = (await told("POST", "/v1/vouchers", wish))["code"]
    order = {
        "code": known["code"],
        "partner_id": known["partner_id"],
        "order_cents": 1_000_000,
        "order_ref": "o",
    }
    known["use_id"] = (await told("POST", "/v1/vouchers/redeem", {**order, "amount_cents": 100_000}))[
        "use_id"
    ]
    reserved = await told("POST", "/v1/terminal/reservations", {"cpf": CPF, "amount_cents": 1000})
    known["reservation"] = reserved["reservation"]
    debit = {
        "operation": "Debit", "value": 1000, "description": "", "requestId": "first", "redemptionToken": "x",
        "orderInfo": {"orderId": "first"},
    }  # fmt: skip
    cards = f"/checkout/{known['till_id']}/giftcards"
    [card] = await told("POST", f"{cards}/_search", {"client": {"document": CPF}})
    known["card_id"] = card["id"]
    known["debit_id"] = (await told("POST", f"{cards}/{card['id']}/transactions", debit))["id"]


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
    await aviary.are_taken(aviary.taken())
    calls = await aviary.calls()
    assert len(calls) > 80
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


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_f101_with_the_mask_off_references_are_found_in_every_column_that_keeps_one(
    tmp_path: Path, postgres: Postgres
) -> None:
    database = await asyncio.to_thread(postgres.create_database)
    url = postgres.url(database)
    hub = HubProcess(tmp_path, url, program=(CHATTY, "--unmasked"), PONTE_UNSAFE_DATABASE="1")
    try:
        aviary = await open_aviary(hub, url)
        await aviary.fly(aviary.taken(), CANARIES[:1])
        found = await columns_that_betray(postgres, database)
    finally:
        hub.close()
    assert found.keys() >= KEPT_AS_TOKENS


async def heard(folder: Path, *flags: str) -> set[str]:
    """Return what a hub with a talkative library in it betrays in its logs."""
    url = f"sqlite:///{folder / 'hub.sqlite'}"
    hub = HubProcess(folder, url, program=(CHATTY, *flags))
    try:
        aviary = await open_aviary(hub, url)
        paths = {"/v1/members", "/v1/partners", "/v1/sales"}
        await aviary.fly([call for call in await aviary.calls() if call.path in paths])
    finally:
        hub.close()
    return traces_in(hub.log.read_bytes())


async def test_f101_a_talkative_library_betrays_no_document_and_no_card(tmp_path: Path) -> None:
    betrayed = await heard(tmp_path)
    # A name in running text looks like any other words; the hub itself never logs what it was sent.
    assert {trace for trace in betrayed if not trace.startswith("holder")} == set()


async def test_f101_with_the_mask_off_every_canary_is_found(tmp_path: Path) -> None:
    betrayed = await heard(tmp_path, "--unmasked")
    stored = traces_in((tmp_path / "hub.sqlite").read_bytes() + (tmp_path / "hub.sqlite-wal").read_bytes())
    for canary in CANARIES:
        for name, writing in canary.writings.items():
            assert f"{canary.kind} as {writing}" in betrayed
            # No reference may hold a space, and a full card number is refused before anybody may keep it.
            if " " not in writing and not (canary.kind == "pan" and name in {"bare", "integer"}):
                assert f"{canary.kind} as {writing}" in stored
