"""The only room that speaks HTTP outward: bounded in time and size, and never to a private address.

A connector says what it wants (`Request`) and gets a `Reply` or one of the five errors, never a library's.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeAlias

import httpcore
import httpx

from contracts.connector import Limits
from contracts.credentials import Credentials, NoCredentials
from contracts.errors import Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.http import Reply, Request, get
from contracts.signatures import NO_KEYS, Keys, parse_jwks
from gateway.ports import Clock

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

CONNECT_SECONDS = 3
READ_SECONDS = 10
TOTAL_SECONDS = 15
REPLY_LIMIT_BYTES = 8 * 1024 * 1024
_RETRY_SECONDS = 60
_RETRY_SECONDS_MAX = 3600
_TIMEOUTS = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS).as_dict()
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_TUNNELS = tuple(
    ipaddress.ip_network(text)
    for text in ("2001::/32", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48", "192.88.99.0/24")
)
"""Addresses that carry another address inside (Teredo, 6to4, NAT64): what they reach cannot be judged."""


def is_public(address: Address) -> bool:
    """Return whether an address is on the open internet: not this machine, not its network, no tunnel."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_public(mapped)
    if address.version == 6 and address not in _GLOBAL_IPV6:
        return False
    return address.is_global and not address.is_multicast and not any(address in net for net in _TUNNELS)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the machine's resolver knows for `host`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class _Guard(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every answer, and connects to the very address that was checked."""

    def __init__(self, allowed: Callable[[Address], bool], resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- the signature of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise httpcore.ConnectError("the name does not resolve") from error
        # One forbidden answer taints them all: the next look-up might choose that one.
        if not addresses or not all(self._allowed(ipaddress.ip_address(text)) for text in addresses):
            raise VendorRefused("forbidden_address", "the address is not on the open internet")
        return await self._first_that_answers(addresses, port, timeout, local_address, socket_options)

    async def _first_that_answers(self, addresses: Sequence[str], *how: Any) -> httpcore.AsyncNetworkStream:
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(address, *how)
        return await self._inner.connect_tcp(addresses[-1], *how)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise VendorRefused("forbidden_address", "a local socket is not on the open internet")


class Transport:
    """Makes the requests of plans. One for the whole process; `close()` it when the process ends."""

    def __init__(
        self, allow_addresses: Sequence[Network], clock: Clock, resolve: Resolve = resolve_host
    ) -> None:
        listed = tuple(allow_addresses)
        self._clock = clock
        self._lanes: dict[tuple[httpx.URL, Credentials], _Lane] = {}

        def is_listed(address: Address) -> bool:
            return any(address in network for network in listed)

        # Plain HTTP would carry secrets in the clear, so it goes to addresses that the operator listed only.
        self._doors = {
            "http": _door(_Guard(is_listed, resolve)),
            "https": _door(_Guard(lambda address: is_listed(address) or is_public(address), resolve)),
        }

    async def send(
        self, base_url: str, request: Request, credentials: Credentials, limits: Limits | None = None
    ) -> Reply:
        """Return what the vendor answered, body decoded; redirects are answers and are not followed.

        `RetryLater` for 429, 5xx, silence and our own limits; `SignInAgain` for 401 and 403; `VendorRefused`
        for an address that may not be called; `Malformed` for an answer over 8 MiB.
        """
        return _judged(await self.exchange(base_url, request, credentials, limits), self._clock())

    async def exchange(
        self, base_url: str, request: Request, credentials: Credentials, limits: Limits | None = None
    ) -> Reply:
        """Return what came back whatever its status, for a caller that shows answers instead of using them.

        `RetryLater` for silence and our own limits; otherwise it refuses what `send` refuses.
        """
        base, url = _joined(base_url, request)
        lane = self._lanes.setdefault((base, credentials), _Lane(limits or Limits()))
        lane.take(self._clock())
        headers = {"accept-encoding": "gzip", **request.headers, **credentials.headers()}
        outgoing = _outgoing(request, url, headers)
        try:
            async with asyncio.timeout(TOTAL_SECONDS), lane.free:
                answer = await self._doors[url.scheme].handle_async_request(outgoing)
                try:
                    reply = await _read(answer)
                finally:
                    await answer.aclose()
        except (httpx.TransportError, TimeoutError):
            # Without the cause: its text may show the address with everything in it.
            raise RetryLater(_RETRY_SECONDS) from None
        return reply

    async def close(self) -> None:
        """Close every connection."""
        for door in self._doors.values():
            await door.aclose()


class _Lane:
    """What one account at one vendor tolerates: how many at once, and how many in a minute."""

    def __init__(self, limits: Limits) -> None:
        self.free = asyncio.Semaphore(limits.concurrent)
        self._per_minute = limits.requests_per_minute
        self._window = 0
        self._used = 0

    def take(self, now: datetime) -> None:
        """Count one request; `RetryLater` when this minute is used up."""
        second = int(now.timestamp())
        if second // 60 != self._window:
            self._window, self._used = second // 60, 0
        if self._used >= self._per_minute:
            raise RetryLater(60 - second % 60)
        self._used += 1


@cache
def _authorities() -> ssl.SSLContext:
    """Return whom both doors trust; reading some hundred certificates takes longer than all else at a start."""
    return httpx.create_ssl_context(trust_env=False)


def _door(guard: _Guard) -> httpx.AsyncHTTPTransport:
    # Used without a client: no redirects, cookies, proxies or environment variables to switch off.
    door = httpx.AsyncHTTPTransport(verify=_authorities(), trust_env=False)
    # httpx has no public argument for this. Were the attribute to move, no request might pass unguarded.
    if not isinstance(getattr(door._pool, "_network_backend", None), httpcore.AsyncNetworkBackend):  # noqa: SLF001
        raise TypeError("this httpx cannot be guarded: pin the version named in requirements")
    door._pool._network_backend = guard  # noqa: SLF001
    return door


def _joined(base_url: str, request: Request) -> tuple[httpx.URL, httpx.URL]:
    if not request.path.startswith("/") or request.path.startswith("//"):
        raise VendorRefused("bad_address", "a path begins with one slash")
    try:
        base = httpx.URL(base_url)
        url = httpx.URL(base_url.rstrip("/") + request.path)
        url = url.copy_merge_params(dict(request.query)) if request.query else url
    except httpx.InvalidURL:
        raise VendorRefused("bad_address", "not an address") from None
    if base.scheme not in {"http", "https"} or not base.host or base.userinfo or base.query or base.fragment:
        raise VendorRefused("bad_address", "a base address is https://host with an optional path")
    return base, url


def _outgoing(request: Request, url: httpx.URL, headers: dict[str, str]) -> httpx.Request:
    try:
        return httpx.Request(
            request.method, url, headers=headers, content=request.body, extensions={"timeout": _TIMEOUTS}
        )
    except (UnicodeError, ValueError, TypeError):
        raise VendorRefused("bad_request", "a header cannot be sent") from None


async def _read(answer: httpx.Response) -> Reply:
    encoding = answer.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise Malformed("the answer is encoded in a way that was not asked for")
    inflate = zlib.decompressobj(wbits=31) if encoding != "identity" else None
    body = bytearray()
    async for chunk in answer.aiter_raw():
        if inflate is None:
            body += chunk
        else:
            # Never more than one byte over the limit is inflated, however small the bomb.
            try:
                body += inflate.decompress(chunk, REPLY_LIMIT_BYTES + 1 - len(body))
            except zlib.error:
                raise Malformed("the answer is not what its encoding says") from None
        if len(body) > REPLY_LIMIT_BYTES:
            raise Malformed("the answer is larger than 8 MiB")
    if inflate is not None and body and not inflate.eof:
        raise RetryLater(_RETRY_SECONDS)
    dropped = {"content-encoding", "content-length", "set-cookie"}
    headers = {name: value for name, value in answer.headers.items() if name not in dropped}
    return Reply(answer.status_code, bytes(body), headers)


def _judged(reply: Reply, now: datetime) -> Reply:
    if reply.status == 429 or reply.status >= 500:
        raise RetryLater(_retry_after(reply.headers.get("retry-after", ""), now))
    if reply.status in {401, 403}:
        raise SignInAgain
    return reply


def _retry_after(text: str, now: datetime) -> int:
    """Return the seconds that the vendor asks for (RFC 9110, 10.2.3), between 1 and an hour."""
    if text.isascii() and text.isdigit():
        seconds = int(text[:9])
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return _RETRY_SECONDS
        seconds = int((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    return max(1, min(seconds, _RETRY_SECONDS_MAX))


class JwksCache:
    """The public keys of vendors that sign with RS256. A flood of unknown key ids is one fetch a minute."""

    _EVERY_SECONDS = 60
    _KEYS_MAX = 64

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._held: dict[str, Keys] = {}
        self._asked_at: dict[str, datetime] = {}
        self._flights: dict[str, asyncio.Lock] = {}

    def held(self, jwks_url: str) -> Keys:
        """Return the keys known so far, without any waiting; empty at first."""
        return self._held.get(jwks_url, NO_KEYS)

    async def refreshed(self, jwks_url: str) -> Keys:
        """Return the keys after an unknown key id was met: fetched, unless that was done this minute.

        Keys once seen are kept, since deliveries signed before a change still arrive. `RetryLater` when
        there is no key at all, so that a genuine sender comes back instead of being called forged.
        """
        async with self._flights.setdefault(jwks_url, asyncio.Lock()):
            if self._may_ask(jwks_url):
                self._asked_at[jwks_url] = self._clock()
                fetched = await self._fetched(jwks_url)
                merged = {**self.held(jwks_url), **fetched}
                self._held[jwks_url] = dict(list(merged.items())[-self._KEYS_MAX :])
        if not self.held(jwks_url):
            raise RetryLater(self._EVERY_SECONDS)
        return self.held(jwks_url)

    def _may_ask(self, jwks_url: str) -> bool:
        asked_at = self._asked_at.get(jwks_url)
        return asked_at is None or (self._clock() - asked_at).total_seconds() >= self._EVERY_SECONDS

    async def _fetched(self, jwks_url: str) -> Keys:
        origin, path = _split(jwks_url)
        try:
            reply = await self._transport.send(origin, get(path), NoCredentials())
            return parse_jwks(reply.body) if reply.status == 200 else NO_KEYS
        except (RetryLater, SignInAgain, VendorRefused, Malformed):
            return NO_KEYS


def _split(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", f"/{path}"
