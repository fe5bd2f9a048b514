"""A policy is a version: what changes holds for what is sold from then on, and never for what was (R8)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.facts import PaymentEvidence
from gateway.access import PROGRAMME_SCOPES, Principal
from gateway.programmes.actions import ProgrammeChange, change
from gateway.programmes.queries import programme_row
from gateway.store import tables as t
from tests.gateway.caller import found, open_caller
from tests.gateway.world import NOW, Club, card_sale, later, open_world

ANA = "52998224725"
DAY = timedelta(days=1)


def payment(number: int, sold_at: datetime, **more: Any) -> PaymentEvidence:
    return card_sale(ANA, number, sold_at, captured_cents=10_000, **more)


async def changed(club: Club, **values: Any) -> None:
    hub = club.world.hub
    row = await hub.read(lambda conn: programme_row(conn, club.programme_id))
    by = Principal(club.programme_id, "key_test", PROGRAMME_SCOPES)
    await hub.submit(change, ProgrammeChange(by, row["version"], values))


@pytest.mark.parametrize(
    ("policy", "old_units", "new_units"),
    [
        ({"min_sale_cents": 50_000}, 350, 0),
        ({"max_base_cents": 1_000}, 350, 70),
        ({"max_award_units": 30}, 350, 30),
    ],
)
async def test_a_refund_of_an_old_sale_is_counted_by_the_policy_of_its_day(
    migrated_url: str, policy: dict[str, int], old_units: int, new_units: int
) -> None:
    async with open_world(migrated_url) as world:
        club = await world.club()
        await club.enrol(ANA)
        await club.tell(payment(1, later(hours=-1)))
        await changed(club, **policy)
        world.clock.set(NOW + DAY)
        await club.tell(payment(1, later(hours=-1), returned_cents=5_000, as_of=NOW + DAY))
        assert await club.units() == {ANA: old_units}
        await club.tell(payment(2, NOW + DAY))
        assert sum((await club.units()).values()) == old_units + new_units
        assert (await world.is_sound()).sales_checked, "nothing was derived again"


async def test_a_daily_limit_begins_with_the_next_day(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        club = await world.club()
        await club.enrol(ANA)
        await club.tell(payment(1, later(hours=-1)))
        await changed(club, daily_award_units=100)
        world.clock.set(NOW + DAY)
        await club.tell(payment(2, NOW + timedelta(minutes=1)))
        assert await club.units() == {ANA: 1_400}
        await club.tell(payment(3, NOW + DAY))
        assert await club.units() == {ANA: 1_500}
        assert (await world.is_sound()).sales_checked, "nothing was derived again"


async def test_what_waits_goes_on_waiting_by_the_policy_it_was_sold_under(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        club = await world.club(activation="after_days", activation_days=10)
        await club.enrol(ANA)
        await club.tell(payment(1, later(hours=-1)))
        await changed(club, activation="at_once", activation_days=0)
        await club.tell(payment(1, later(hours=-1), returned_cents=5_000, as_of=NOW))
        (sale,) = await club.rows(t.sale)
        assert (sale["state"], sale["units"], sale["pending"]) == ("pending", 350, 350)
        world.clock.set(NOW + DAY)
        await club.tell(payment(2, NOW + DAY))
        assert {row["state"] for row in await club.rows(t.sale)} == {"pending", "credited"}
        assert (await world.is_sound()).sales_checked, "nothing was derived again"


async def test_versions_are_kept_only_once_something_can_be_sold(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        said = {"name": "Clube", "unit": "points", "mode": "coalition", "min_sale_cents": 100}
        admin = caller.holding((await caller.make("/v1/programmes", said))["admin_key"]["key"])
        caller.world.clock.advance(DAY)
        assert (await admin.patch("/v1/programme", {"min_sale_cents": 200}, 1)).status_code == 200
        (draft,) = await caller.world.read(t.policy)
        assert '"min_sale_cents": 200' in draft["terms"]

        shop = await found(caller)
        for changes, versions in (
            ({"min_sale_cents": 1}, 2),
            ({"min_sale_cents": 1}, 2),
            ({"name": "Outro"}, 2),
        ):
            version = (await shop.caller.get("/v1/programme")).json()["version"]
            assert (await shop.caller.patch("/v1/programme", changes, version)).status_code == 200
            shown = (await shop.caller.get("/v1/programme")).json()
            assert shown["min_sale_cents"] == 1
            assert len(await caller.world.read(t.policy)) == 1 + versions
