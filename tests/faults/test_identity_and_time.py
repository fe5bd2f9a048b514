"""Rows F39 and F43 to F47: wrong people, wrong clocks and hostile dates, through the hub's own doors."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

from gateway.ports import Ids
from gateway.store import tables as t
from tests.faults.sender import ANA, BIA, DEVICE, Sender, open_sender
from tests.gateway.world import NOW

ZONE = ZoneInfo("America/Sao_Paulo")


async def stand_terminal(sender: Sender) -> str:
    """Install Stone and stand a terminal in the store; return its id."""
    return await sender.club.terminal(await sender.club.install("stone", {"account_id": "acc_1"}))


async def report(sender: Sender, terminal_id: str, at: str | None = None, **said: Any) -> httpx.Response:
    """Let the terminal report an approved payment of R$ 10,00."""
    fields = {"code": "0", "success": "true", "amount": "1000", "atk": said.pop("atk", "51000000000017")}
    fields |= {"authorizationdatetime": at} if at else {}
    answer = "ponte://pay-response?" + "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    body = json.dumps({"answer": answer, **said}).encode()
    proof = {**sender.signed(body, DEVICE, terminal_id), "content-type": "application/json"}
    return await sender.http.post("/v1/terminal/results", content=body, headers=proof)


@pytest.mark.parametrize(
    "document", ["529.982.247-26", "111.111.111-11", "52998224725x", "5299822472", "５２９９８２２４７２５"]
)
async def test_f39_f40_f41_a_sale_with_a_wrong_cpf_is_kept_unlinked_and_can_be_linked_later(
    migrated_url: str, document: str
) -> None:
    async with open_sender(migrated_url) as sender:
        told = await sender.tell(sender.payment(customer={"document": document}))
        (sale,) = told["sales"]
        assert (sale["units"], sale["reason"], told["ignored"]) == (0, "no_cpf", ["document_invalid"])
        assert await sender.club.rows(t.movement) == []
        refused = await sender.launch("wrong", cpf=document)
        assert (refused.status_code, document in refused.text) == (422, False)
        claim = {"key": {"kind": "stone:atk", "value": "1"}, "partner_id": sender.club.partner_id, "cpf": ANA}
        linked = await sender.ask("POST", "/v1/sales/claims", claim)
        assert (linked.status_code, linked.json()["units"]) == (201, 70), linked.text


async def test_f43_a_terminal_shows_a_mask_and_never_a_name_and_a_correction_keeps_both_trails(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        terminal_id = await stand_terminal(sender)
        answer = await report(sender, terminal_id, cpf=BIA)
        assert answer.status_code == 200, answer.text
        slip = "\n".join(answer.json()["slip"])
        assert "***" in slip
        assert BIA not in answer.text
        assert BIA[3:6] in slip
        sale_id = answer.json()["sale_id"]
        moved = await sender.ask("POST", "/v1/sales/owner", {"sale_id": sale_id, "cpf": ANA})
        assert moved.status_code == 201, moved.text
        (found,) = (await sender.ask("POST", "/v1/sales/lookup", {"sale_id": sale_id})).json()["data"]
        told = {(m["member_id"], m["units"]) for m in found["movements"]}
        ana, bia = sender.club.member_of[ANA], sender.club.member_of[BIA]
        pending_or_available = {(ana, 70), (bia, -70), (bia, 70)}
        assert told == pending_or_available


@pytest.mark.parametrize("hours", [1, 24 * 365 * 10])
async def test_f44_a_sale_or_statement_from_the_future_is_refused_and_tells_no_lie_for_ever(
    migrated_url: str, hours: int
) -> None:
    async with open_sender(migrated_url) as sender:
        future = (NOW + timedelta(hours=hours)).isoformat()
        for wrong in ({"as_of": future}, {"sold_at": future}):
            told = await sender.tell(sender.payment(cents=9000, **wrong))
            assert (told["sales"], told["ignored"]) == ([], ["future_sale"])
        launched = await sender.launch("future", cpf=ANA, sold_at=future)
        assert (launched.status_code, launched.json()["code"]) in {(422, "invalid"), (422, "future_sale")}
        assert await sender.club.rows(t.evidence) == []
        (sale,) = (await sender.tell(sender.payment()))["sales"]
        assert sale["units"] == 70


async def test_f44_a_terminal_with_a_wrong_clock_is_told_so_and_given_the_hour(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        terminal_id = await stand_terminal(sender)
        clock = sender.club.world.clock
        for wrong in (timedelta(days=3650), timedelta(minutes=-6)):
            body, right = b"{}", clock()
            clock.set(right + wrong)
            proof = {**sender.signed(body, DEVICE, terminal_id), "content-type": "application/json"}
            clock.set(right)
            answer = await sender.http.post("/v1/terminal/results", content=body, headers=proof)
            assert (answer.status_code, answer.json()["code"]) == (401, "stale_timestamp")
        assert await sender.club.rows(t.nonce) == []


def test_f45_ids_keep_growing_while_the_clock_steps_back() -> None:
    hours = iter([NOW, NOW - timedelta(hours=1), NOW - timedelta(days=400), NOW + timedelta(milliseconds=1)])
    ids = Ids(lambda: next(hours), bytes)
    made = [ids.new("sal") for _ in range(4)]
    assert made == sorted(set(made))


async def test_f45_a_clock_that_steps_back_loses_no_sale_and_credits_none_twice(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        clock = sender.club.world.clock
        await sender.tell(sender.payment(ref="before"))
        clock.advance(timedelta(hours=-1))
        said = sender.payment(ref="after")
        assert [(await sender.tell(said))["sales"][0]["units"] for _ in range(2)] == [70, 70]
        assert await sender.club.units() == {ANA: 140}
        assert await sender.club.breaches() == []


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("04/11/2018 00:30:00", datetime(2018, 11, 4, 3, 30, tzinfo=UTC)),  # a midnight that never was
        ("17/02/2018 23:30:00", datetime(2018, 2, 18, 1, 30, tzinfo=UTC)),  # twice: the earlier
        ("29/02/2024 23:59:59", datetime(2024, 3, 1, 2, 59, 59, tzinfo=UTC)),
        ("31/12/2025 23:59:59", datetime(2026, 1, 1, 2, 59, 59, tzinfo=UTC)),
    ],
)
async def test_f46_the_local_time_of_a_terminal_becomes_the_instant_it_means_in_its_stores_zone(
    migrated_url: str, local: str, utc: datetime
) -> None:
    async with open_sender(migrated_url) as sender:
        answer = await report(sender, await stand_terminal(sender), at=local)
        assert answer.status_code == 200, answer.text
        (sale,) = await sender.club.rows(t.sale)
        assert sale["sold_at"] == utc
        assert sale["sold_on"] == utc.astimezone(ZONE).date()


HOSTILE_TIMES = (
    "31/12/2025 23:59:60", "00/00/0000 00:00:00", "29/02/2025 12:00:00", "31/12/9999 23:59:59", "01/01/0001 00:00:00",
    "1700000000", "1700000000000",
)  # fmt: skip
HOSTILE_INSTANTS = (
    "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-12:00", "2025-12-31T23:59:60Z", "2026-03-30", "1700000000",
    "1700000000000", "2026-03-30T10:00:00", "2026-02-30T10:00:00Z", "2026-03-30T10:00:00+99:00", "",
)  # fmt: skip


async def test_f47_a_hostile_local_time_is_refused_and_never_an_internal_error(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        terminal_id = await stand_terminal(sender)
        for local in HOSTILE_TIMES:
            answer = await report(sender, terminal_id, at=local)
            assert answer.status_code == 422, (local, answer.text)
        assert await sender.club.rows(t.evidence) == []


async def test_f47_a_hostile_instant_is_refused_or_parked_and_never_an_internal_error(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        for instant in (*HOSTILE_INSTANTS, 1700000000, 1e300, None, True):
            launched = await sender.launch("hostile", cpf=ANA, sold_at=instant)
            assert launched.status_code in {400, 422}, (instant, launched.text)
            delivered = await sender.send(
                json.dumps({"facts": [{**sender.payment(), "as_of": instant}]}).encode()
            )
            # Digits in quotes are read as Unix time, in seconds or milliseconds by their size (pydantic's rule).
            unix = isinstance(instant, str) and instant.isdigit()
            assert delivered.status_code == (200 if unix else 202), (instant, delivered.text)
        assert len(await sender.club.rows(t.evidence)) == 1, "the same instant twice is the same statement"


async def test_f47_a_rate_holds_from_its_first_microsecond_and_not_before(migrated_url: str) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=ZONE).astimezone(UTC)
    rates = ((datetime(2020, 1, 1, tzinfo=UTC), 7_000_000), (midnight, 14_000_000))
    async with open_sender(migrated_url, rates=rates) as sender:
        told = {}
        for name, at in (("last", midnight - timedelta(microseconds=1)), ("first", midnight)):
            (sale,) = (await sender.tell(sender.payment(ref=name, sold_at=at.isoformat())))["sales"]
            told[name] = sale["units"]
        assert told == {"last": 70, "first": 140}
