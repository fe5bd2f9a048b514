"""Rows F18 to F20, F26 to F36 and F38: money, returns and limits, through the hub's own doors on both databases."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.stone.connector import connector as stone
from adapters.stone.settings import StoneConfig
from contracts.errors import Malformed
from contracts.facts import Ignored, PaymentEvidence
from contracts.http import Delivery
from contracts.money import CENTS_MAX
from gateway.store import tables as t
from gateway.vouchers.issuing import Issued, MemberWish, issue_for
from loyalty.award import AWARD_MAX
from loyalty.refusals import Refusal
from tests.faults.sender import ANA, BIA, Sender, body_of, open_sender
from tests.gateway.world import NOW

SAMPLES = Path(__file__).parents[2] / "adapters/stone/samples"


async def held(sender: Sender, cpf: str = ANA) -> tuple[int, int]:
    """Return what a member has available and owes."""
    return (await sender.club.units()).get(cpf, 0), (await sender.club.units("debt")).get(cpf, 0)


async def cash_out(sender: Sender, units: int, cpf: str = ANA) -> Issued | Refusal:
    asked = MemberWish(sender.club.admin, sender.club.member_of[cpf], None, units)
    answer = await sender.club.world.hub.submit(issue_for, asked)
    assert isinstance(answer, Issued | Refusal)
    return answer


async def minutes_later(sender: Sender, **payment: Any) -> dict[str, Any]:
    """Let a minute pass, then state the payment anew; return its sale."""
    sold_at = sender.now() if not await sender.club.rows(t.sale) else NOW.isoformat()
    sender.club.world.clock.advance(timedelta(minutes=1))
    (sale,) = (await sender.tell(sender.payment(**{"sold_at": sold_at, **payment})))["sales"]
    told: dict[str, Any] = sale
    return told


async def test_f18_a_sale_cancelled_after_its_points_were_spent_becomes_a_debt_that_the_next_sale_pays(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        await minutes_later(sender)
        assert isinstance(await cash_out(sender, 60), Issued)
        await minutes_later(sender, returned_cents=1000)
        assert await held(sender) == (0, -60)
        assert await cash_out(sender, 1) == Refusal("debt_outstanding")
        await sender.tell(sender.payment(ref="next", cents=2000))
        assert await held(sender) == (80, 0)
        assert await sender.club.breaches() == []


async def test_f19_a_chargeback_after_spending_is_a_debt_and_its_reinstatement_restores_exactly(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        await minutes_later(sender)
        await cash_out(sender, 70)
        await minutes_later(sender, charged_back_cents=1000)
        assert await held(sender) == (0, -70)
        await minutes_later(sender, charged_back_cents=1000, reinstated_cents=1000)
        assert await held(sender) == (0, 0)
        # Two chargebacks of one sale never take more than was captured.
        sale = await minutes_later(sender, charged_back_cents=5000, reinstated_cents=1000)
        assert sale["units"] == 0
        assert await held(sender) == (0, -70)
        assert await sender.club.breaches() == []


async def test_f20_many_partial_refunds_telescope_to_zero_and_never_below(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        await minutes_later(sender, cents=997)
        given, random = 0, Random(20)
        while given < 997:
            given = min(997, given + random.randint(1, 90))
            sale = await minutes_later(sender, cents=997, returned_cents=given)
            assert sale["units"] == (997 - given) * 7 // 100, given
        beyond = await minutes_later(sender, cents=997, returned_cents=2000)
        assert (beyond["units"], await held(sender)) == (0, (0, 0))
        refund_taken_back = await minutes_later(sender, cents=997, returned_cents=100)
        assert refund_taken_back["units"] == 0, "what was given back only grows"
        assert await sender.club.breaches() == []


async def test_f26_of_sixteen_who_spend_the_last_points_at_once_one_succeeds(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for n in range(20):
            await sender.tell(sender.payment(ref=f"last-{n}"))
            answers = await asyncio.gather(*(cash_out(sender, 70) for _ in range(16)))
            assert [isinstance(answer, Issued) for answer in answers].count(True) == 1
            assert {answer for answer in answers if isinstance(answer, Refusal)} == {
                Refusal("insufficient_balance")
            }
        assert await held(sender) == (0, 0)
        assert await sender.club.breaches() == []


async def test_f27_a_rate_that_changes_later_changes_no_sale_of_before(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        await minutes_later(sender)
        club = sender.club
        changed_at = sender.club.world.clock.advance(timedelta(hours=1))
        ours = {"programme_id": club.programme_id, "partner_id": club.partner_id, "valid_until": None}
        await club.world.lay(
            (t.rate, {**ours, "rate_micro": 1_000_000, "valid_from": changed_at, "recorded_at": changed_at})
        )
        refunded = await minutes_later(sender, returned_cents=500)
        (fresh,) = (await sender.tell(sender.payment(ref="after")))["sales"]
        assert (refunded["units"], fresh["units"]) == (35, 10)
        awards = {row["units"]: json.loads(row["terms"])["rate_micro"] for row in await club.rows(t.award)}
        assert awards == {35: 7_000_000, 10: 1_000_000}


async def test_f28_an_amount_that_no_sale_can_have_is_refused_or_parked(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for cents in (0, -1, CENTS_MAX + 1, 10**30):
            refused = await sender.launch("hostile", gross_cents=cents)
            assert refused.status_code in {400, 422}, refused.text
            delivered = await sender.send(body_of(sender.payment(cents=cents)))
            assert delivered.status_code == (200 if cents == 0 else 202), delivered.text
        assert await sender.club.rows(t.movement) == []


async def test_f29_what_is_no_number_is_refused_and_never_an_internal_error(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for written in ("NaN", "Infinity", "-Infinity", "1e400", "-0", "-0.0"):
            await _refused_as_amount(sender, written)


async def test_f30_an_amount_in_another_writing_is_refused_and_never_guessed(migrated_url: str) -> None:
    texts = ("1000", "1_000", "١٢", " 1 ", "1000,00", "1e5")
    async with open_sender(migrated_url) as sender:
        for written in ("true", "1000.0", "1e3", "null", "[1000]", "00010", *map(json.dumps, texts)):
            await _refused_as_amount(sender, written)


async def test_f31_reais_where_centavos_stand_are_refused_on_every_way_in(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for written in ("10.5", "10.50", "10.00", "10e0", '"10.50"', '"10,50"', '"R$ 10,50"'):
            await _refused_as_amount(sender, written)


@pytest.mark.parametrize("reais", [45.9, "45.90", "45,90", "4590"])
def test_f31_a_vendor_that_turns_to_reais_is_malformed_not_a_hundredth(reais: object) -> None:
    body: Any = _dollars("charge_paid.http")
    body["data"]["amount"] = body["data"]["paid_amount"] = reais
    assert stone.webhook is not None
    with pytest.raises(Malformed, match="amount"):
        stone.webhook.receive(
            Delivery(json.dumps(body).encode()), StoneConfig(account_id=body["account"]["id"])
        )


async def _refused_as_amount(sender: Sender, written: str) -> None:
    launch = {
        "launch_ref": "x",
        "partner_id": sender.club.partner_id,
        "gross_cents": "@",
        "sold_at": sender.now(),
    }
    body = json.dumps(launch).replace('"@"', written).encode()
    answer = await sender.ask("POST", "/v1/sales", body, **{"idempotency-key": "k"})
    assert answer.status_code in {400, 422}, (written, answer.text)
    assert len(answer.content) <= 4096
    said = sender.payment(captured_cents="@")
    delivered = await sender.send(json.dumps({"facts": [said]}).replace('"@"', written).encode())
    # To JSON -0 is the integer 0, and a cancel row may leave its amount open: both are read, and earn nothing.
    status = 200 if written in {"null", "-0"} else 400 if written.endswith(("NaN", "Infinity")) else 202
    assert delivered.status_code == status, (written, delivered.text)
    assert await sender.club.rows(t.movement) == []


def _dollars(sample: str) -> Mapping[str, Any]:
    body: dict[str, Any] = json.loads((SAMPLES / sample).read_text().split("\n\n", 1)[1])
    return body


@pytest.mark.parametrize("currency", ["USD", "ARS", "brl ", ""])
def test_f33_money_that_is_not_brl_earns_nothing_and_says_why(currency: str) -> None:
    body: Any = _dollars("charge_paid.http")
    config = StoneConfig(account_id=body["account"]["id"])
    assert stone.webhook is not None
    home = stone.webhook.receive(Delivery(json.dumps(body).encode()), config)
    body["data"]["currency"] = currency
    foreign = stone.webhook.receive(Delivery(json.dumps(body).encode()), config)
    assert [type(fact) for fact in home] == [PaymentEvidence]
    assert foreign == [Ignored(reason="currency_not_brl")]


async def test_f34_the_largest_sale_at_the_largest_rates_fits_both_databases(migrated_url: str) -> None:
    largest = ((datetime(2020, 1, 1, tzinfo=UTC), 10**12),)
    async with open_sender(migrated_url, rates=largest) as sender:
        club, at = sender.club, NOW - timedelta(days=1)
        version = {"category_id": "cat", "name": "Ouro", "multiplier_milli": 100_000, "valid_days": None}
        await club.world.lay(
            (t.category, {**version, "programme_id": club.programme_id, "valid_from": at, "recorded_at": at})
        )
        told = await sender.tell(*(sender.payment(ref=f"huge-{n}", cents=CENTS_MAX) for n in range(100)))
        assert {sale["units"] for sale in told["sales"]} == {AWARD_MAX}
        assert await held(sender) == (100 * AWARD_MAX, 0)
        back = await sender.tell(sender.payment(ref="huge-0", cents=CENTS_MAX, returned_cents=CENTS_MAX))
        assert back["sales"][0]["units"] == 0
        assert await held(sender) == (99 * AWARD_MAX, 0)


async def test_f35_many_small_sales_drift_by_less_than_one_unit_each(migrated_url: str) -> None:
    async with open_sender(migrated_url, rates=((datetime(2020, 1, 1, tzinfo=UTC), 1_333_333),)) as sender:
        random = Random(35)
        amounts = [random.randint(1, 400) for _ in range(400)]
        told = await sender.tell(*(sender.payment(ref=f"small-{n}", cents=c) for n, c in enumerate(amounts)))
        for cents, sale in zip(amounts, told["sales"], strict=True):
            exact = Fraction(cents * 1_333_333, 100_000_000)
            assert sale["units"] <= exact < sale["units"] + 1, cents
        assert (await held(sender))[0] == sum(sale["units"] for sale in told["sales"])


async def test_f36_a_sale_moved_to_another_cpf_takes_its_later_refunds_along(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        sale = await minutes_later(sender)
        moved = await sender.ask("POST", "/v1/sales/owner", {"sale_id": sale["sale_id"], "cpf": BIA})
        assert (moved.status_code, moved.json()["units"]) == (201, 70), moved.text
        assert (await held(sender, ANA), await held(sender, BIA)) == ((0, 0), (70, 0))
        await minutes_later(sender, returned_cents=500)
        assert (await held(sender, ANA), await held(sender, BIA)) == ((0, 0), (35, 0))
        kinds = [row["kind"] for row in await sender.club.rows(t.movement)]
        assert kinds == ["accrual", "owner_change", "reversal"], "the history is kept"
        back = await sender.ask("POST", "/v1/sales/owner", {"sale_id": sale["sale_id"], "cpf": ANA})
        assert (back.json()["units"], await held(sender, ANA), await held(sender, BIA)) == (
            35,
            (35, 0),
            (0, 0),
        )


async def test_f38_what_was_paid_with_loyalty_earns_nothing(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        part = await sender.launch("part", cpf=ANA, paid_with_loyalty_cents=400)
        whole = await sender.launch("whole", cpf=ANA, paid_with_loyalty_cents=1000)
        assert (part.json()["units"], whole.json()["units"]) == (42, 0)
        assert await held(sender) == (42, 0)
