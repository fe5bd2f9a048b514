"""Requests outward: where they may go, how long and how large they may be, and what each answer means."""

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import httpx
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from contracts.connector import Limits
from contracts.credentials import BearerAuth, NoCredentials
from contracts.errors import Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.http import Reply, Request, get, post
from gateway import transport as room
from gateway.ports import SettableClock
from gateway.transport import JwksCache, Transport, is_public
from tests.gateway.vendors import Speak, says, vendor

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


@asynccontextmanager
async def opened(
    allow: Sequence[room.Network] = LOOPBACK,
    clock: SettableClock | None = None,
    resolve: room.Resolve = room.resolve_host,
) -> AsyncIterator[Transport]:
    transport = Transport(allow, clock or SettableClock(NOON), resolve)
    try:
        yield transport
    finally:
        await transport.close()


async def asked(speak: Speak, request: Request | None = None) -> Reply:
    async with vendor(speak) as url, opened() as transport:
        return await transport.send(url, request or get("/x"), NoCredentials())


async def test_a_request_arrives_with_its_body_query_and_credentials_and_the_answer_comes_back() -> None:
    seen: list[bytes] = []

    async def speak(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        await says(201, b'{"ok":true}', "X-Vendor: y", "Set-Cookie: a=b")(request, writer)

    async with vendor(speak) as url, opened() as transport:
        request = Request("POST", "/charges", b"{}", {"content-type": "application/json"}, {"page": "1 2"})
        reply = await transport.send(url + "/core/v5/", request, BearerAuth("tok"))
        await transport.send(url, get("/again"), NoCredentials())
    assert (reply.status, reply.body, reply.headers["x-vendor"]) == (201, b'{"ok":true}', "y")
    assert seen[0].startswith(b"POST /core/v5/charges?page=1+2 HTTP/1.1\r\n") or seen[0].startswith(
        b"POST /core/v5/charges?page=1%202 HTTP/1.1\r\n"
    )
    assert b"authorization: Bearer tok\r\n" in seen[0].replace(b"Authorization", b"authorization")
    assert seen[0].endswith(b"\r\n\r\n{}")
    assert b"cookie" not in seen[1].lower()
    assert b"tok" not in seen[1]


@pytest.mark.parametrize("status", [200, 204, 302, 307, 400, 404, 409, 422])
async def test_f70_answers_that_a_connector_can_read_come_back_and_redirects_are_not_followed(
    status: int,
) -> None:
    reply = await asked(says(status, b"", "Location: http://127.0.0.1:9/elsewhere"))
    assert (reply.status, reply.headers["location"]) == (status, "http://127.0.0.1:9/elsewhere")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_credential_means_sign_in_again(status: int) -> None:
    with pytest.raises(SignInAgain):
        await asked(says(status))


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "retry-after: 7", 7),
        (503, "retry-after: Wed, 25 Nov 2026 12:02:00 GMT", 120),
        (429, "retry-after: 99999999999", 3600),
        (429, "retry-after: 0", 1),
        (500, "retry-after: soon", 60),
        (502, "x: y", 60),
    ],
)
async def test_f66_f67_a_busy_vendor_is_asked_again_when_it_says_within_bounds(
    status: int, header: str, seconds: int
) -> None:
    with pytest.raises(RetryLater) as later:
        await asked(says(status, b"", header))
    assert later.value.after_seconds == seconds


async def test_f64_a_vendor_that_drips_is_left_at_the_total_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "TOTAL_SECONDS", 0.2)

    async def drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    with pytest.raises(RetryLater):
        await asked(drip)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"]
)
async def test_f67_a_broken_answer_means_retry_and_shows_nothing_of_the_address(answer: bytes) -> None:
    async def speak(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    with pytest.raises(RetryLater) as later:
        await asked(speak, get("/x", token="hush"))
    assert later.value.__cause__ is None
    assert "hush" not in str(later.value)


async def test_f71_a_gzip_bomb_is_inflated_to_the_limit_only() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(bomb.compress(bytes(1024 * 1024)) for _ in range(64)) + bomb.flush()
    tracemalloc.start()
    with pytest.raises(Malformed, match="8 MiB"):
        await asked(says(200, packed, "content-encoding: gzip"))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 32 * 1024 * 1024


async def test_f71_a_large_plain_answer_is_cut_off() -> None:
    with pytest.raises(Malformed, match="8 MiB"):
        await asked(says(200, bytes(room.REPLY_LIMIT_BYTES + 1)))


async def test_an_honest_gzip_answer_is_decoded_and_a_broken_one_refused() -> None:
    packed = gzip.compress(b"hello " * 1000)
    reply = await asked(says(200, packed, "content-encoding: gzip"))
    assert reply.body == b"hello " * 1000
    assert "content-encoding" not in reply.headers
    with pytest.raises(Malformed):
        await asked(says(200, b"not gzip", "content-encoding: gzip"))
    with pytest.raises(RetryLater):
        await asked(says(200, packed[:-9], "content-encoding: gzip"))
    with pytest.raises(Malformed):
        await asked(says(200, b"x", "content-encoding: br"))


SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "10.0.0.1", "172.16.0.1",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1",
    "[::1]", "[::]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
    "[fe80::1]", "[fc00::1]", "[::7f00:1]", "[ff02::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_f72_no_spelling_of_a_private_address_is_called(scheme: str, host: str) -> None:
    async with opened(allow=()) as transport:
        with pytest.raises(VendorRefused) as refused:
            await transport.send(f"{scheme}://{host}:9", get("/"), NoCredentials())
    assert refused.value.code == "forbidden_address"


async def test_f72_one_private_answer_among_public_ones_taints_the_name() -> None:
    async def both(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "127.0.0.1"]

    async with opened(allow=(), resolve=both) as transport:
        with pytest.raises(VendorRefused):
            await transport.send("https://shop.example", get("/"), NoCredentials())


async def test_f72_the_checked_address_is_the_one_connected_to() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked_hosts: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked_hosts.append(host)
        return next(answers)

    async with vendor(says(200, b"", "connection: close")) as url, opened(resolve=rebinding) as transport:
        named = url.replace("127.0.0.1", "shop.example")
        assert (await transport.send(named, get("/"), NoCredentials())).status == 200
        assert asked_hosts == ["shop.example"]
        with pytest.raises(VendorRefused):
            await transport.send(named, get("/"), NoCredentials())


async def test_plain_http_goes_to_listed_addresses_only() -> None:
    async def public(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34"]

    async with opened(resolve=public) as transport:
        with pytest.raises(VendorRefused):
            await transport.send("http://shop.example", get("/"), NoCredentials())


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("ftp://shop.example", "/"),
        ("https://user:hush@shop.example", "/"),
        ("https://shop.example?x=1", "/"),
        ("https://", "/"),
        ("shop.example", "/"),
        ("https://0177.0.0.1", "/"),
        ("https://shop.example", "@evil.example/"),
        ("https://shop.example", "//evil.example/"),
        ("https://shop.example", "https://evil.example/"),
        ("https://shop.example", "/a\x00b"),
    ],
)
async def test_an_address_that_is_not_plainly_the_vendors_is_refused(base: str, path: str) -> None:
    async with opened() as transport:
        with pytest.raises(VendorRefused) as refused:
            await transport.send(base, get(path), NoCredentials())
    assert refused.value.code == "bad_address"
    assert "hush" not in str(refused.value)


