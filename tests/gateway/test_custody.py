"""A database belongs to one master key, whoever opens it and wherever its file stands."""

from pathlib import Path

import pytest

from gateway.hub import open_hub
from gateway.settings import Settings
from gateway.store import Connection, rows
from gateway.store import tables as t
from gateway.store.outages import DatabaseRefused
from tests.gateway.world import MASTER_KEY

OTHER_KEY = bytes(reversed(MASTER_KEY))


def _settings(database_url: str, master_key: bytes) -> Settings:
    return Settings(data_dir=Path(), database_url=database_url, master_key=master_key, unsafe_database=True)


def _held(conn: Connection) -> list[str]:
    return [row["key_id"] for row in rows.fetch(conn, t.custody, ("programme_id",), [("",)])]


async def test_f105_no_hub_opens_a_database_that_is_sealed_under_another_master_key(
    migrated_url: str,
) -> None:
    async with open_hub(_settings(migrated_url, MASTER_KEY)) as hub:
        ours = [hub.context.vault.key_id]
        assert await hub.read(_held) == ours
    with pytest.raises(DatabaseRefused, match=f"sealed under the master key {ours[0]}") as refused:
        async with open_hub(_settings(migrated_url, OTHER_KEY)):
            pass
    assert OTHER_KEY.hex() not in str(refused.value)
    async with open_hub(_settings(migrated_url, MASTER_KEY)) as hub:
        assert await hub.read(_held) == ours
