"""A request that is sent again hears its first answer, and its effect happens once."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from gateway import worker
from gateway.store import tables as t
from gateway.worker import forget_answers
from tests.gateway.caller import ANA, code, found, open_caller


async def test_the_same_request_hears_the_first_answer_word_for_word(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        first = await shop.caller.post("/v1/partners", {"name": "Nova", "funding": "prepaid"}, '"8e03"')
        caller.world.clock.advance(timedelta(days=1))
        again = await shop.caller.post("/v1/partners", {"funding": "prepaid", "name": "Nova"}, "8e03")
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert len(await caller.world.read(t.partner)) == 2


async def test_a_secret_shown_once_is_shown_again_to_a_caller_that_missed_it(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        said = {"name": "k", "scopes": ["sales:read"]}
        first = await shop.caller.make("/v1/keys", said, "once")
        assert await shop.caller.make("/v1/keys", said, "once") == first


async def test_a_refusal_is_repeated_too(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        path = f"/v1/members/{(await shop.register(ANA))['member_id']}/cashouts"
        first = await shop.caller.post(path, {"units": 1}, "c1")
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        again = await shop.caller.post(path, {"units": 1}, "c1")
        assert code(first) == code(again) == (422, "insufficient_balance")
        assert again.headers["idempotency-replayed"] == "true"
        assert (await shop.caller.post(path, {"units": 1}, "c2")).status_code == 201


async def test_what_was_not_found_is_asked_anew(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        body = {"units": 1}
        assert code(await shop.caller.post("/v1/members/mem_x/cashouts", body, "c1")) == (404, "not_found")
        answer = await shop.caller.post("/v1/members/mem_x/cashouts", body, "c1")
        assert code(answer) == (404, "not_found")
        assert "idempotency-replayed" not in answer.headers


@pytest.mark.parametrize(
    ("path", "change"), [("/v1/sales", {"gross_cents": 1}), ("/v1/partners", {"name": "x"})]
)
async def test_a_key_used_for_another_request_is_refused(
    migrated_url: str, path: str, change: dict[str, Any]
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.caller.make("/v1/sales", shop.sale(), "k1")
        kept = await caller.world.read(t.sale)
        body = {**shop.sale(), **change} if path == "/v1/sales" else change
        assert code(await shop.caller.post(path, body, "k1")) == (422, "idempotency_key_reused")
        assert await caller.world.read(t.sale) == kept
        assert len(await caller.world.read(t.partner)) == 1


async def test_two_callers_may_choose_the_same_key(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        other = await shop.keyed("partners:write")
        one = await shop.caller.make("/v1/partners", {"name": "A"}, "k1")
        two = await other.make("/v1/partners", {"name": "B"}, "k1")
        assert one["partner_id"] != two["partner_id"]


async def test_of_a_storm_of_one_request_one_is_done_and_the_rest_wait_or_hear_it(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        path = f"/v1/members/{(await shop.register(ANA))['member_id']}/cashouts"
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        heard: list[tuple[int, str]] = []

        async def ask() -> None:
            answer = await shop.caller.post(path, {"units": 40}, "c1")
            heard.append((answer.status_code, answer.json().get("voucher_id", answer.json().get("code"))))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        [voucher] = await caller.world.read(t.voucher)
        assert set(heard) <= {(201, voucher["voucher_id"]), (409, "in_flight")}
        assert (201, voucher["voucher_id"]) in heard
        assert (await shop.member(ANA))["available_units"] == 110
        assert caller.world.hub.in_flight == set()


@pytest.mark.parametrize("path", ["/v1/sales", "/v1/sales/returns", "/v1/members/mem_x/cashouts"])
async def test_what_moves_value_needs_a_key(migrated_url: str, path: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        bodies = {
            "/v1/sales": shop.sale(),
            "/v1/sales/returns": {
                "launch_ref": "v-1",
                "partner_id": shop.partner_id,
                "return_ref": "d",
                "amount_cents": 1,
            },
            "/v1/members/mem_x/cashouts": {"units": 1},
        }
        assert code(await shop.caller.post(path, bodies[path])) == (400, "idempotency_key_missing")
        assert await caller.world.read(t.evidence) == []


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, '"a', "a\\b", '"a"b', '""'])
async def test_a_key_that_could_be_read_in_two_ways_is_refused(migrated_url: str, key: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        answer = await shop.caller.post("/v1/partners", {"name": "A"}, key)
        assert code(answer) == (400, "malformed")
        assert len(await caller.world.read(t.partner)) == 1


async def test_an_answer_is_forgotten_after_seven_days_but_the_name_of_a_sale_never(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        said = shop.sale()
        await shop.caller.make("/v1/sales", said, "k1")
        caller.world.clock.advance(timedelta(days=7))
        again = await shop.caller.post("/v1/sales", said, "k1")
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert "idempotency-replayed" not in again.headers
        caller.world.clock.advance(timedelta(days=7))
        assert await forget_answers(caller.world.hub) == 1
        assert await caller.world.read(t.idempotency) == []
        assert await forget_answers(caller.world.hub) == 0


async def test_old_answers_are_forgotten_in_small_lots_and_young_ones_stay(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 2)
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        caller.world.clock.advance(timedelta(days=8))
        while await forget_answers(caller.world.hub):
            pass
        for day in range(5):
            await shop.caller.make("/v1/sales", shop.sale(f"v-{day}"), f"k{day}")
            caller.world.clock.advance(timedelta(days=1))
        caller.world.clock.advance(timedelta(days=4))
        left = []
        while await forget_answers(caller.world.hub):
            left.append(len(await caller.world.read(t.idempotency)))
        assert left == [3, 2]
