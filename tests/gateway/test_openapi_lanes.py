"""What the document says of the lanes outside FastAPI's router: exactly what they answer, no more and no less."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.ecommerce.shopify.connector import connector as shopify
from gateway import app
from gateway.edge import BODY_LIMIT_BYTES
from gateway.http.api import build_api
from gateway.http.checkout import PREFIX as CHECKOUT
from gateway.http.openapi import LANES, Lane
from gateway.http.sign_in import PATH as SIGN_IN
from tests.gateway.caller import open_caller
from tests.gateway.real_values import SYSTEM, Cast
from tests.gateway.world import NAMESPACE

DOCUMENT = build_api().openapi()
OTHER_PROTOCOLS = {CHECKOUT, SIGN_IN}
"""A store's own protocol, and a merchant's browser on its way back: neither is an API of ours."""


@dataclass
class Door:
    """One lane, asked in every way that its document names."""

    cast: Cast
    lane: Lane
    path: str
    body: Any
    heard: set[tuple[int, str]] = field(default_factory=set)

    async def ask(self, body: Any = None, *, path: str = "", content: bytes = b"", **headers: str) -> None:
        """Send a signed request and note the answer; `headers` replace those of the signature."""
        said = content or (b"" if body is None else json.dumps(body).encode())
        sent = self.proof(said) | {name.replace("_", "-"): value for name, value in headers.items()}
        await self.note(path or self.path, said, list(sent.items()))

    async def note(
        self, path: str, content: Any, headers: list[tuple[str, str]], http: httpx.AsyncClient | None = None
    ) -> None:
        client = http or self.cast.shop.caller.http
        answer = await client.request(self.lane.method, path, content=content, headers=headers)
        self.heard.add((answer.status_code, answer.json()["code"] if answer.is_error else ""))

    def proof(self, body: bytes) -> dict[str, str]:
        if not self.lane.by_device:
            return self.cast.proof(SYSTEM, NAMESPACE, body)
        return {
            **self.cast.proof(self.cast.device, self.cast.device_id, body),
            "content-type": "application/json",
        }

    async def at_the_edge(self) -> None:
        """Hear what the edge says to anybody."""
        await self.note(self.path, b"", [("host", "hub"), ("host", "hub")])
        await self.ask(content=b" " * (BODY_LIMIT_BYTES + 1))
        await self.ask({}, content_encoding="gzip")
        hub = self.cast.shop.caller.world.hub
        hasty = app.create_app(replace(hub, settings=replace(hub.settings, body_timeout_seconds=0)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(hasty), base_url="http://hub") as http:
            await self.note(self.path, _never(), [], http)

    async def as_a_stranger(self) -> None:
        """Hear what a request that proves nothing hears, and one from another hour."""
        await self.ask(self.body, x_ponte_signature="00")
        if self.lane.by_device:
            self.cast.shop.caller.world.clock.advance(timedelta(hours=1))
            late = self.proof(b"")
            self.cast.shop.caller.world.clock.advance(timedelta(hours=-1))
            await self.note(self.path, b"", list(late.items()))

    async def with_wrong_bodies(self) -> None:
        """Hear what no lane takes."""
        await self.ask({"cvv": "123", "number": "4111111111111111"})
        if self.lane.by_device:
            await self.ask(content=b"{")
        if self.lane.body is not None:
            await self.ask({})

    async def twice(self) -> None:
        """Name two requests alike."""
        proof = {"x-ponte-key": self.cast.device_id, "x-ponte-nonce": "once"}
        other = (
            {"amount_cents": 7}
            if "amount_cents" in (self.body or {})
            else {"cpf": await self.cast.one("cpf")}
        )
        for body in (self.body, {**(self.body or {}), **other}):
            said = json.dumps(body).encode()
            signed = self.cast.device.sign(said, self.cast.shop.caller.world.clock(), proof)
            await self.note(self.path, said, [*signed.items(), ("content-type", "application/json")])

    async def without_a_database(self) -> None:
        """Hear what is said while nothing can be read or written."""
        world = self.cast.shop.caller.world
        world.hub.context.memory.clear()
        await world.hub.store.close()
        await self.ask(self.body)


async def _never() -> AsyncIterator[bytes]:
    await asyncio.sleep(60)
    yield b""


async def _in_its_own_way(door: Door) -> None:
    """Hear what only this lane says."""
    match door.lane.name:
        case "deliver":
            await door.ask(content=b"nobody understands this")
            await door.ask(content=b'{"facts": [], "facts": []}')
            await door.ask(door.body, path="/in/ins_nobody")
        case "terminal_reserve":
            await door.ask({**door.body, "cpf": "111.111.111-11"})
        case "terminal_ask" | "terminal_close":
            await door.ask(path=door.path.replace(door.path.split("/")[4], "42"))
        case "terminal_give_back":
            await door.ask(path="/v1/terminal/vouchers/uses/use_nobody/rollback")
        case "terminal_quote" | "terminal_redeem":
            await door.ask({**door.body, "cpf": "111.111.111-11"})
            await door.ask({**door.body, "keypad_code": "1234"})
            for _ in range(40):  # no voucher of this holder's
                await door.ask({**door.body, "cpf": await door.cast.another("coined_cpf")})


async def _body_of(cast: Cast, lane: Lane) -> Any:
    """Return a body to which the lane says yes."""
    match lane.name:
        case "deliver":
            return {"facts": [cast.payment()]}
        case "terminal_reserve":
            return {"cpf": await cast.one("cpf"), "amount_cents": 100}
        case "terminal_report":
            return {"answer": await cast.another("answer")}
        case "terminal_quote" | "terminal_redeem":
            order = {"cpf": await cast.one("cpf"), "order_cents": 10_000, "amount_cents": 100}
            return {"keypad_code": await cast.another("keypad_code"), **order}
    return None


def documented(lane: Lane) -> set[tuple[int, str]]:
    """Return each status that the document names, with each code of a refusal."""
    responses = DOCUMENT["paths"][lane.path][lane.method]["responses"]
    return {
        (int(status), code)
        for status, response in responses.items()
        for code in (re.findall(r"`(\w+)`", response["description"]) if int(status) >= 400 else [""])
    }


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
async def test_a_lane_answers_what_its_document_says_and_nothing_else(
    migrated_sqlite: Path, tmp_path: Path, lane: Lane
) -> None:
    file = shutil.copy(migrated_sqlite, tmp_path / "hub.sqlite")
    async with open_caller(f"sqlite:///{file}", shopify) as caller:
        cast = await Cast.gather(caller)
        names = {"use_id": "spent_use_id"}
        values = {
            name: await cast.another(names.get(name, name)) for name in re.findall(r"{(\w+)}", lane.path)
        }
        values |= {"installation_id": cast.system_id} if "installation_id" in values else {}
        door = Door(cast, lane, lane.path.format(**values), await _body_of(cast, lane))
        await door.ask(door.body)
        await door.at_the_edge()
        if lane.path.startswith(("/in/", "/v1/")):
            await door.as_a_stranger()
            await door.with_wrong_bodies()
        if "nonce_reused" in lane.refusals:
            await door.twice()
        await _in_its_own_way(door)
        await door.without_a_database()
    assert door.heard == documented(lane) - {(500, "internal")}


def test_every_lane_of_the_application_is_documented() -> None:
    paths = {lane.path for lane in LANES}
    prefixes = {prefix for prefix, _ in app.LANES}
    assert {
        prefix for prefix in prefixes if not any(path.startswith(prefix) for path in paths)
    } == OTHER_PROTOCOLS
    assert all(path.startswith(tuple(prefixes)) for path in paths)
