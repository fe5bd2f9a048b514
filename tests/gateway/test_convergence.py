"""Convergence through the hub's own door, on real databases: whatever arrives in whatever order, the ledger is the truth.

A failure names its seed: `generate(seed)` of `tests/loyalty/history.py` is the whole counter-example.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time
from itertools import permutations
from random import Random

import pytest

from gateway.store import tables as t
from loyalty.sales import Sale
from tests.gateway.world import EPOCH, Club, World, open_world
from tests.loyalty import oracle
from tests.loyalty.desk import from_scratch, units_of
from tests.loyalty.history import CPFS, RATES, ZONE, Delivery, History, generate

RATES_AT = [(EPOCH, RATES[0][1]), *((datetime.combine(day, time(), ZONE), micro) for day, micro in RATES[1:])]
TOGETHER = 40
"""Cases that run at once, each in a programme of its own: their deliveries share transactions."""

Line = tuple[str | None, int, tuple[str, ...], str | None, str]
"""What a sale comes to: owner, units, flags, reason, state."""


def truth(history: History) -> dict[str, int]:
    return oracle.points(history, RATES, ZONE)


async def told(club: Club, batch: Sequence[Delivery]) -> None:
    """Tell one batch at once; the committer makes it one transaction, with what other cases tell."""
    await asyncio.gather(*(
        club.tell(*d.facts, trust=d.trust, source=f"ins_{d.source}", covers=d.source == "file") for d in batch
    ))  # fmt: skip


async def played(world: World, received: Sequence[Delivery], random: Random) -> Club:
    """Tell `received` in batches of random size; each member registers before, between or after them."""
    club = await world.club(RATES_AT)
    left = list(received)
    enrolments = {cpf: random.choice((0, 0, random.randint(0, len(left)))) for cpf in CPFS}
    while left or enrolments:
        for cpf in [cpf for cpf, after in enrolments.items() if len(received) - len(left) >= after]:
            del enrolments[cpf]
            await club.enrol(cpf)
        size = random.choice((1, 1, 2, 3, 8, 20))
        batch, left = left[:size], left[size:]
        await told(club, batch)
    return club


def line(sale: Sale) -> Line:
    """What the hub should say of a converged sale."""
    units = units_of(sale) if sale.owner and not sale.reason else 0
    silent = "no_cpf" if sale.owner is None else None if units else "rounds_to_zero"
    return (sale.owner, units, sale.flags, sale.reason or silent, "credited" if units else "none")


async def lines(club: Club) -> Counter[Line]:
    """What the hub says of its sales."""
    cpf_of = {club.keys.blind_index(cpf): cpf for cpf in CPFS}
    return Counter(
        (cpf_of.get(row["owner"]), row["units"], tuple(json.loads(row["flags"])), row["reason"], row["state"])
        for row in await club.rows(t.sale)
        if row["state"] != "merged"
    )


async def check_end(club: Club, history: History, received: Sequence[Delivery], case: str) -> None:
    """Balances, lots, owners, flags and states are those of the truth, and the books hold."""
    true = truth(history)
    assert await club.units() == true, case
    lots: Counter[str] = Counter()
    for lot in await club.rows(t.lot):
        lots[lot["member_id"]] += lot["remaining"]
    assert {cpf: lots[member] for cpf, member in club.member_of.items() if lots[member]} == true, case
    assert await lines(club) == Counter(map(line, from_scratch(received))), case
    assert await club.breaches() == [], case


async def check_repeats(club: Club, received: Sequence[Delivery], random: Random, case: str) -> None:
    """Telling everything again writes no movement, no evidence and no event."""
    tables = (t.movement, t.posting, t.evidence, t.sale, t.outbox)
    before = [len(await club.rows(table)) for table in tables]
    again = random.sample(list(received), k=len(received))
    await told(club, again)
    assert [len(await club.rows(table)) for table in tables] == before, case


async def shuffled(world: World, seed: int, *, purchases: int) -> None:
    random = Random(seed)
    history = generate(seed, purchases=purchases)
    received = history.received(random)
    case = f"seed {seed}, {purchases} purchases"
    club = await played(world, received, random)
    await check_end(club, history, received, case)
    if seed % 10 == 0:
        await check_repeats(club, received, random, case)


async def in_groups(world: World, seeds: range, *, purchases: int) -> int:
    """Return how many histories ended at their truth; the first that does not fails."""
    ended = 0
    for first in range(seeds.start, seeds.stop, TOGETHER):
        group = range(first, min(first + TOGETHER, seeds.stop))
        ended += len(await asyncio.gather(*(shuffled(world, seed, purchases=purchases) for seed in group)))
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 2_000, 500))
async def test_two_thousand_shuffles_with_duplicates_end_at_the_truth(migrated_url: str, first: int) -> None:
    """On PostgreSQL 300 of them."""
    seeds = range(first, first + (500 if migrated_url.startswith("sqlite") else 75))
    async with open_world(migrated_url) as world:
        assert await in_groups(world, seeds, purchases=1) == len(seeds)


async def test_days_of_several_purchases_end_at_the_truth(migrated_url: str) -> None:
    async with open_world(migrated_url) as world:
        assert await in_groups(world, range(50_000, 50_060), purchases=3) == 60


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "every"), [(60_008, 1), (60_028, 6)])
async def test_every_permutation_of_six_deliveries_ends_at_the_truth(
    migrated_url: str, seed: int, every: int
) -> None:
    """On PostgreSQL, and of the longer history, some of them."""
    history = generate(seed, purchases=1)
    received = history.received(Random(seed))
    six = [received[n::6] for n in range(6)]
    orders = list(permutations(range(6)))[:: every if migrated_url.startswith("sqlite") else 12]

    async def in_order(world: World, order: tuple[int, ...]) -> None:
        club = await world.club(RATES_AT)
        for cpf in CPFS:
            await club.enrol(cpf)
        for n in order:
            await told(club, six[n])
        await check_end(club, history, received, f"seed {seed}, order {order}")

    async with open_world(migrated_url) as world:
        for first in range(0, len(orders), TOGETHER):
            await asyncio.gather(*(in_order(world, order) for order in orders[first : first + TOGETHER]))
