"""Shops that sell without pause to a hub that keeps dying, and their own log of what they were promised."""

import asyncio
import json
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from contracts.signatures import HmacFields
from tests.faults.children import HubProcess, Wire
from tests.gateway.world import GENERIC_SECRET, World
from tests.loyalty.history import CPFS

SHOPS = 16
AT_LEAST_ACKNOWLEDGED = 50
SIGNATURE = HmacFields((GENERIC_SECRET.encode(),))


@dataclass
class Sold:
    """One sale in a shop's log. `acknowledged`: the hub said that it is credited; `told`: how often we told it."""

    ref: str
    cpf: str
    cents: int
    body: bytes
    told: int = 0
    acknowledged: bool = False

    @property
    def units(self) -> int:
        return self.cents * 7 // 100


@dataclass
class Street:
    """All shops, the way to their hub, and their log."""

    installation_id: str
    api_key: str
    random: Random
    log: list[Sold] = field(default_factory=list)
    acknowledged: int = 0
    wanted: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def sale(self) -> Sold:
        """Write down a new sale."""
        ref, cpf, cents = f"atk-{len(self.log)}", self.random.choice(CPFS), self.random.randint(100, 99_999)
        now = datetime.now(UTC).isoformat()
        fact = {
            "about": "payment", "keys": [["stone:atk", ref]], "method": "credit", "captured_cents": cents,
            "sold_at": now, "as_of": now, "customer": {"document": cpf},
        }  # fmt: skip
        sold = Sold(ref, cpf, cents, json.dumps({"facts": [fact]}).encode())
        self.log.append(sold)
        return sold

    def doubtful(self) -> list[Sold]:
        """Return the sales of which no shop knows whether the hub has them."""
        return [sold for sold in self.log if not sold.acknowledged]

    def repeated(self) -> list[Sold]:
        """Return the sales that were told again because a kill had swallowed the answer."""
        return [sold for sold in self.log if sold.told > 1]

    async def report(self, wire: Wire, sold: Sold) -> None:
        """Tell the hub of a sale until the connection breaks; what it answers must be right."""
        sold.told += 1
        nonce = f"{self.random.getrandbits(64):016x}"
        headers = SIGNATURE.sign(
            sold.body, datetime.now(UTC), {"x-ponte-key": "street", "x-ponte-nonce": nonce}
        )
        status, answer = await wire.post(f"/in/{self.installation_id}", sold.body, headers)
        assert status == 200, answer
        (credited,) = answer["sales"]
        assert (credited["state"], credited["units"]) == ("credited", sold.units), answer
        sold.acknowledged = True
        self.acknowledged += 1
        if self.acknowledged >= self.wanted:
            self.enough.set()

    async def sell(self, port: int, doubtful: list[Sold]) -> None:
        """One shop: repeat what is in doubt, then sell, until the hub is gone."""
        with closing(Wire(port)) as wire, suppress(OSError, EOFError):
            while True:
                await self.report(wire, doubtful.pop() if doubtful else self.sale())

    async def live_until_killed(self, hub: HubProcess) -> int:
        """Sell until the hub is killed at a random moment; return how many sales it acknowledged till then."""
        before, doubtful = self.acknowledged, self.doubtful()
        self.wanted = before + AT_LEAST_ACKNOWLEDGED
        self.enough.clear()
        shops = [asyncio.create_task(self.sell(hub.port, doubtful)) for _ in range(SHOPS)]
        await asyncio.sleep(self.random.uniform(0.05, 1.5))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.enough.wait(), 5)
        hub.kill9()
        await asyncio.gather(*shops)
        return self.acknowledged - before

    async def ask(self, wire: Wire, path: str, question: dict[str, Any]) -> Any:
        """Ask the API; refusals fail the test."""
        headers = {"authorization": f"Bearer {self.api_key}"}
        status, answer = await wire.post(path, json.dumps(question).encode(), headers)
        assert status == 200, answer
        return answer

    async def audit(self, hub: HubProcess) -> None:
        """Compare the log with the hub: nothing acknowledged is lost, nothing is there twice."""
        promised, possible = Counter[str](), Counter[str]()
        for sold in self.log:
            possible[sold.cpf] += sold.units
            promised[sold.cpf] += sold.units * sold.acknowledged
        with closing(Wire(hub.port)) as wire:
            held = {cpf: await self.ask(wire, "/v1/members/lookup", {"cpf": cpf}) for cpf in CPFS}
        for cpf, member in held.items():
            assert promised[cpf] <= member["available_units"] <= possible[cpf], f"after {len(self.log)} sales"

    async def settle(self, hub: HubProcess, partner_id: str) -> None:
        """Repeat what is in doubt; then every sale that was ever repeated, and some others, are credited once."""
        with closing(Wire(hub.port)) as wire:
            for sold in self.doubtful():
                await self.report(wire, sold)
            await self.audit(hub)
            for sold in [*self.repeated(), *self.random.sample(self.log, 300)]:
                question = {"key": {"kind": "stone:atk", "value": sold.ref}, "partner_id": partner_id}
                (found,) = (await self.ask(wire, "/v1/sales/lookup", question))["data"]
                assert (found["units"], found["state"]) == (sold.units, "credited"), sold.ref
                assert [movement["units"] for movement in found["movements"]] == [sold.units], sold.ref


async def open_street(world: World, seed: int) -> tuple[Street, str]:
    """Found a club whose members are known; return its street and its partner's id."""
    club = await world.club()
    for cpf in CPFS:
        await club.enrol(cpf)
    street = Street(await club.install(), await club.api_key(), Random(seed))
    return street, club.partner_id
