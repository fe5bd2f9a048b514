"""Rows F75 to F79 and F83 to F87: hostile bytes at our doors, over the wire or through the whole application."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.stone.connector import connector as stone
from adapters.stone.settings import StoneConfig
from contracts.facts import PaymentEvidence
from contracts.http import Delivery
from gateway.observe import mask
from gateway.store import tables as t
from tests.faults.children import HubProcess
from tests.faults.sender import ANA, Sender, open_sender

SAMPLES = Path(__file__).parents[2] / "adapters/stone/samples"
SQL = (
    "' OR 1=1 --",
    "'; DROP TABLE sale; --",
    '" OR ""="',
    "%' ESCAPE '",
    "1); DELETE FROM posting;--",
    "\\'",
    "$1",
    ":x",
    "?",
)


async def nothing_kept(sender: Sender) -> bool:
    return not await sender.club.rows(t.evidence) and not await sender.club.rows(t.delivery, state="done")


async def test_f75_a_body_over_the_limit_is_413_on_every_lane_and_nothing_is_kept(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        large = b'{"facts": [' + b" " * (300 * 1024) + b"]}"
        for path in (f"/in/{sender.installation_id}", "/v1/terminal/results", "/v1/sales"):
            answer = await sender.ask("POST", path, large)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), path
        assert await nothing_kept(sender)


async def test_f76_a_compressed_delivery_is_415(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        body = b"\x1f\x8b\x08\x00"
        answer = await sender.send(body, {**sender.signed(body), "content-encoding": "gzip"})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert await nothing_kept(sender)


NO_SALE = (
    b'{"facts": [', b"[" * 100_000, b'{"facts":' * 20_000, b'{"a":' + b"9" * 5000 + b"}", b"\xff\xfe", b"", b"null",
    b'{"x":1e999}',
)  # fmt: skip
AMBIGUOUS = (
    b'{"facts": [], "facts": []}', b'{"x":"\\ud800"}', b'{"x":"\\u0000"}', b'{"x":"\x00"}', b'{"x":"\xff"}', b"NaN",
    b"\xef\xbb\xbf{}",
)  # fmt: skip


async def test_f77_f78_f79_hostile_json_is_a_small_4xx_at_the_api_and_parked_at_the_webhook(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url) as sender:
        for body in (*NO_SALE, *AMBIGUOUS):
            refused = await sender.ask("POST", "/v1/sales", body, **{"idempotency-key": "k"})
            assert refused.status_code in {400, 422}, (body[:40], refused.text)
            assert len(refused.content) <= 4096
        for body in NO_SALE:
            answer = await sender.send(body)
            assert (answer.status_code, answer.json()["outcome"]) == (202, "parked"), body[:40]
        for body in AMBIGUOUS:
            answer = await sender.send(body)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json"), body
        parked = await sender.club.rows(t.delivery, state="parked")
        assert len(parked) == len(NO_SALE) + len(AMBIGUOUS)
        assert await sender.club.rows(t.movement) == []


def _payment_twice(sender: Sender, first: int, second: int) -> bytes:
    text = json.dumps({"facts": [sender.payment(captured_cents=first)]})
    return text.replace(
        f'"captured_cents": {first}', f'"captured_cents": {first}, "captured_cents": {second}'
    ).encode()


async def test_f78_an_amount_stated_twice_is_refused_however_well_it_is_signed(migrated_url: str) -> None:
    """Two parsers would read two amounts: whoever signed it must say which, and hears so each time."""
    async with open_sender(migrated_url) as sender:
        twice = _payment_twice(sender, 9000, 1000)
        for answer in (await sender.send(twice), await sender.send(twice)):
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
        (parked,) = await sender.club.rows(t.delivery)
        assert (parked["state"], parked["reason"]) == ("parked", "body: ambiguous_json")
        assert await nothing_kept(sender)
        assert await sender.club.rows(t.movement) == []
        (sale,) = (await sender.tell(sender.payment(captured_cents=1000)))["sales"]
        assert sale["units"] == 70


@pytest.mark.parametrize("hostile", ['"\\u0000"', '"\\ud800"', "NaN", "1e999"])
async def test_f29_f79_text_or_figures_that_no_database_keeps_are_refused_on_both_databases(
    migrated_url: str, hostile: str
) -> None:
    async with open_sender(migrated_url) as sender:
        for field in ("merchant_ref", "operator_ref", "voucher_codes", "captured_cents"):
            said = f"[{hostile}]" if field == "voucher_codes" else hostile
            fact = sender.payment() | {field: "HERE"}
            body = json.dumps({"facts": [fact]}).replace('"HERE"', said)
            answer = await sender.send(body.encode())
            assert answer.status_code == (202 if hostile == "1e999" else 400), field
        assert await nothing_kept(sender)


async def test_f83_sql_in_any_text_is_text(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for hostile in SQL:
            await _is_text(sender, hostile)
        assert len(await sender.club.rows(t.sale)) == len(SQL)


async def _is_text(sender: Sender, hostile: str) -> None:
    key = hostile.replace(" ", "_")
    (sale,) = (await sender.tell(sender.payment(ref=key, merchant_ref=hostile, operator_ref=hostile)))[
        "sales"
    ]
    assert sale["units"] == 70
    asked = {"key": {"kind": "stone:atk", "value": key}, "partner_id": sender.club.partner_id}
    (found,) = (await sender.ask("POST", "/v1/sales/lookup", asked)).json()["data"]
    assert found["first_key"]["value"] == key
    stranger = {"key": {"kind": "stone:atk", "value": f"{key}x"}, "partner_id": sender.club.partner_id}
    assert (await sender.ask("POST", "/v1/sales/lookup", stranger)).status_code == 404
    named = quote(key, safe="")
    for path in (
        f"/v1/members/{named}",
        f"/v1/sales?state={named}",
        f"/v1/sales?cursor={named}",
        f"/in/{named}",
    ):
        answer = await sender.ask("GET", path)
        assert 400 <= answer.status_code < 500, (path, answer.text)


def test_f84_an_unknown_value_or_field_of_a_vendor_is_read_over() -> None:
    body: Any = json.loads((SAMPLES / "charge_paid.http").read_text().split("\n\n", 1)[1])
    config = StoneConfig(account_id=body["account"]["id"])
    assert stone.webhook is not None
    (before,) = stone.webhook.receive(Delivery(json.dumps(body).encode()), config)
    body["something_new"] = body["data"]["something_new"] = {"deep": [1, 2, {"x": None}]}
    body["data"] |= {"payment_method": "carrier_pigeon"}
    body["data"]["metadata"]["account_funding_source"] = "carrier_pigeon"
    (after,) = stone.webhook.receive(Delivery(json.dumps(body).encode()), config)
    assert isinstance(before, PaymentEvidence)
    assert isinstance(after, PaymentEvidence)
    assert (after.captured_cents, after.keys) == (before.captured_cents, before.keys)
    assert (before.method, after.method) == ("credit", "unknown")


async def test_f85_an_unknown_field_is_refused_and_changes_nothing(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        for field in ("programme_id", "units", "trust", "member_id", "role", "balance", "__proto__"):
            launched = await sender.launch("mass", cpf=ANA, **{field: 10**6})
            assert (launched.status_code, launched.json()["code"]) == (422, "invalid"), field
            delivered = await sender.send(
                json.dumps({"facts": [{**sender.payment(), field: "file"}]}).encode()
            )
            # `trust` is a word of the contract: it may lower what was granted, and never raises it.
            assert delivered.status_code == (200 if field == "trust" else 202), (field, delivered.text)
        assert [row["trust"] for row in await sender.club.rows(t.evidence)] == ["signed"]


WIRE_TRICKS = (
    b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n",
    b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"content-length: +5\r\n\r\nhello",
    b"content-length: -1\r\n\r\n",
    b"x-ponte-key: a\r\nx-ponte-key: b\r\ncontent-length: 2\r\n\r\n{}",
    b"authorization: Bearer a\r\nauthorization: Bearer b\r\ncontent-length: 2\r\n\r\n{}",
    b"x-large: " + b"a" * 100_000 + b"\r\ncontent-length: 2\r\n\r\n{}",
    b"bad header\r\n\r\n",
)


async def test_f86_tricks_with_headers_are_4xx_and_never_a_second_request(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path, f"sqlite:///{tmp_path / 'hub.sqlite'}")
    try:
        await hub.start()
        for trick in WIRE_TRICKS:
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            writer.write(b"POST /v1/sales HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n" + trick)
            answer = await asyncio.wait_for(reader.read(), 15)
            writer.close()
            assert answer.split(b" ", 2)[1][:1] == b"4", (trick[:60], answer[:200])
            assert answer.count(b"HTTP/1.1 ") == 1, (trick[:60], answer)
        await _large_chunks_cost_no_memory(hub)
    finally:
        hub.close()


async def _large_chunks_cost_no_memory(hub: HubProcess) -> None:
    """F75 over the wire: 40 MB in chunks without a length are refused while they arrive."""
    assert hub.process is not None
    before = _resident_kb(hub.process.pid)
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(b"POST /in/nobody HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    try:
        for _ in range(640):
            writer.write(chunk)
            await asyncio.wait_for(writer.drain(), 5)
    except (OSError, TimeoutError):
        pass
    head = b""
    try:
        head = await asyncio.wait_for(reader.read(300), 10)
    except OSError:
        head = b"HTTP/1.1 413 (reset before it was read)"
    writer.close()
    assert head.split(b" ", 2)[1] == b"413", head
    assert _resident_kb(hub.process.pid) - before < 16 * 1024


def _resident_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


REPEATED = st.builds(
    lambda part, n: part * n, st.text("0123456789.-/ a%", min_size=1, max_size=4), st.integers(1, 2000)
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(REPEATED, st.lists(REPEATED, max_size=4).map("".join)))
def test_f87_the_mask_takes_linear_time_over_any_text(text: str) -> None:
    started = time.perf_counter()
    mask(text)
    spent = time.perf_counter() - started
    assert spent < 0.05 + len(text) * 20e-6, f"{len(text)} characters took {spent:.3f} s"
