"""The outermost ASGI layer: no body or header reaches an application before it was bounded and checked here.

Whatever goes wrong, the caller gets a problem of at most 4 kB that repeats nothing of what was sent.
"""

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NoReturn, TypeAlias

from gateway.cards import forbidden_card_field, may_hold_card_data
from gateway.ports import Stopwatch, system_stopwatch
from gateway.problems import Problem, Send, send_problem

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT_BYTES = 256 * 1024
BODY_TIMEOUT_SECONDS = 10
MAX_DEPTH = 64
_CHECKED_PREFIX = "/v1/"
_CLOSE = {"connection": "close"}  # else the server would go on swallowing the rest of the body
_MAX_INTEGER_DIGITS = 20
_SINGLE_HEADERS = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key"}
)
_log = logging.getLogger("ponte.edge")


class ClientGone(Exception):
    """The caller hung up before its body was complete; there is nobody to answer."""


async def read_body(
    receive: Receive,
    limit_bytes: int = BODY_LIMIT_BYTES,
    timeout_seconds: float = BODY_TIMEOUT_SECONDS,
) -> bytes:
    """Return the whole body. Refuses (`Problem`) one over the limit, counted on arrival, or a slow sender.

    Only for applications that stand outside an `Edge`; behind it, `whole_body` has no clock to start.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _gathered(receive, limit_bytes)
    except TimeoutError:
        raise Problem("body_timeout", headers=_CLOSE) from None


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request by their names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def whole_body(receive: Receive) -> bytes:
    """Return the body that an `Edge` has read and bounded already."""
    body: bytes = (await receive())["body"]
    return body


async def _gathered(receive: Receive, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit_bytes:
            raise Problem("body_too_large", headers=_CLOSE)
        more = message.get("more_body", False)
    return b"".join(parts)


def strict_json(body: bytes) -> Any:
    """Return parsed JSON that means the same to every reader.

    Refuses (`Problem`) what two parsers read differently or a database cannot keep: invalid UTF-8, a lone
    surrogate, NUL, NaN and infinities, a repeated key, more than 64 levels, an integer of over 20 digits.
    """
    try:
        parsed = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded_integer,
        )
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Problem("malformed_json") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _refuse_deep(parsed)
    if b"\\u" in body:
        _refuse_unstorable_text(parsed)
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated key")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _bounded_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        raise ValueError("integer out of range")
    return int(text)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _refuse_deep(parsed: Any) -> None:
    level = [parsed]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value) if isinstance(child, dict | list)]
        if not level:
            return
    raise Problem("malformed_json", detail="O JSON tem níveis demais.")


def _refuse_unstorable_text(parsed: Any) -> None:
    waiting = [parsed]
    while waiting:
        value = waiting.pop()
        texts = list(value) if isinstance(value, dict) else [value]
        for text in texts:
            if isinstance(text, str) and (
                "\x00" in text or any("\ud800" <= symbol <= "\udfff" for symbol in text)
            ):
                raise Problem(
                    "malformed_json", detail="O JSON contém caracteres que não podem ser guardados."
                )
        waiting.extend(_children(value))


class Edge:
    """Wraps the whole application, the hot lane included.

    `new_request_id` names each request; `answered(path, status, seconds)` and `forbidden()` feed the metrics.
    Bodies under `/v1/` must be strict JSON without card data; others arrive as the bytes they are.
    """

    def __init__(
        self,
        app: App,
        new_request_id: Callable[[], str],
        *,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        body_timeout_seconds: float = BODY_TIMEOUT_SECONDS,
        answered: Callable[[str, int, float], None] = lambda _path, _status, _seconds: None,
        forbidden: Callable[[], None] = lambda: None,
        stopwatch: Stopwatch = system_stopwatch,
    ) -> None:
        self._app = app
        self._new_request_id = new_request_id
        self._body_limit_bytes = body_limit_bytes
        self._body_timeout_seconds = body_timeout_seconds
        self._answered = answered
        self._forbidden = forbidden
        self._stopwatch = stopwatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._stopwatch()
        request_id = self._new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        try:
            body = await self._checked_body(scope, receive)
            await self._app(scope, _replay(body, receive), answer.send)
        except ClientGone:
            return
        except Problem as problem:
            await answer.problem(problem)
        except Exception:  # noqa: BLE001 the last net: nobody above could answer
            # Starlette raises again what its own handler has already answered and logged.
            if not answer.status:
                _log.exception("bug in request %s", request_id)
                await answer.problem(Problem("internal"))
        finally:
            self._answered(scope["path"], answer.status, self._stopwatch() - started)

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes:
        headers = _single_headers(scope)
        if "\x00" in scope["path"]:  # no name of ours holds one, and PostgreSQL cannot even be asked
            raise Problem("not_found")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem("unsupported_media_type")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:12]) > self._body_limit_bytes:
            raise Problem("body_too_large", headers=_CLOSE)
        body = await read_body(receive, self._body_limit_bytes, self._body_timeout_seconds)
        if body and scope["path"].startswith(_CHECKED_PREFIX):
            self._check_json(headers.get(b"content-type", b""), body)
        return body

    def _check_json(self, content_type: bytes, body: bytes) -> None:
        media = content_type.split(b";")[0].strip().lower()
        if media != b"application/json" and not media.endswith(b"+json"):
            raise Problem("unsupported_media_type")
        parsed = strict_json(body)
        if may_hold_card_data(body) and forbidden_card_field(parsed):
            self._forbidden()
            raise Problem("forbidden_card_data")


class _Answer:
    """Remembers whether an answer has begun, and gives every answer its request id."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.status = 0
        self._send = send
        self._request_id = request_id

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id.encode())]
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        if not self.status:
            await send_problem(self.send, problem, self._request_id)


def _single_headers(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers by name. Refuses a repeated one that decides who calls or how long the body is."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and (name in _SINGLE_HEADERS or name.startswith(b"x-ponte-")):
            raise Problem("repeated_header")
        headers[name] = value
    return headers


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands the read body over once, then listens for the caller hanging up."""
    left: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return left.pop() if left else await receive()

    return again
