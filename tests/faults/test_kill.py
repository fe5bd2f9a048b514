"""`kill -9` of the real server under load: what was acknowledged is kept, what was repeated counts once (F48, F49)."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.children import HubProcess
from tests.faults.killing import AT_LEAST_ACKNOWLEDGED, open_street
from tests.gateway.world import open_world
from tests.servers import Postgres

CYCLES = 15


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_f48_a_killed_sqlite_hub_lost_nothing_acknowledged_and_credited_nothing_twice(
    tmp_path: Path,
) -> None:
    await check_cycles(tmp_path, f"sqlite:///{tmp_path / 'hub.sqlite'}", seed=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_f48_a_killed_postgresql_hub_lost_nothing_acknowledged_and_credited_nothing_twice(
    tmp_path: Path, durable_postgres: Postgres, durable_database: str
) -> None:
    await check_cycles(tmp_path, durable_database, seed=2)


@pytest.fixture
def durable_database(durable_postgres: Postgres) -> str:
    return durable_postgres.url(durable_postgres.create_database())


async def check_cycles(folder: Path, database_url: str, *, seed: int) -> None:
    async with open_world(database_url, at=datetime.now(UTC)) as world:
        street, partner_id = await open_street(world, seed)
    hub = HubProcess(folder, database_url)
    try:
        for cycle in range(CYCLES):
            await hub.start()
            await street.audit(hub)
            acknowledged = await street.live_until_killed(hub)
            assert acknowledged >= AT_LEAST_ACKNOWLEDGED, (
                f"cycle {cycle} proves nothing: {acknowledged} sales"
            )
        await hub.start()
        await street.settle(hub, partner_id)
        assert street.repeated(), "no cycle killed a sale on its way"
        assert hub.stop() == 0
        code, said = hub.command("ledger", "verify", "--json")
        assert (code, json.loads(said)["sound"]) == (0, True), said
    finally:
        hub.close()
