"""A daily limit couples the sales of one member and day; only what it changes is written."""

from gateway.store import tables as t
from tests.gateway.world import NOW, card_sale, later, open_world

ANA = "52998224725"


async def test_a_sale_beside_another_of_its_day_leaves_that_one_as_it_was(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        club = await world.club(daily_award_units=100)
        await club.enrol(ANA)
        await club.tell(card_sale(ANA, 1, later(hours=-2)))
        [first] = await club.rows(t.sale)
        world.clock.set(NOW.replace(minute=NOW.minute + 1))
        await club.tell(card_sale(ANA, 2, later(hours=-1)))

        assert await club.rows(t.sale, sale_id=first["sale_id"]) == [first]
        told = [row["subject_id"] for row in await club.rows(t.outbox) if row["kind"] == "sale.credited"]
        assert told.count(first["sale_id"]) == 1
        assert await club.units() == {ANA: 100}


async def test_an_earlier_sale_that_arrives_late_takes_its_place_in_the_limit(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        club = await world.club(daily_award_units=100)
        await club.enrol(ANA)
        for number, hours in ((1, -1), (2, -2), (3, -3)):
            await club.tell(card_sale(ANA, number, later(hours=hours)))

        by_time = sorted(await club.rows(t.sale), key=lambda row: row["sold_at"])
        assert [row["units"] for row in by_time] == [70, 30, 0]
        assert by_time[2]["reason"] == "daily_limit"
        assert await club.units() == {ANA: 100}
        assert await club.breaches() == []
