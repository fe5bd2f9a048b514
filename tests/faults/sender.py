"""A system that tells its sales to a hub in the same process: signed as the generic connector asks."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.connector import AnyConnector
from contracts.signatures import HmacFields
from gateway.app import create_app
from tests.gateway.world import GENERIC_SECRET, MERCHANT, TERMINAL_SECRET, Club, open_world
from tests.loyalty.history import CPFS

ANA, BIA, CAIO = CPFS
SYSTEM = HmacFields((GENERIC_SECRET.encode(),))
DEVICE = HmacFields((TERMINAL_SECRET,))


@dataclass(frozen=True, slots=True)
class Sender:
    """One installation of a club; `http` reaches its hub, `key` opens the API."""

    club: Club
    http: httpx.AsyncClient
    installation_id: str
    key: str

    def signed(self, body: bytes, scheme: HmacFields = SYSTEM, key_id: str = "loja") -> dict[str, str]:
        """Return headers that prove `body`, with a nonce of their own."""
        nonce = self.club.world.hub.context.ids.new("n")
        return scheme.sign(body, self.club.world.clock(), {"x-ponte-key": key_id, "x-ponte-nonce": nonce})

    async def send(self, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Deliver bytes, signed unless `headers` say otherwise."""
        proof = self.signed(body) if headers is None else headers
        return await self.http.post(f"/in/{self.installation_id}", content=body, headers=dict(proof))

    async def tell(self, *facts: Mapping[str, Any]) -> dict[str, Any]:
        """Deliver facts that must be accepted; return the answer."""
        answer = await self.send(body_of(*facts))
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call the API; `body` is JSON to be, or the bytes themselves."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        named = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        return await self.http.request(method, path, content=content, headers=named)

    async def launch(self, launch_ref: str, **said: Any) -> httpx.Response:
        """Launch a sale of the partner by hand."""
        whole = {
            "launch_ref": launch_ref, "partner_id": self.club.partner_id, "gross_cents": 1000,
            "sold_at": self.now(), **said,
        }  # fmt: skip
        once = self.club.world.hub.context.ids.new("idm")
        return await self.ask("POST", "/v1/sales", whole, **{"idempotency-key": once})

    def payment(self, ref: str = "1", cents: int | None = 1000, **more: Any) -> dict[str, Any]:
        """Return what a payment of ana's says, as JSON; a `None` leaves a field out."""
        said = {
            "about": "payment", "keys": [["stone:atk", ref]], "merchant_ref": MERCHANT, "method": "credit",
            "captured_cents": cents, "sold_at": self.now(), "as_of": self.now(), "customer": {"document": ANA},
            **more,
        }  # fmt: skip
        return {name: value for name, value in said.items() if value is not None}

    def now(self) -> str:
        """Return the hub's hour as text."""
        return self.club.world.clock().isoformat()


def body_of(*facts: Mapping[str, Any]) -> bytes:
    """Return the bytes of a delivery."""
    return json.dumps({"facts": facts}).encode()


@contextlib.asynccontextmanager
async def open_sender(database_url: str, *more: AnyConnector, **club: Any) -> AsyncIterator[Sender]:
    """Open a hub with one club of two members (ana, bia; nobody knows caio) and its generic installation."""
    async with open_world(database_url, *more) as world:
        founded = await world.club(**club)
        for cpf in (ANA, BIA):
            await founded.enrol(cpf)
        transport = httpx.ASGITransport(create_app(world.hub))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield Sender(founded, http, await founded.install(), await founded.api_key())
