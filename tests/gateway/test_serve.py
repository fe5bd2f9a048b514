"""The hub as a process: it says where it listens, tells its health, and stops without losing a promise."""

import asyncio
import json
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.children import HubProcess, Wire
from tests.faults.killing import SHOPS, SIGNATURE, Street, open_street
from tests.gateway.world import open_world


async def opened(migrated_url: str, folder: Path, seed: int) -> tuple[HubProcess, Street, str]:
    async with open_world(migrated_url, at=datetime.now(UTC)) as world:
        street, partner_id = await open_street(world, seed)
    hub = HubProcess(folder, migrated_url, PONTE_UNSAFE_DATABASE="1")
    await hub.start()
    return hub, street, partner_id


async def test_f63_sigterm_under_load_loses_nothing_acknowledged(migrated_url: str, tmp_path: Path) -> None:
    hub, street, _ = await opened(migrated_url, tmp_path, seed=63)
    try:
        shops = [asyncio.create_task(street.sell(hub.port, [])) for _ in range(SHOPS)]
        street.wanted = 100
        await asyncio.wait_for(street.enough.wait(), 60)
        code = await asyncio.to_thread(hub.stop)
        await asyncio.gather(*shops)
        assert code == 0, hub.log.read_text()[-2000:]
        assert all(sold.told == 1 for sold in street.log)
        await hub.start()
        await street.audit(hub)
        assert await asyncio.to_thread(hub.stop) == 0
        code, said = hub.command("ledger", "verify", "--json")
        assert (code, json.loads(said)["sound"]) == (0, True), said
    finally:
        hub.close()


async def test_f63_a_request_in_flight_at_sigterm_is_answered(migrated_url: str, tmp_path: Path) -> None:
    hub, street, _ = await opened(migrated_url, tmp_path, seed=64)
    try:
        sold = street.sale()
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        half = len(sold.body) // 2
        head = {**signed(sold.body), "host": "hub", "content-length": str(len(sold.body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        writer.write(f"POST /in/{street.installation_id} HTTP/1.1\r\n{lines}\r\n".encode() + sold.body[:half])
        await writer.drain()
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(asyncio.to_thread(hub.stop))
        await asyncio.sleep(0.5)
        assert not stopping.done()
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(sold.body[half:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["sales"][0]["units"] == sold.units
        assert await stopping == 0
        sold.acknowledged = True
        await hub.start()
        await street.audit(hub)
    finally:
        hub.close()


def signed(body: bytes) -> dict[str, str]:
    fields = {"x-ponte-key": "street", "x-ponte-nonce": "f63"}
    return dict(SIGNATURE.sign(body, datetime.now(UTC), fields))


async def test_health_is_told_without_a_key_and_figures_follow(migrated_url: str, tmp_path: Path) -> None:
    hub, street, _ = await opened(migrated_url, tmp_path, seed=65)
    try:
        with closing(Wire(hub.port)) as wire:
            assert await wire.ask("GET", "/livez", b"", {}) == (200, b'{"status":"alive"}')
            assert await wire.ask("GET", "/readyz", b"", {}) == (200, b'{"status":"ready"}')
            await street.report(wire, street.sale())
            status, figures = await wire.ask("GET", "/metrics", b"", {})
            assert status == 200
            assert b'ponte_deliveries_total{connector="generic",outcome="recorded"} 1.0' in figures
            assert b'ponte_sales_total{outcome="credited"} 1.0' in figures
            assert (await wire.ask("POST", "/livez", b"", {}))[0] == 405
            assert (await wire.ask("GET", "/livez/deeper", b"", {}))[0] == 404
    finally:
        with suppress(AssertionError):
            hub.stop()
        hub.close()
