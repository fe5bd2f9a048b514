"""Coupons in a store that loses answers, is slow, or says no: the hub's voucher and the store's coupon agree."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from contracts.facts import Key, State, VoucherUse
from gateway.context import Context
from gateway.coupons.actions import LEASE_SECONDS, claim
from gateway.store import Connection
from gateway.store import tables as t
from gateway.vouchers.statements import Stated, record
from gateway.worker import run_due
from tests.faults.sender import ANA as MEMBER
from tests.faults.sender import body_of, open_sender
from tests.faults.test_polling import beside, installed, rounds
from tests.gateway.caller import ANA, Caller, Shop, found, open_caller
from tests.gateway.lossy_store import LossyStore, lossy, opened
from tests.gateway.world import NAMESPACE


async def issued(shop: Shop, number: int, units: int = 1) -> list[dict[str, Any]]:
    """Let ANA earn enough, and issue her vouchers."""
    member = await shop.register(ANA)
    await shop.caller.make("/v1/sales", shop.sale(gross_cents=1_000_000, cpf=ANA), "earn")
    at = f"/v1/members/{member['member_id']}/cashouts"
    return [await shop.caller.make(at, {"units": units}, f"cash-{n}") for n in range(number)]


async def until_quiet(caller: Caller, hours: int = 72) -> None:
    """Let time pass and the worker work until no coupon is due."""
    for _ in range(hours * 4):
        await rounds(caller, 3)
        due = [row["due_at"] for row in await caller.world.read(t.coupon) if row["due_at"] is not None]
        if not due:
            return
        caller.world.clock.advance(max(min(due) - caller.world.clock(), timedelta(seconds=1)))
    raise AssertionError("the coupons never came to rest")


async def used(shop: Shop, voucher: dict[str, Any], order_ref: str = "o-1", **more: Any) -> httpx.Response:
    body = {"code": voucher["code"], "order_cents": 10_000, "order_ref": order_ref, **more}
    return await shop.caller.post("/v1/vouchers/redeem", body | {"partner_id": shop.partner_id}, order_ref)


async def states(caller: Caller) -> list[str]:
    return sorted(row["state"] for row in await caller.world.read(t.coupon))


async def test_an_issued_voucher_is_published_and_revoked_when_it_is_spent(migrated_url: str) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, shop):
        [voucher] = await issued(shop, 1, units=1000)
        await until_quiet(caller)
        assert store.coupons == {voucher["code"]: 1000}
        assert (await used(shop, voucher)).status_code == 201
        await until_quiet(caller)
        assert store.coupons == {}
        assert await states(caller) == ["revoked"]


async def test_what_is_left_after_a_part_is_published_anew(migrated_url: str) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, shop):
        [voucher] = await issued(shop, 1, units=1000)
        await until_quiet(caller)
        await used(shop, voucher, amount_cents=400)
        await until_quiet(caller)
        assert store.coupons == {voucher["code"]: 600}


async def test_f65_of_many_coupons_whose_answers_are_lost_each_is_made_exactly_once(
    migrated_url: str,
) -> None:
    store = LossyStore(loses=0.3)
    async with beside(migrated_url, store) as (caller, shop):
        vouchers = await issued(shop, 60)
        await until_quiet(caller)
        assert sorted(store.created) == sorted(voucher["code"] for voucher in vouchers)
        assert await states(caller) == ["published"] * 60


async def test_f64_a_lost_answer_leaves_the_coupon_unknown_and_is_asked_before_it_is_repeated(
    migrated_url: str,
) -> None:
    store = LossyStore(loses=1.0)
    async with beside(migrated_url, store) as (caller, shop):
        [voucher] = await issued(shop, 1)
        await rounds(caller)
        assert await states(caller) == ["unknown"]
        assert store.created == [voucher["code"]]
        store.loses = 0.0
        store.asked = 0
        await until_quiet(caller)
        assert await states(caller) == ["published"]
        assert store.asked == 1
        assert store.created == [voucher["code"]]


async def test_f66_a_store_that_is_busy_is_left_alone_and_another_store_is_served(migrated_url: str) -> None:
    busy, idle = LossyStore(says=[(429, b"", ("retry-after: 30",))]), LossyStore()
    async with open_caller(migrated_url, lossy) as caller, opened(busy) as one, opened(idle) as two:
        shop = await found(caller)
        await caller.world.hub.read(lambda _conn: None)
        await installed(shop, one)
        said = {"partner_id": shop.partner_id, "connector": "lossy", "name": "2", "config": {"base_url": two}}
        await shop.caller.make("/v1/installations", said)
        busy.says.insert(0, (200, b'{"orders": [], "more": false}', ()))
        await run_due(caller.world.hub)
        [voucher] = await issued(shop, 1)
        await rounds(caller)
        assert idle.coupons == {voucher["code"]: 1}
        assert busy.coupons == {}
        await until_quiet(caller)
        assert busy.coupons == {voucher["code"]: 1}


async def test_f50_a_hub_that_dies_between_the_coupon_and_its_note_makes_no_second_one(
    migrated_url: str,
) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, shop):
        await rounds(caller)
        [voucher] = await issued(shop, 1)
        [coupon] = await caller.world.read(t.coupon)
        at = (coupon["programme_id"], coupon["voucher_id"], coupon["installation_id"])
        [errand] = await caller.world.hub.submit(claim, (at,))
        store.serve("POST", "/coupons", f'{{"code": "{errand.coupon.code}", "cents": 1}}'.encode())
        assert await run_due(caller.world.hub) == 0
        caller.world.clock.advance(timedelta(seconds=LEASE_SECONDS))
        await until_quiet(caller)
        assert store.created == [voucher["code"]]
        assert await states(caller) == ["published"]


@pytest.mark.parametrize("status", [500, 503])
async def test_f67_a_store_that_fails_is_tried_again_with_growing_delays(
    migrated_url: str, status: int
) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, shop):
        await rounds(caller)
        [voucher] = await issued(shop, 1)
        store.says = [(status, b"", ())] * 3
        waits = []
        for _ in range(3):
            await rounds(caller)
            [row] = await caller.world.read(t.coupon)
            waits.append((row["due_at"] - caller.world.clock()).total_seconds())
            caller.world.clock.set(row["due_at"])
        assert waits == sorted(waits)
        assert waits[0] < waits[-1]
        await until_quiet(caller)
        assert store.created == [voucher["code"]]


async def test_f68_a_refusal_is_kept_where_an_operator_sees_it(migrated_url: str) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, shop):
        await rounds(caller)
        await issued(shop, 1)
        store.says = [(422, b"<html>", ())]
        await until_quiet(caller)
        shown = (await shop.caller.get("/v1/coupons?state=refused")).json()["data"]
        assert [(row["state"], row["reason"]) for row in shown] == [("refused", "coupon_refused")]


async def test_f21_a_cancelled_order_re_asserts_what_the_hub_says(migrated_url: str) -> None:
    store = LossyStore()
    async with beside(migrated_url, store) as (caller, shop):
        [voucher] = await issued(shop, 1, units=500)
        await until_quiet(caller)
        store.coupons.clear()  # the store burnt the code with the order, and does not re-arm it
        await caller.world.hub.submit(follow_use, (shop, caller, voucher, "captured"))
        await until_quiet(caller)
        assert store.coupons == {}
        await caller.world.hub.submit(follow_use, (shop, caller, voucher, "void"))
        await until_quiet(caller)
        assert store.coupons == {voucher["code"]: 500}


def follow_use(
    context: Context, conn: Connection, items: Sequence[tuple[Shop, Caller, dict[str, Any], State]]
) -> list[str | None]:
    """State a use as the store's own connector would."""
    stated = []
    for shop, caller, voucher, state in items:
        row = conn.execute(t.installation.select()).mappings().one()
        use = VoucherUse(
            code=voucher["code"], order=Key("order:lossy", "o-1"), state=state, amount_cents=500,
            as_of=caller.world.clock() + timedelta(seconds=1 if state == "void" else 0),
        )  # fmt: skip
        stated.append(Stated(row["programme_id"], shop.partner_id, row["installation_id"], use))
    reasons = record(context, conn, stated)
    assert reasons == [None] * len(reasons)
    return reasons


