"""A version that is recorded while sales are dated ahead of the clock: before it or after it, they earn the same."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.facts import Customer, Key, PaymentEvidence
from gateway.store import tables as t
from tests.gateway.caller import ANA, Caller, Shop, found, open_caller

AHEAD = timedelta(minutes=8)
Change = Callable[[Caller, Shop], Awaitable[Any]]


async def _rate(_caller: Caller, shop: Shop) -> None:
    await shop.caller.make(f"/v1/partners/{shop.partner_id}/rates", {"points_per_real": "1"})


async def _campaign(caller: Caller, shop: Shop) -> None:
    now = caller.world.clock()
    open_for = {
        "starts_at": (now + timedelta(seconds=2)).isoformat(),
        "ends_at": (now + timedelta(days=1)).isoformat(),
    }
    await shop.caller.make("/v1/campaigns", {"name": "Dobro", "multiplier_milli": 2_000, **open_for})


async def _policy(_caller: Caller, shop: Shop) -> None:
    version = (await shop.caller.get("/v1/programme")).json()["version"]
    answer = await shop.caller.patch("/v1/programme", {"max_award_units": 20}, version)
    assert answer.status_code == 200, answer.text


async def _category(_caller: Caller, shop: Shop) -> None:
    member = await shop.member(ANA)
    made = await shop.caller.make("/v1/categories", {"name": "Ouro", "multiplier_milli": 3_000})
    said = {"category_id": made["category_id"]}
    answer = await shop.caller.post(f"/v1/members/{member['member_id']}/category", said)
    assert answer.status_code == 200, answer.text


async def _tell(caller: Caller, shop: Shop, ref: str) -> str:
    """Tell of a sale that is dated ahead of the hub's clock; return its id."""
    now = caller.world.clock()
    said = PaymentEvidence(
        keys=(Key("stone:atk", ref),), captured_cents=10_000, customer=Customer(document=ANA),
        sold_at=now + AHEAD, as_of=now + AHEAD,
    )  # fmt: skip
    return await shop.hear(said)


async def _units(caller: Caller) -> dict[str, int]:
    return {row["sale_id"]: row["units"] for row in await caller.world.read(t.sale)}


@pytest.mark.parametrize(
    ("change", "units"),
    [(_rate, 100), (_campaign, 300), (_policy, 20), (_category, 450)],
    ids=lambda v: getattr(v, "__name__", v),
)
async def test_a_sale_dated_ahead_earns_by_a_version_that_begins_before_it(
    migrated_url: str, change: Change, units: int
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        past = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        before = await _tell(caller, shop, "51000000000017")
        caller.world.clock.advance(timedelta(seconds=1))
        await change(caller, shop)
        after = await _tell(caller, shop, "51000000000018")
        assert await _units(caller) == {past["sale_id"]: 150, before: units, after: units}
        assert (await caller.world.is_sound()).sales_checked, "nothing was derived again"


async def test_what_a_draft_was_told_earns_when_it_is_activated_and_the_ledger_agrees(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller, active=False)
        await shop.register(ANA)
        told = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        assert (told["units"], told["reason"]) == (0, "programme_inactive")
        assert (await caller.world.is_sound()).sales_checked, "nothing was derived again"
        for _ in range(2):
            assert (await shop.caller.post("/v1/programme/activate", None)).status_code == 200
            assert await _units(caller) == {told["sale_id"]: 150}
            assert (await caller.world.is_sound()).sales_checked, "nothing was derived again"
