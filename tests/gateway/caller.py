"""Calling the API as programs do: over HTTP, with a key, against a hub of the test's own."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from contracts.connector import AnyConnector
from contracts.facts import DocumentEvidence, PaymentEvidence, Trust
from gateway.app import create_app
from gateway.intake import Inbound, Source, apply
from gateway.keys import actions as keys
from gateway.keys.actions import NewKey
from tests.gateway.world import World, open_world

ANA, BIA, CAU = "529.982.247-25", "111.444.777-35", "390.533.447-05"
CONSENT = {"text_version": "2026-01", "channel": "counter"}


@dataclass(frozen=True, slots=True)
class Caller:
    """One API key at work."""

    http: httpx.AsyncClient
    world: World
    key: str = ""

    def holding(self, key: str) -> "Caller":
        """Return a caller with another key."""
        return replace(self, key=key)

    async def send(
        self, method: str, path: str, body: Any = None, once: str | None = None, **headers: str
    ) -> httpx.Response:
        """Return the answer to one request; `once` is its Idempotency-Key."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            sent["authorization"] = f"Bearer {self.key}"
        if once is not None:
            sent["idempotency-key"] = once
        return await self.http.request(method, path, json=body, headers=sent)

    async def get(self, path: str) -> httpx.Response:
        """Return the answer to a GET."""
        return await self.send("GET", path)

    async def post(self, path: str, body: Any = None, once: str | None = None) -> httpx.Response:
        """Return the answer to a POST."""
        return await self.send("POST", path, body, once)

    async def patch(self, path: str, body: Any, version: int | None = None) -> httpx.Response:
        """Return the answer to a PATCH of `version`."""
        return await self.send(
            "PATCH", path, body, **({} if version is None else {"if_match": f'"{version}"'})
        )

    async def make(self, path: str, body: Any, once: str | None = None) -> dict[str, Any]:
        """Return what a POST created; anything but 201 fails."""
        answer = await self.post(path, body, once)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@dataclass(frozen=True, slots=True)
class Shop:
    """An active programme with one partner, its rate and its store, and the programme's first key."""

    caller: Caller
    partner_id: str
    store_id: str

    async def keyed(self, *scopes: str, partner_id: str | None = None) -> Caller:
        """Return a caller with a new key that holds `scopes`."""
        said = {"name": "key", "scopes": list(scopes), "partner_id": partner_id}
        return self.caller.holding((await self.caller.make("/v1/keys", said))["key"])

    async def register(self, cpf: str, **more: Any) -> dict[str, Any]:
        """Register a member and return it."""
        return await self.caller.make("/v1/members", {"cpf": cpf, "consent": CONSENT, **more})

    def sale(self, launch_ref: str = "v-1", gross_cents: int = 10_000, **more: Any) -> dict[str, Any]:
        """Return the body of a launch at the present hour."""
        return {
            "launch_ref": launch_ref,
            "partner_id": self.partner_id,
            "gross_cents": gross_cents,
            "sold_at": self.caller.world.clock().isoformat(),
            **more,
        }

    async def hear(self, said: PaymentEvidence | DocumentEvidence, trust: Trust = "signed") -> str:
        """Take in what an installation of the store says, believed as `trust`; return the id of its sale."""
        programme_id = (await self.caller.get("/v1/programme")).json()["programme_id"]
        source = Source(programme_id, self.partner_id, "ins_test", self.store_id, trust)
        world = self.caller.world
        outcome = await world.hub.submit(apply, Inbound(source, (said,), world.clock()))
        return outcome.recorded[0].sale_id

    async def member(self, cpf: str) -> dict[str, Any]:
        """Return a member as the API shows it."""
        found: dict[str, Any] = (await self.caller.post("/v1/members/lookup", {"cpf": cpf})).json()
        return found


@contextlib.asynccontextmanager
async def open_caller(database_url: str, *more: AnyConnector) -> AsyncIterator[Caller]:
    """Open a hub and return the holder of its first key."""
    async with open_world(database_url, *more) as world:
        asked = NewKey(keys.FROM_OUTSIDE, "", "first", frozenset({"hub:admin"}))
        made = await world.hub.submit(keys.create, asked)
        transport = httpx.ASGITransport(create_app(world.hub))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield Caller(http, world, made.text)


async def found(
    caller: Caller,
    unit: str = "points",
    rate: dict[str, Any] | None = None,
    *,
    active: bool = True,
    **partner: Any,
) -> Shop:
    """Found a programme with one partner, as an operator would; it stays a draft unless `active`."""
    said = {"name": "Clube", "unit": unit, "mode": "coalition"}
    admin = caller.holding((await caller.make("/v1/programmes", said))["admin_key"]["key"])
    partner_id = (await admin.make("/v1/partners", {"name": "Padaria", **partner}))["partner_id"]
    at = f"/v1/partners/{partner_id}"
    default = {"points_per_real": "1.5"} if unit == "points" else {"cashback_bps": 500}
    await admin.make(f"{at}/rates", rate or default)
    store_id = (await admin.make(f"{at}/stores", {"name": "Centro"}))["store_id"]
    if active:
        assert (await admin.post("/v1/programme/activate")).status_code == 200
    return Shop(admin, partner_id, store_id)


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and problem code of a refusal."""
    return answer.status_code, answer.json()["code"]
