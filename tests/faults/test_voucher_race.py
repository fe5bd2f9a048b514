"""F22 against the real server: of sixty-four tills that want one voucher exactly one gets it, every time."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.ecommerce.giftcards.connector import connector as giftcards
from tests.faults.children import HubProcess
from tests.faults.racing import TILLS, prepared, raced
from tests.gateway.world import open_world

VOUCHERS = int(os.environ.get("PONTE_RACE_VOUCHERS", "12"))
"""Enough for every run; `PONTE_RACE_VOUCHERS=1000 pytest -s` shows what is claimed."""


async def test_f22_sixty_four_tills_race_for_each_voucher_and_one_wins(
    migrated_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_world(migrated_url, giftcards, at=datetime.now(UTC)) as world:
        race = await prepared(world, giftcards, VOUCHERS)
    hub = HubProcess(tmp_path, migrated_url, PONTE_UNSAFE_DATABASE="1")
    try:
        await hub.start()
        found = await raced(hub.port, race)
        hub.stop()
        status, verified = hub.command("ledger", "verify")
    finally:
        hub.close()
    with capsys.disabled():
        print("\n" + json.dumps({"database": migrated_url.partition(":")[0], **found}))  # noqa: T201 -- the figures are the point
    assert found["winners"] == {1: VOUCHERS}
    assert len(race.lost) == VOUCHERS * (TILLS - 1)
    assert status == 0, verified
