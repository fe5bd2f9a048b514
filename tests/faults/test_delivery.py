"""Rows F01 to F17: duplication, reordering, poison and storms, through the hub's own doors on both databases."""

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from pydantic import BaseModel

from contracts.connector import Connector, Webhook
from contracts.errors import Malformed
from contracts.facts import Facts, Key, PaymentEvidence
from contracts.http import Delivery
from contracts.signatures import Unsigned
from gateway import intake
from gateway.store import tables as t
from tests.faults.sender import ANA, BIA, Sender, body_of, open_sender
from tests.gateway.world import MERCHANT, NOW, open_world
from tests.loyalty.history import generate

LEDGER = (t.movement, t.posting, t.lot, t.award, t.sale, t.evidence, t.outbox)


async def sizes(sender: Sender) -> list[int]:
    """Return how many rows the ledger and everything beside it has."""
    return [len(await sender.club.rows(table)) for table in LEDGER]


async def test_f01_the_same_delivery_twice_hears_the_same_answer_and_writes_nothing(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        body = body_of(sender.payment())
        first = await sender.send(body)
        before = await sizes(sender)
        second = await sender.send(body)
        assert (first.status_code, first.json()["sales"][0]["units"]) == (200, 70)
        assert (second.status_code, second.content) == (200, first.content)
        assert await sizes(sender) == before


async def test_f02_the_same_delivery_fifty_times_at_once_has_one_effect(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for n in range(40):
            body = body_of(sender.payment(ref=f"round-{n}"))
            answers = await asyncio.gather(*(sender.send(body) for _ in range(50)))
            assert {answer.status_code for answer in answers} == {200}, f"round {n}"
            assert len({answer.content for answer in answers}) == 1, f"round {n}"
        assert await sender.club.units() == {ANA: 40 * 70}
        assert len(await sender.club.rows(t.movement)) == 40
        assert await sender.club.breaches() == []


async def test_f03_a_new_delivery_id_for_the_same_sale_credits_nothing(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        said = sender.payment()
        await sender.tell(said)
        before = await sizes(sender)
        again = await sender.send(json.dumps({"facts": [said]}, indent=3).encode())
        assert again.json()["sales"][0]["units"] == 70
        assert await sizes(sender) == before
        # The same payment, told with a later date by the same source: known better, earned once.
        await sender.tell(sender.payment(as_of=(NOW + timedelta(minutes=5)).isoformat()))
        assert await sender.club.units() == {ANA: 70}


async def test_f04_different_messages_racing_for_one_sale_end_at_the_same_cents(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        await sender.club.install()
        hour = timedelta(hours=1)
        orders = list(permutations(range(4)))
        for n, order in enumerate(orders):
            said = [
                sender.payment(ref=f"race-{n}"),
                sender.payment(ref=f"race-{n}", as_of=(NOW - hour).isoformat(), returned_cents=100),
                sender.payment(ref=f"race-{n}", customer=None, returned_cents=400),
                sender.payment(ref=f"race-{n}", customer={"document": BIA}, trust="declared"),
            ]
            await asyncio.gather(*(sender.tell(said[place]) for place in order))
        earned = {ANA: 42 * len(orders)}
        assert await sender.club.units() == earned
        assert await sender.club.breaches() == []


async def test_f05_the_same_launch_with_other_content_is_refused_and_the_first_stands(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        first = await sender.launch("nota-1", cpf=ANA)
        before = await sizes(sender)
        other = await sender.launch("nota-1", cpf=ANA, gross_cents=9000)
        assert (first.status_code, other.status_code) == (201, 409), other.text
        assert (other.json()["code"], other.json()["first"]["gross_cents"]) == ("launch_conflict", 1000)
        assert await sizes(sender) == before


async def test_f05_of_two_contradicting_statements_the_newer_rules_and_both_are_kept(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        await sender.tell(sender.payment(cents=2000))
        older = (NOW - timedelta(hours=1)).isoformat()
        await sender.tell(sender.payment(cents=9000, as_of=older))
        assert await sender.club.units() == {ANA: 140}
        assert len(await sender.club.rows(t.evidence)) == 2


async def test_f06_a_cancel_before_its_sale_needs_no_replay(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        cancel = sender.payment(cents=None, returned_cents=400)
        (unseen,) = (await sender.tell(cancel))["sales"]
        assert (unseen["units"], unseen["state"]) == (0, "none")
        assert await sender.club.rows(t.movement) == []
        (sale,) = (await sender.tell(sender.payment()))["sales"]
        assert (sale["units"], sale["state"]) == (42, "credited")
        assert len(await sender.club.rows(t.movement)) == 1


class PoisonConfig(BaseModel):
    """Nothing to set."""


def _swallow(delivery: Delivery, _config: PoisonConfig) -> Facts:
    if delivery.body == b"poison":
        raise ZeroDivisionError
    if delivery.body.startswith(b"unread"):
        raise Malformed("body: nobody can read this")
    at = delivery.received_at
    assert at is not None
    key = Key("stone:atk", delivery.body.decode())
    said = PaymentEvidence(keys=(key,), captured_cents=1000, sold_at=at, as_of=at, merchant_ref=MERCHANT)
    # What no database can hold, and what no connector can say but by a defect.
    return [said.model_copy(update={"captured_cents": 10**30})] if delivery.body == b"unstorable" else [said]


poisonable = Connector(
    slug="poisonable",
    name="Envenenável",
    config=PoisonConfig,
    docs="none",
    trusts=("signed",),
    webhook=Webhook(signature=lambda _config: Unsigned("a test of what comes after"), receive=_swallow),
)


async def test_f12_a_poisoned_message_is_parked_and_its_neighbours_go_on(migrated_url: str) -> None:
    async with open_sender(migrated_url, poisonable) as sender:
        poisoned = await sender.club.install("poisonable", {"unused": 0})
        bodies = [f"sale-{n}".encode() for n in range(60)]
        bodies[10], bodies[20], bodies[40] = b"unstorable", b"poison", b"unread"
        answers = await asyncio.gather(
            *(sender.http.post(f"/in/{poisoned}", content=body) for body in bodies)
        )
        told = [(answer.status_code, answer.json()["outcome"]) for answer in answers]
        assert [n for n in range(60) if told[n] == (202, "parked")] == [10, 20, 40]
        assert told.count((200, "recorded")) == 57
        parked = await sender.club.rows(t.delivery, state="parked")
        assert {row["reason"] for row in parked} == {
            "intake_bug",
            "connector_bug",
            "body: nobody can read this",
        }
        assert len(await sender.club.rows(t.sale)) == 57


async def test_f12_what_was_parked_and_is_sent_again_when_it_can_be_read_is_applied_once(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_sender(migrated_url, poisonable) as sender:
        installed = await sender.club.install("poisonable", {"unused": 0})
        first = await sender.http.post(f"/in/{installed}", content=b"unread-1")
        again = await sender.http.post(f"/in/{installed}", content=b"unread-1")
        assert (first.status_code, again.content) == (202, first.content)
        mended = Delivery(b"mended")
        receive = poisonable.webhook.receive if poisonable.webhook else None
        assert receive is not None
        known = await sender.club.world.hub.installed(installed)
        assert known is not None
        hashed = known.keys.content_hash(b"unread-1")
        facts = receive(Delivery(mended.body, received_at=NOW), PoisonConfig())
        inbound = intake.Inbound(
            intake.Source(known.programme_id, known.partner_id, installed, known.store_id, "signed"),
            tuple(facts), NOW,  # type: ignore[arg-type]  # facts, no plan
            b"unread-1", hashed,
        )  # fmt: skip
        outcome = await sender.club.world.hub.submit(intake.apply, inbound)
        (row,) = await sender.club.rows(t.delivery)
        assert (row["state"], row["delivery_id"]) == ("done", first.json()["delivery_id"])
        assert outcome.answer["delivery_id"] == first.json()["delivery_id"]
        assert len(await sender.club.rows(t.sale)) == 1


async def test_f13_a_storm_is_taken_or_refused_with_a_retry_hint_and_nothing_is_half_stored(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        committer = sender.club.world.hub.store._committer
        committer._queue_max = 25
        bodies = [body_of(sender.payment(ref=f"storm-{n}")) for n in range(400)]
        answers = await asyncio.gather(*(sender.send(body) for body in bodies))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 0 < len(refused) < 400
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "busy")}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        taken = 400 - len(refused)
        assert len(await sender.club.rows(t.sale)) == len(await sender.club.rows(t.delivery)) == taken
        committer._queue_max = 1000
        again = await asyncio.gather(*(sender.send(body) for body in bodies))
        assert {answer.status_code for answer in again} == {200}
        assert await sender.club.units() == {ANA: 400 * 70}


async def test_f14_a_sender_that_hung_up_before_our_answer_sends_again_and_hears_it(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        bodies = [body_of(sender.payment(ref=f"gone-{n}")) for n in range(30)]
        for body in bodies:
            waiting = asyncio.ensure_future(sender.send(body))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        answers = [await sender.send(body) for body in bodies]
        assert {answer.json()["sales"][0]["units"] for answer in answers} == {70}
        assert await sender.club.units() == {ANA: 30 * 70}
        assert len(await sender.club.rows(t.movement)) == 30


async def test_f15_a_batch_with_a_bad_item_is_parked_whole_and_its_correction_doubles_nothing(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        good = [sender.payment(ref=f"good-{n}") for n in range(3)]
        await sender.tell(good[0])
        bad = await sender.send(body_of(*good, sender.payment(ref="bad", captured_cents=-1)))
        assert (bad.status_code, bad.json()["outcome"]) == (202, "parked")
        assert bad.json()["reason"] == "facts.3.payment.captured_cents: greater_than_equal"
        assert await sender.club.units() == {ANA: 70}
        corrected = await sender.tell(*good, sender.payment(ref="bad", cents=1))
        assert [sale["units"] for sale in corrected["sales"]] == [70, 70, 70, 0]
        assert await sender.club.units() == {ANA: 210}


async def test_f15_an_item_that_is_refused_for_itself_leaves_the_others_their_outcomes(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        future = (NOW + timedelta(days=400)).isoformat()
        told = await sender.tell(
            sender.payment(ref="before"),
            sender.payment(ref="wrong", as_of=future),
            sender.payment(ref="after"),
        )
        assert [sale["units"] for sale in told["sales"]] == [70, 70]
        assert told["ignored"] == ["future_sale"]


async def test_f16_an_old_event_earns_by_the_rate_of_its_own_day(migrated_url: str) -> None:
    long_ago = datetime(2021, 5, 4, 12, tzinfo=UTC)
    rates = ((datetime(2020, 1, 1, tzinfo=UTC), 7_000_000), (datetime(2022, 1, 1, tzinfo=UTC), 1_000_000))
    async with open_sender(migrated_url, rates=rates, late_match_days=30) as sender:
        at = long_ago.isoformat()
        (old,) = (await sender.tell(sender.payment(ref="old", sold_at=at, as_of=at)))["sales"]
        (new,) = (await sender.tell(sender.payment(ref="new")))["sales"]
        assert (old["units"], new["units"]) == (70, 10)
        before = datetime(2019, 12, 31, tzinfo=UTC).isoformat()
        (older,) = (await sender.tell(sender.payment(ref="older", sold_at=before, as_of=before)))["sales"]
        assert (older["units"], older["reason"]) == (0, "no_rate")


async def test_f16_a_sale_of_a_programme_that_is_not_active_is_kept_and_earns_nothing(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url, active=False) as sender:
        (sale,) = (await sender.tell(sender.payment()))["sales"]
        assert (sale["units"], sale["reason"]) == (0, "programme_inactive")
        assert len(await sender.club.rows(t.evidence)) == 1
        assert await sender.club.rows(t.movement) == []


async def test_f17_of_statements_with_one_timestamp_the_same_wins_in_every_order(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        bases = []
        for order in permutations((1000, 2000, 3000)):
            club = await world.club()
            for cents in order:
                said = PaymentEvidence(
                    keys=(Key("stone:atk", "tie"),), captured_cents=cents, sold_at=NOW, as_of=NOW
                )
                told = club.inbound([said])
                # Without a store of its own the statement is the same in every club.
                await world.hub.submit(
                    intake.apply, replace(told, source=replace(told.source, store_id=None))
                )
            bases += [row["base_cents"] for row in await club.rows(t.sale)]
        assert len(bases) == 6
        assert len(set(bases)) == 1


async def test_f01_every_delivery_of_generated_days_doubled_ends_at_the_same_balances(
    migrated_url: str,
) -> None:
    async with open_world(migrated_url) as world:
        for seed in range(70_000, 70_006):
            once, twice = await world.club(), await world.club()
            for club in (once, twice):
                for cpf in (ANA, BIA):
                    await club.enrol(cpf)
            for d in generate(seed).deliveries:
                for club in (once, twice, twice):
                    await club.tell(
                        *d.facts, trust=d.trust, source=f"ins_{d.source}", covers=d.source == "file"
                    )
            assert await once.units() == await twice.units(), f"seed {seed}"
            assert len(await once.rows(t.movement)) == len(await twice.rows(t.movement)), f"seed {seed}"