@pytest.mark.parametrize(
    ("told", "spent", "held", "last"),
    [
        ([("authorised", 400), ("captured", 600)], 600, 0, None),
        ([("captured", 600), ("captured", 100)], 100, 0, None),
        ([("authorised", 600), ("authorised", 100)], 0, 100, None),
        ([("authorised", 400), ("captured", 0)], 0, 0, None),
        ([("captured", 0)], 0, 0, None),
        ([("captured", 5_000)], 1_000, 0, "voucher_conflict"),
        ([("captured", 400), ("captured", 600)], 400, 0, "voucher_conflict"),
    ],
)
async def test_a_store_is_followed_in_its_newest_amount_and_what_is_missing_is_told(
    migrated_url: str, told: list[tuple[State, int]], spent: int, held: int, last: str | None
) -> None:
    async with open_sender(migrated_url) as sender:
        member_id = sender.club.member_of[MEMBER]
        await sender.tell(sender.payment(ref="earn", cents=100_000))
        made = (
            await sender.ask(
                "POST", f"/v1/members/{member_id}/cashouts", {"units": 1_000}, **{"idempotency-key": "c"}
            )
        ).json()
        answer: dict[str, Any] = {}
        for number, (state, cents) in enumerate(told):
            use = {
                "about": "voucher_use", "code": made["code"].replace("-", ""), "order": [f"order:{NAMESPACE}", "o-1"],
                "state": state, "amount_cents": cents,
                "as_of": (sender.club.world.clock() + timedelta(seconds=number)).isoformat(),
            }  # fmt: skip
            answer = (await sender.send(body_of(use))).json()
        assert answer.get("ignored", [None])[0] == last, answer
        [row] = await sender.club.rows(t.voucher)
        assert (row["spent_cents"], row["held_cents"]) == (spent, held)
        assert row["free_cents"] == 1_000 - spent - held
        await sender.club.world.is_sound()
