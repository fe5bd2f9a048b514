"""Sixty-four tills race for one voucher after another, through every door that a hub has for vouchers."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contracts.connector import AnyConnector
from gateway.installations.actions import NewInstallation, install
from gateway.members.actions import GoodwillGiven, give
from gateway.vouchers.issuing import Issued, MemberWish, issue_for
from tests.faults.children import Wire
from tests.faults.sender import SYSTEM
from tests.gateway.caller import ANA
from tests.gateway.world import World

TILLS = 64
KEY, TOKEN = "race-key", "race-token-invented"
PROOF = {"x-provider-api-appkey": KEY, "x-provider-api-apptoken": TOKEN}


@dataclass
class Race:
    """What the tills know: the vouchers, and how they prove who they are. `lost` are seconds of losers."""

    partner_id: str
    api_key: str
    generic_id: str
    cards_id: str
    vouchers: list[Issued]
    cards: dict[str, str] = field(default_factory=dict)
    won: Counter[str] = field(default_factory=Counter)
    doors: Counter[str] = field(default_factory=Counter)
    lost: list[float] = field(default_factory=list)

    async def run(self, port: int) -> None:
        """Let every till try every voucher, one voucher after the other."""
        wires = [Wire(port) for _ in range(TILLS)]
        for voucher in self.vouchers:
            await self._learn(wires[0], voucher)
            await asyncio.gather(*(self._try(wire, till, voucher) for till, wire in enumerate(wires)))
        for wire in wires:
            wire.close()

    async def _learn(self, wire: Wire, voucher: Issued) -> None:
        """Ask how the stores call the voucher, as a checkout does before anybody pays."""
        body = json.dumps({"cart": {"redemptionCode": voucher.code}}).encode()
        path = f"/checkout/{self.cards_id}/giftcards/_search"
        status, found = await wire.post(path, body, PROOF)
        assert (status, len(found)) == (200, 1)
        self.cards[voucher.row["voucher_id"]] = found[0]["id"]

    async def _try(self, wire: Wire, till: int, voucher: Issued) -> None:
        door = (self._by_api, self._by_protocol, self._by_order)[(till + len(self.won)) % 3]
        started = time.perf_counter()
        if await door(wire, till, voucher):
            self.won[voucher.row["voucher_id"]] += 1
            self.doors[door.__name__] += 1
        else:
            self.lost.append(time.perf_counter() - started)

    async def _by_api(self, wire: Wire, till: int, voucher: Issued) -> bool:
        voucher_id = voucher.row["voucher_id"]
        body = {
            "code": voucher.code, "order_cents": 10_000, "partner_id": self.partner_id,
            "order_ref": f"{voucher_id}-{till}",
        }  # fmt: skip
        headers = {"authorization": f"Bearer {self.api_key}", "idempotency-key": f"{voucher_id}-{till}"}
        status, answer = await wire.post("/v1/vouchers/redeem", json.dumps(body).encode(), headers)
        assert status == 201 or (status, answer["code"]) == (422, "voucher_not_accepted"), answer
        return status == 201

    async def _by_protocol(self, wire: Wire, till: int, voucher: Issued) -> bool:
        card = self.cards[voucher.row["voucher_id"]]
        body = {
            "operation": "Debit",
            "value": 1.00,
            "requestId": f"r-{till}",
            "orderInfo": {"orderId": f"p-{till}"},
        }
        path = f"/checkout/{self.cards_id}/giftcards/{card}/transactions"
        status, answer = await wire.post(path, json.dumps(body).encode(), PROOF)
        assert status in {200, 400}, answer
        return status == 200

    async def _by_order(self, wire: Wire, till: int, voucher: Issued) -> bool:
        now = datetime.now(UTC).isoformat()
        used = {
            "about": "voucher_use", "code": voucher.code, "state": "captured", "amount_cents": 100, "as_of": now,
            "order": ["order:loja", f"{voucher.row['display_number']}-{till}"],
        }  # fmt: skip
        body = json.dumps({"facts": [used]}).encode()
        named = {"x-ponte-key": "race", "x-ponte-nonce": f"{voucher.row['voucher_id']}-{till}"}
        headers: Mapping[str, str] = SYSTEM.sign(body, datetime.now(UTC), named)
        status, answer = await wire.post(f"/in/{self.generic_id}", body, headers)
        assert status == 200, answer
        return bool(answer["outcome"] == "recorded")


async def prepared(world: World, connector: AnyConnector, vouchers: int) -> Race:
    """Found a club, and issue ANA so many vouchers of R$ 1.00."""
    club = await world.club(unit="cashback")
    member_id = await club.enrol(ANA)
    await world.hub.submit(give, GoodwillGiven(club.admin, member_id, vouchers * 100, None, "race"))
    cards = NewInstallation(
        programme_id=club.programme_id, partner_id=club.partner_id, store_id=None, connector=connector.slug,
        name="race", config=json.dumps({"app_key": KEY, "app_token": TOKEN}).encode(), account_ref="race",
        trust="declared", covers=False,
    )  # fmt: skip
    cards_id = await world.hub.submit(install, cards)
    assert isinstance(cards_id, str)
    issued = []
    for _ in range(vouchers):
        answer: Any = await world.hub.submit(issue_for, MemberWish(club.admin, member_id, None, 100))
        assert isinstance(answer, Issued)
        issued.append(answer)
    return Race(club.partner_id, await club.api_key(), await club.install(), cards_id, issued)


async def raced(port: int, race: Race) -> dict[str, Any]:
    """Run the race; return who won by which door, and how long losers waited."""
    await race.run(port)
    slowest = sorted(race.lost)
    with closing(Wire(port)) as wire:
        status, _ = await wire.ask("GET", "/livez", b"", {})
    assert status == 200
    return {
        "vouchers": len(race.vouchers),
        "winners": dict(Counter(race.won.values())),
        "doors": dict(race.doors),
        "losers_p50_ms": round(1000 * slowest[len(slowest) // 2], 1),
        "losers_p99_ms": round(1000 * slowest[len(slowest) * 99 // 100], 1),
    }
