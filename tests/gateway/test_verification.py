"""`ponte ledger verify` names what is broken: every kind of damage that a row can take is told apart from health."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, update

from contracts.facts import Customer, Key, PaymentEvidence
from gateway.commands.ledger import verified
from gateway.store import tables as t
from gateway.verification import CHECKS, Report, verify
from gateway.vouchers.issuing import MemberWish, issue_for
from tests.gateway.world import NOW, Club, World, open_world

ANA, BIA = "52998224725", "11144477735"
Harm = Callable[[Connection, Club], object]


def payment(atk: str, cents: int, cpf: str, **more: object) -> PaymentEvidence:
    return PaymentEvidence.model_validate(
        {
            "keys": (Key("stone:atk", atk),),
            "captured_cents": cents,
            "method": "credit",
            "sold_at": NOW - timedelta(hours=1),
            "customer": Customer(document=cpf),
            "as_of": NOW,
            **more,
        }
    )


async def lived(world: World) -> Club:
    """A club with sales, a refund into debt, a cash-out, a prepaid partner whose pack is empty, and a stranger."""
    club = await world.club()
    await club.enrol(ANA)
    await club.enrol(BIA)
    await club.tell(
        payment("atk-1", 10_000, ANA), payment("atk-2", 5_000, BIA), payment("atk-3", 900, "39053344705")
    )
    await world.hub.submit(issue_for, MemberWish(club.admin, club.member_of[BIA], None, 350))
    await club.tell(payment("atk-2", 5_000, BIA, returned_cents=5_000, as_of=NOW + timedelta(minutes=1)))
    other = await club.partner(funding="prepaid")
    await other.tell(payment("atk-4", 7_000, ANA))
    return club


async def damaged(database_url: str, harm: Harm) -> Report:
    async with open_world(database_url) as world:
        club = await lived(world)

        def apply(_context: object, conn: Connection, items: list[None]) -> list[None]:
            harm(conn, club)
            return items

        await world.hub.submit(apply, None)  # type: ignore[arg-type]
        return await world.hub.read(lambda conn: verify(world.hub.context, conn))


async def test_a_ledger_that_lived_is_sound_beside_the_hub_that_writes_it(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        club = await lived(world)
        report = await verified(world.hub.settings)
        assert report.breaches == []
        assert (report.sound, report.programmes, report.sales_checked) == (True, 1, 4)
        assert await club.units("debt") == {BIA: -350}


async def test_a_limit_bounds_what_is_derived_again(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        await lived(world)
        assert (await verified(world.hub.settings, 2)).sales_checked == 2


DAMAGES: dict[str, tuple[set[str], Harm]] = {
    "a posting changed": (
        {"I1", "cache"},
        lambda conn, _: conn.execute(
            update(t.posting).where(t.posting.c.account == "available").values(units=1)
        ),
    ),
    "postings lost": (
        {"orphans", "cache"},
        lambda conn, _: conn.execute(delete(t.posting)),
    ),
    "movements lost": (
        {"orphans", "cache"},
        lambda conn, _: conn.execute(delete(t.movement)),
    ),
    "a movement that names nobody": (
        {"orphans"},
        lambda conn, _: conn.execute(update(t.movement).values(member_id=None)),
    ),
    "a balance changed": (
        {"cache"},
        lambda conn, club: conn.execute(
            update(t.balance)
            .where(t.balance.c.account_ref == club.member_of[ANA])
            .values(units=t.balance.c.units + 1)
        ),
    ),
    "a lot changed": (
        {"I3"},
        lambda conn, _: conn.execute(
            update(t.lot).values(remaining=t.lot.c.remaining + 1, issued=t.lot.c.issued + 1)
        ),
    ),
    "a voucher lost": (
        {"I4"},
        lambda conn, _: conn.execute(delete(t.voucher)),
    ),
    "an award posted beside its target": (
        {"posted", "I7"},
        lambda conn, _: conn.execute(
            update(t.award).where(t.award.c.units > 0).values(units=t.award.c.units + 1)
        ),
    ),
    "an award with another target": (
        {"posted", "evidence"},
        lambda conn, _: conn.execute(update(t.award).where(t.award.c.units > 0).values(target_units=1)),
    ),
    "awards lost": (
        {"I7", "evidence"},
        lambda conn, _: conn.execute(delete(t.award)),
    ),
    "a sale changed": (
        {"evidence"},
        lambda conn, _: conn.execute(update(t.sale).where(t.sale.c.units > 0).values(base_cents=1)),
    ),
    "the units of a sale changed": (
        {"evidence"},
        lambda conn, _: conn.execute(update(t.sale).where(t.sale.c.units > 0).values(units=1)),
    ),
    "evidence lost": (
        {"evidence"},
        lambda conn, _: conn.execute(delete(t.evidence)),
    ),
    "sales lost": (
        {"orphans"},
        lambda conn, _: conn.execute(delete(t.sale)),
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
async def test_damage_is_found_and_named(migrated_url: str, what: str) -> None:
    expected, harm = DAMAGES[what]
    report = await damaged(migrated_url, harm)
    assert not report.sound
    assert expected <= set(report.counts) <= set(CHECKS)
    assert all(breach.partition(":")[0] in CHECKS for breach in report.breaches)
