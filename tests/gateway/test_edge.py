"""What is refused before any application sees it."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import MAX_DEPTH, ClientGone, Edge, read_body, strict_json, whole_body
from gateway.problems import Problem, Send

JSON_TYPE = (b"content-type", b"application/json")


class Call:
    """One request to an application that answers 200 with the body it was given."""

    def __init__(self, **options: Any) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.seen: bytes | None = None
        self.answered: list[tuple[str, int]] = []
        self.forbidden = 0
        self.edge = Edge(
            self._app,
            lambda: "req_1",
            answered=lambda path, status, _seconds: self.answered.append((path, status)),
            forbidden=self._count,
            **options,
        )

    def _count(self) -> None:
        self.forbidden += 1

    async def _app(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        self.seen = await whole_body(receive)
        if scope["path"] == "/in/bug":
            raise RuntimeError("secret 52998224725")
        if scope["path"] == "/in/refused":
            raise Problem("unauthenticated")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/in/late":
            raise RuntimeError("too late")
        await send({"type": "http.response.body", "body": self.seen})

    async def post(
        self, *chunks: bytes, path: str = "/v1/sales", headers: tuple[tuple[bytes, bytes], ...] = (JSON_TYPE,)
    ) -> int:
        waiting = list(chunks) or [b""]

        async def receive() -> MutableMapping[str, Any]:
            if not waiting:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        return await self.exchange(receive, path, headers)

    async def exchange(
        self, receive: Any, path: str = "/v1/sales", headers: tuple[tuple[bytes, bytes], ...] = (JSON_TYPE,)
    ) -> int:
        async def send(message: MutableMapping[str, Any]) -> None:
            self.sent.append(message)

        await self.edge({"type": "http", "path": path, "headers": list(headers)}, receive, send)
        return self.sent[0]["status"] if self.sent else 0

    @property
    def code(self) -> str:
        body = self.sent[1]["body"]
        assert len(body) <= 4096
        code: str = json.loads(body)["code"]
        return code


async def test_a_good_body_arrives_as_it_was_sent_and_the_answer_names_the_request() -> None:
    call = Call()
    assert await call.post(b'{"a"', b":", b"1}") == 200
    assert call.seen == b'{"a":1}'
    assert (b"x-request-id", b"req_1") in call.sent[0]["headers"]
    assert call.answered == [("/v1/sales", 200)]


async def test_f75_a_body_over_the_limit_is_refused_by_counting_and_never_gathered() -> None:
    call = Call(body_limit_bytes=1000)
    pulled = 0

    async def endless() -> MutableMapping[str, Any]:
        nonlocal pulled
        pulled += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    assert await call.exchange(endless) == 413
    assert (call.code, pulled, call.seen) == ("body_too_large", 11, None)
    assert (b"connection", b"close") in call.sent[0]["headers"]


async def test_f75_a_declared_length_over_the_limit_is_refused_before_reading() -> None:
    call = Call()
    assert await call.post(b"", headers=((b"content-length", b"100000000"),)) == 413
    assert call.seen is None


async def test_f79_a_path_with_a_nul_leads_nowhere() -> None:
    call = Call()
    assert await call.post(b"{}", path="/in/\x00") == 404
    assert call.seen is None


async def test_f75_one_huge_chunk_is_refused() -> None:
    assert await Call().post(b" " * (256 * 1024 + 1)) == 413


async def test_f75_a_slow_body_is_refused_at_the_deadline() -> None:
    async def slow(size: int = 1) -> AsyncIterator[int]:
        for number in range(size):
            await asyncio.sleep(0.02)
            yield number

    call = Call(body_timeout_seconds=0.05)
    drip = slow(1000)

    async def receive() -> MutableMapping[str, Any]:
        await anext(drip)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert await call.exchange(receive) == 408
    assert call.code == "body_timeout"


async def test_f75_a_body_that_never_begins_is_refused_at_the_deadline() -> None:
    async def silent() -> MutableMapping[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    assert await Call(body_timeout_seconds=0.05).exchange(silent) == 408


async def test_a_caller_that_hangs_up_gets_no_answer_and_the_application_no_call() -> None:
    call = Call()

    async def gone() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    assert await call.exchange(gone) == 0
    assert (call.sent, call.seen, call.answered) == ([], None, [("/v1/sales", 0)])


async def test_the_reader_of_bodies_works_without_an_edge_too() -> None:
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    with pytest.raises(ClientGone):
        await read_body(receive)
    messages.append({"type": "http.request", "body": b"abc"})
    with pytest.raises(Problem, match="body_too_large"):
        await read_body(receive, limit_bytes=2)


async def test_f76_a_compressed_body_is_refused() -> None:
    call = Call()
    assert await call.post(b"\x1f\x8b", headers=(JSON_TYPE, (b"content-encoding", b"gzip"))) == 415
    assert await Call().post(b"{}", headers=(JSON_TYPE, (b"content-encoding", b"identity"))) == 200


@pytest.mark.parametrize("name", [b"authorization", b"content-length", b"x-ponte-timestamp", b"content-type"])
async def test_f86_a_repeated_security_header_is_refused(name: bytes) -> None:
    call = Call()
    assert await call.post(b"{}", headers=((name, b"1"), (name, b"1"))) == 400
    assert call.code == "repeated_header"
    assert await Call().post(b"{}", headers=(JSON_TYPE, (b"accept", b"a"), (b"accept", b"b"))) == 200


REFUSED = {
    "f77 cut off": b'{"a": 1',
    "f77 a million brackets": b"[" * 200_000,
    "f77 an integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "f77 an integer of 21 digits": b'{"a": 123456789012345678901}',
    "f77 too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "f78 a repeated key": b'{"amount": 1, "amount": 9}',
    "f78 a repeated key inside": b'[{"a": {"b": 1, "\\u0062": 2}}]',
    "f79 invalid UTF-8": b'{"a": "\xff"}',
    "f79 an encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "f79 a lone surrogate": b'{"a": "\\ud800"}',
    "f79 a lone surrogate in a key": b'{"\\udfff": 1}',
    "f79 a NUL": b'{"a": ["\\u0000"]}',
    "f79 a raw NUL": b'{"a": "\x00"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[-Infinity]",
    "an infinite number": b"[1e999]",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "two values": b"{} {}",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
async def test_f77_f78_f79_json_that_two_parsers_may_read_differently_is_refused(body: bytes) -> None:
    call = Call()
    assert await call.post(body) == 400
    assert (call.code, call.seen) == ("malformed_json", None)


def test_json_within_the_bounds_is_read_as_it_stands() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert strict_json(deepest)
    assert strict_json(
        b'{"a": "\\ud83d\\ude00 \\\\u0000 \xc3\xa7", "b": [9223372036854775807, -0.5, null, true]}'
    ) == {
        "a": "😀 \\u0000 ç",
        "b": [9223372036854775807, -0.5, None, True],
    }


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: json.dumps(text).encode()))
def test_any_bytes_are_a_value_or_a_problem(body: bytes) -> None:
    with contextlib.suppress(Problem):
        value = strict_json(body)
        assert strict_json(json.dumps(value).encode()) == value


def test_a_hostile_document_costs_little_memory() -> None:
    tracemalloc.start()
    with pytest.raises(Problem):
        strict_json(b"[" * (256 * 1024))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


async def test_f102_card_data_is_refused_counted_and_not_passed_on() -> None:
    call = Call()
    assert await call.post(b'{"sale": {"cvv": "123"}}') == 422
    assert (call.code, call.forbidden, call.seen) == ("forbidden_card_data", 1, None)


async def test_a_body_that_does_not_say_it_is_json_is_refused_under_v1_only() -> None:
    call = Call()
    assert await call.post(b"a=1", headers=((b"content-type", b"application/x-www-form-urlencoded"),)) == 415
    raw = Call()
    assert await raw.post(b"\xff\x00", path="/in/tok", headers=()) == 200
    assert raw.seen == b"\xff\x00"


async def test_a_problem_from_the_hot_lane_is_answered() -> None:
    call = Call()
    assert await call.post(b"", path="/in/refused") == 401
    assert call.code == "unauthenticated"


async def test_an_unforeseen_error_is_a_500_that_tells_nothing() -> None:
    call = Call()
    assert await call.post(b"", path="/in/bug") == 500
    assert call.code == "internal"
    assert b"52998224725" not in call.sent[1]["body"]


async def test_an_error_after_the_answer_began_does_not_begin_another() -> None:
    call = Call()
    assert await call.post(b"", path="/in/late") == 200
    assert len(call.sent) == 1


async def test_what_is_not_http_passes_untouched() -> None:
    seen: list[str] = []

    async def app(scope: MutableMapping[str, Any], _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await Edge(app, lambda: "req_1")({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