async def test_f73_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await asked(says(200))).status == 200


async def test_a_name_that_does_not_resolve_means_retry() -> None:
    async def nowhere(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    async with opened(resolve=nowhere) as transport:
        with pytest.raises(RetryLater):
            await transport.send("https://shop.example", get("/"), NoCredentials())


async def test_the_vendors_limit_a_minute_is_kept_for_each_account_apart() -> None:
    clock = SettableClock(NOON + timedelta(seconds=20))
    limits = Limits(requests_per_minute=2)
    async with vendor(says(200)) as url, opened(clock=clock) as transport:
        for _ in range(2):
            await transport.send(url, get("/"), BearerAuth("one"), limits)
        with pytest.raises(RetryLater) as later:
            await transport.send(url, get("/"), BearerAuth("one"), limits)
        assert later.value.after_seconds == 40
        await transport.send(url, get("/"), BearerAuth("two"), limits)
        clock.advance(timedelta(seconds=40))
        assert (await transport.send(url, get("/"), BearerAuth("one"), limits)).status == 200


async def test_no_more_requests_run_at_once_than_the_vendor_bears() -> None:
    running = peak = 0

    async def slow(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.02)
        running -= 1
        await says(200)(request, writer)

    async with vendor(slow) as url, opened() as transport:
        calls = [transport.send(url, get("/"), NoCredentials(), Limits(60, concurrent=2)) for _ in range(8)]
        assert [reply.status for reply in await asyncio.gather(*calls)] == [200] * 8
    assert peak == 2


@respx.mock(using="httpcore")
async def test_over_https_the_host_is_the_vendors(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post("https://api.shop.example/v5/charges").mock(
        return_value=httpx.Response(200, stream=httpx.ByteStream(b"{}"))
    )
    async with opened(allow=()) as transport:
        reply = await transport.send("https://api.shop.example/v5", post("/charges", b"[]"), NoCredentials())
    assert (reply.status, reply.body) == (200, b"{}")
    assert route.calls.last.request.headers["host"] == "api.shop.example"


def jwks(*kids: str) -> bytes:
    numbers = generate_private_key(65537, 2048).public_key().public_numbers()
    n, e = (
        urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")
        for value in (numbers.n, numbers.e)
    )
    return json.dumps(
        {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e} for kid in kids]}
    ).encode()


async def test_f94_a_flood_of_unknown_keys_fetches_once_a_minute_and_old_keys_stay() -> None:
    documents = iter([jwks("old"), jwks("new"), b"garbage"])
    fetched = 0

    async def speak(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal fetched
        fetched += 1
        await says(200, next(documents))(request, writer)

    clock = SettableClock(NOON)
    async with vendor(speak) as origin, opened(clock=clock) as transport:
        url = f"{origin}/.well-known/jwks.json"
        cache = JwksCache(transport, clock)
        assert dict(cache.held(url)) == {}
        flood = await asyncio.gather(*(cache.refreshed(url) for _ in range(50)))
        assert (fetched, set(flood[-1])) == (1, {"old"})
        clock.advance(timedelta(seconds=61))
        assert set(await cache.refreshed(url)) == {"old", "new"}
        clock.advance(timedelta(seconds=61))
        assert set(await cache.refreshed(url)) == set(cache.held(url)) == {"old", "new"}
        assert fetched == 3


async def test_without_any_key_a_genuine_sender_is_asked_to_come_back() -> None:
    async with vendor(says(500)) as origin, opened() as transport:
        cache = JwksCache(transport, SettableClock(NOON))
        for _ in range(2):
            with pytest.raises(RetryLater):
                await cache.refreshed(f"{origin}/jwks.json")
