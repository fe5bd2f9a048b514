"""What may go wrong while a store is asked what changed, and what must not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from gateway.store import tables as t
from gateway.worker import run_due
from tests.gateway.caller import ANA, Caller, Shop, found, open_caller
from tests.gateway.lossy_store import LossyStore, lossy, opened

TICK = timedelta(seconds=1)


async def installed(shop: Shop, url: str) -> str:
    """Install the store for the shop's partner."""
    said = {
        "partner_id": shop.partner_id, "connector": "lossy", "name": "Loja", "config": {"base_url": url},
    }  # fmt: skip
    made = await shop.caller.make("/v1/installations", said)
    return str(made["installation_id"])


@asynccontextmanager
async def beside(database_url: str, store: LossyStore) -> AsyncIterator[tuple[Caller, Shop]]:
    """Open a hub with a shop whose partner has installed `store`."""
    async with open_caller(database_url, lossy) as caller, opened(store) as url:
        shop = await found(caller)
        await installed(shop, url)
        yield caller, shop


async def rounds(caller: Caller, number: int = 12) -> None:
    """Let the worker do what is due, until nothing is."""
    for _ in range(number):
        if not await run_due(caller.world.hub):
            return


async def polls(caller: Caller) -> dict[str, Any]:
    [row] = await caller.world.read(t.poll)
    return row


async def test_f11_a_sale_whose_webhook_never_comes_is_found_within_one_interval(migrated_url: str) -> None:
    store = LossyStore()
    async with open_caller(migrated_url, lossy) as caller, opened(store) as url:
        shop = await found(caller)
        await shop.register(ANA)
        await installed(shop, url)
        await rounds(caller)
        for number in range(5):
            caller.world.clock.advance(TICK)
            store.order(f"o-{number}", caller.world.clock(), cpf=ANA)
        caller.world.clock.advance(timedelta(seconds=300))
        await rounds(caller)
        assert (await shop.member(ANA))["available_units"] == 5 * 15
        read_at = (await polls(caller))["read_at"]
        assert read_at == caller.world.clock()


async def test_f07_items_that_shift_between_pages_are_all_read(migrated_url: str) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, _shop):
        start = caller.world.clock()
        for number in range(9):
            store.order(f"o-{number}", start + number * TICK, cents=100 + number)
        caller.world.clock.advance(timedelta(seconds=60))
        for number in (1, 4, 0, 7):
            assert await run_due(caller.world.hub)
            store.order(f"o-{number}", caller.world.clock() + number * TICK, cents=1000 + number)
            store.order(f"late-{number}", caller.world.clock() + number * TICK, cents=50)
        caller.world.clock.advance(timedelta(seconds=60))
        await rounds(caller)
        known = await caller.world.read(t.sale)
        held = {row["first_value"]: row["base_cents"] for row in known}
        assert held == {order["ref"]: order["cents"] for order in store.orders}


async def test_f09_orders_of_one_clock_tick_are_all_read_across_a_page_boundary(migrated_url: str) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, _shop):
        at = caller.world.clock()
        for number in range(7):
            store.order(f"o-{number}", at)
        await rounds(caller)
        assert len(await caller.world.read(t.sale)) == 7


@pytest.mark.parametrize("page", [b'{"orders": [], "more": true}'])
async def test_f08_a_cursor_that_stands_still_is_stopped_and_kept(migrated_url: str, page: bytes) -> None:
    store = LossyStore(says=[(200, page, ())] * 2)
    async with beside(migrated_url, store) as (caller, _shop):
        before = await polls(caller)
        await rounds(caller)
        after = await polls(caller)
        assert (after["cursor"], after["reason"], after["attempts"]) == (
            before["cursor"], "cursor_stands_still", 1,
        )  # fmt: skip
        assert after["due_at"] > caller.world.clock()
        assert store.asked == 1


@pytest.mark.parametrize("cut", [b'{"orders": [{"ref": "o-1", "upd', b"<html>entrar</html>", b""])
async def test_f10_a_truncated_page_moves_no_cursor_and_is_read_again(migrated_url: str, cut: bytes) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, _shop):
        store.order("o-1", caller.world.clock())
        store.says.append((200, cut, ()))
        before = await polls(caller)
        await rounds(caller)
        after = await polls(caller)
        assert (after["cursor"], after["reason"]) == (before["cursor"], "malformed")
        assert await caller.world.read(t.sale) == []
        caller.world.clock.advance(timedelta(seconds=30))
        await rounds(caller)
        assert len(await caller.world.read(t.sale)) == 1
        assert (await polls(caller))["reason"] is None


async def test_a_poll_of_one_store_that_fails_does_not_hold_up_another(migrated_url: str) -> None:
    dead, alive = LossyStore(says=[(503, b"", ("retry-after: 900",))]), LossyStore()
    async with open_caller(migrated_url, lossy) as caller, opened(dead) as bad, opened(alive) as good:
        shop, other = await found(caller), await found(caller)
        await installed(shop, bad)
        await installed(other, good)
        alive.order("o-1", caller.world.clock())
        await rounds(caller)
        assert len(await caller.world.read(t.sale)) == 1
        waits = {row["reason"]: row["due_at"] for row in await caller.world.read(t.poll)}
        assert waits["vendor_busy"] == caller.world.clock() + timedelta(seconds=900)


async def test_a_backfill_reads_what_was_sold_before_and_ends(migrated_url: str) -> None:
    store = LossyStore()
    async with open_caller(migrated_url, lossy) as caller, opened(store) as url:
        shop = await found(caller)
        began = caller.world.clock()
        for number in range(5):
            store.order(f"o-{number}", began + number * TICK)
        caller.world.clock.advance(timedelta(hours=1))
        at = f"/v1/installations/{await installed(shop, url)}"
        await rounds(caller)
        assert await caller.world.read(t.sale) == []
        asked = {"from_at": began.isoformat(), "until_at": (began + 2 * TICK).isoformat()}
        made = await shop.caller.make(f"{at}/backfills", asked)
        await rounds(caller)
        shown = {row["poll_id"]: row for row in (await shop.caller.get(f"{at}/polls")).json()["data"]}
        ended = shown[made["poll_id"]]
        assert ended["due_at"] is None
        assert {row["first_value"] for row in await caller.world.read(t.sale)} >= {"o-0", "o-1", "o-2"}


async def test_a_hint_that_comes_again_byte_for_byte_is_asked_after_again(migrated_url: str) -> None:
    store = LossyStore()
    async with open_caller(migrated_url, lossy) as caller, opened(store) as url:
        shop = await found(caller)
        hook = f"/in/{await installed(shop, url)}"
        await rounds(caller)
        for cents in (1000, 700):
            caller.world.clock.advance(TICK)
            store.order("o-1", caller.world.clock(), cents=cents)
            headers = {"x-lossy-topic": "order", "x-lossy-token": "s"}
            told = await caller.http.post(hook, content=b'{"order": "o-1"}', headers=headers)
            assert (told.status_code, told.json()["outcome"]) == (202, "waiting")
            again = await caller.http.post(hook, content=b'{"order": "o-1"}', headers=headers)
            assert again.json() == told.json()
            assert await run_due(caller.world.hub) == 1
            [sale] = await caller.world.read(t.sale)
            assert sale["base_cents"] == cents
        assert len(await caller.world.read(t.delivery)) == 1
