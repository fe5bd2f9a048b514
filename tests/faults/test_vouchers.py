"""What may go wrong with a voucher at a checkout: rows F21 to F25 and F37, on both databases."""

import asyncio
from datetime import timedelta
from random import Random

from gateway.store import tables as t
from gateway.worker import run_due
from loyalty import codes
from tests.gateway.caller import Caller, code, found, open_caller
from tests.gateway.test_api_vouchers import opened


async def test_f21_an_order_cancelled_after_its_voucher_was_spent_opens_the_same_voucher_once(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        use_id = (await counter.at_order("redeem", "o-1")).json()["use_id"]
        for number in range(3):
            answer = await counter.verb("rollback", use_id=use_id, rollback_ref="cancel")
            assert (answer.status_code, answer.json()["repeated"]) == (200, number > 0)
        assert (await counter.shown())["free_cents"] == 1000
        assert len(await caller.world.read(t.voucher)) == 1
        assert (await counter.at_order("redeem", "o-2")).status_code == 201
        assert code(await counter.at_order("redeem", "o-3")) == (422, "voucher_not_accepted")
        await counter.is_sound()


async def test_f22_of_eight_stores_that_race_for_one_voucher_one_wins_every_time(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        counter = await opened(shop, units=10)
        at = f"/v1/members/{counter.member_id}/cashouts"
        for round_number in range(20):
            voucher = await shop.caller.make(at, {"units": 10}, f"issue-{round_number}")
            counter.voucher = voucher
            verbs = ["redeem", "reserve"] * 4
            answers = await asyncio.gather(
                *(counter.at_order(verb, f"{round_number}-{n}") for n, verb in enumerate(verbs))
            )
            assert [answer.status_code for answer in answers].count(201) == 1
        await counter.is_sound()


async def test_f23_a_store_that_reserves_and_never_confirms_loses_its_promise_in_time(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        held = (await counter.at_order("reserve", "o-1", ttl_seconds=600)).json()
        caller.world.clock.advance(timedelta(seconds=599))
        assert code(await counter.at_order("redeem", "o-2")) == (422, "voucher_not_accepted")
        caller.world.clock.advance(timedelta(seconds=1))
        await run_due(caller.world.hub)
        assert (await counter.at_order("redeem", "o-2")).status_code == 201
        assert code(await counter.verb("commit", use_id=held["use_id"])) == (409, "use_released")
        await counter.is_sound()


async def test_f24_confirm_and_expiry_at_one_instant_end_as_exactly_one_of_the_two(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        chance = Random(24)
        for number in range(12):
            held = (await counter.at_order("reserve", f"o-{number}", ttl_seconds=60, amount_cents=10)).json()
            caller.world.clock.advance(timedelta(seconds=chance.choice((59, 60))))
            both = [counter.verb("commit", use_id=held["use_id"]), _worked(caller)]
            chance.shuffle(both)
            answers = [answer for answer in await asyncio.gather(*both) if answer is not None]
            [row] = await caller.world.read(t.voucher_use, use_id=held["use_id"])
            committed = answers[0].status_code == 200
            assert (row["spent_cents"], row["held_cents"]) == (10 if committed else 0, 0)
            assert row["state"] == ("committed" if committed else "expired")
        await counter.is_sound()


async def _worked(caller: Caller) -> None:
    await run_due(caller.world.hub)


async def test_f25_a_second_confirmation_and_a_late_release_hear_what_the_first_did(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        held = (await counter.at_order("reserve", "o-1")).json()
        first = await counter.verb("commit", use_id=held["use_id"], amount_cents=700)
        again = await counter.verb("commit", use_id=held["use_id"], amount_cents=700)
        assert again.json() == {**first.json(), "repeated": True}
        assert code(await counter.verb("commit", use_id=held["use_id"], amount_cents=800)) == (
            409, "use_committed",
        )  # fmt: skip
        assert code(await counter.verb("release", use_id=held["use_id"])) == (409, "use_committed")
        assert (await counter.shown())["spent_cents"] == 700
        await counter.is_sound()


async def test_f38_what_a_voucher_paid_earns_nothing_again(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        await counter.at_order("redeem", "o-1")
        before = await counter.available()
        said = counter.shop.sale("paid", gross_cents=10_000, cpf="529.982.247-25", discount_cents=1000)
        await counter.shop.caller.make("/v1/sales", said, "paid")
        assert await counter.available() - before == 135
        await caller.world.is_sound()


def test_a_guess_is_hopeless_and_a_typo_is_no_guess() -> None:
    drawn = Random(37)
    real = codes.new_code(drawn.randbytes)
    wrong = 0
    for place in range(codes.CODE_SIZE):
        for symbol in codes.ALPHABET:
            typed = real[:place] + symbol + real[place + 1 :]
            if typed == real:
                continue
            try:
                codes.read_code(typed)
            except codes.Mistyped:
                wrong += 1
    assert wrong == codes.CODE_SIZE * (len(codes.ALPHABET) - 1)
    assert len(codes.ALPHABET) ** (codes.CODE_SIZE - 1) > 2**74
