"""Reads samples: one conversation a file, what must come of it beside it (docs/reference/samples.md).

Reading decides nothing: a sample that contradicts itself is refused as `Unreadable`, never guessed at.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from contracts.http import Delivery, Reply

ARRIVED_AT = datetime(2031, 1, 9, 15, 0, tzinfo=UTC)
NOTES = frozenset(
    {
        *("source", "config", "kind", "now", "keys", "before", "same-sale", "status", "new-fields", "bound"),
        *("terminal", "reservation", "amount_cents", "slip", "cursor", "start", "file", "coupon", "ref"),
        *("answer", "state", "redirect_uri", "query"),
    }
)
DELIVERED = frozenset({"webhook", "terminal", "checkout"})
KINDS = DELIVERED | {
    *("config", "terminal.reserve", "terminal.slip", "poll", "file"),
    *("coupon.create", "coupon.find", "coupon.revoke", "check"),
    *("sign_in.authorize", "sign_in.exchange", "sign_in.refresh"),
}


class Unreadable(ValueError):
    """The sample itself is wrong; says what to mend."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sample says of one request; what it leaves out may be anything."""

    method: str
    path: str
    query: Mapping[str, str] | None
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, `None` where any will do, and its reply, `None` where the answer never came."""

    asked: Asked | None
    reply: Reply | None


@dataclass(frozen=True)
class Sample:
    """One conversation, not yet held by any connector."""

    path: Path
    notes: Mapping[str, str] = field(repr=False)
    delivery: Delivery
    exchanges: tuple[Exchange, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def kind(self) -> str:
        """What is tried."""
        return self.notes.get("kind", "terminal" if "terminal" in self.notes else "webhook")

    @property
    def now(self) -> datetime:
        """When the delivery arrived."""
        return self.instant("now") if "now" in self.notes else ARRIVED_AT

    @property
    def expectation(self) -> Path:
        """The file that holds what must come of it."""
        return self.path.with_suffix(".facts.json")

    @cached_property
    def expected(self) -> Any:
        """What must come of it. Refuses (`Unreadable`) what is not there yet, or no JSON."""
        try:
            return json.loads(self.expectation.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Unreadable("no expectation beside it: run with --accept, then read what it wrote") from None
        except ValueError:
            raise Unreadable(f"{self.expectation.name} is no JSON") from None

    @property
    def fails(self) -> bool:
        """Whether the connector is expected to fail."""
        return isinstance(self.expected, dict) and "error" in self.expected

    @property
    def expected_facts(self) -> list[dict[str, Any]]:
        """The facts it must give; none where it gives something else."""
        if self.fails:
            return []
        facts: Any = self.expected["facts"] if self.kind == "poll" else self.expected
        return facts if self.kind in {"webhook", "terminal", "poll", "file"} and facts != "greeted" else []

    def note(self, name: str) -> str:
        """Return a note that this kind of sample must have."""
        try:
            return self.notes[name]
        except KeyError:
            raise Unreadable(f"a sample of kind {self.kind} needs a note `# {name}: ...`") from None

    def json(self, name: str) -> Any:
        """Return a note that is JSON."""
        try:
            return json.loads(self.note(name))
        except ValueError:
            raise Unreadable(f"the note {name} is no JSON") from None

    def instant(self, name: str) -> datetime:
        """Return a note that is an instant with its zone."""
        try:
            at = datetime.fromisoformat(self.note(name))
        except ValueError:
            raise Unreadable(f"the note {name} is no instant") from None
        if at.tzinfo is None:
            raise Unreadable(f"the note {name} must have a zone, such as Z")
        return at

    def rewritten(self, change: Callable[[str], str]) -> "Sample":
        """Return the sample with `change` applied to the text of every body that came from outside."""
        changed = self
        for number, text in enumerate(self.heard):
            changed = changed.hearing(number, change(text))
        return changed

    @property
    def heard(self) -> tuple[str, ...]:
        """The text of every body that came from outside: the delivery first, then the replies."""
        bodies = (self.delivery.body, *(each.reply.body if each.reply else b"" for each in self.exchanges))
        return tuple(body.decode(errors="surrogateescape") for body in bodies)

    def hearing(self, number: int, text: str) -> "Sample":
        """Return the sample with another text in the place of `heard[number]`."""
        body = text.encode(errors="surrogateescape")
        if number == 0:
            return replace(self, delivery=replace(self.delivery, body=body))
        exchanges = list(self.exchanges)
        changed = exchanges[number - 1]
        exchanges[number - 1] = replace(changed, reply=changed.reply and replace(changed.reply, body=body))
        return replace(self, exchanges=tuple(exchanges))

    def answered(self, number: int, status: int) -> "Sample":
        """Return the sample with another status of reply number so-and-so, which must be there."""
        changed = self.exchanges[number]
        exchange = replace(changed, reply=changed.reply and replace(changed.reply, status=status))
        return replace(self, exchanges=(*self.exchanges[:number], exchange, *self.exchanges[number + 1 :]))

    def headed(self, name: str, value: str) -> "Sample":
        """Return the sample with another header of the delivery."""
        headers = {**self.delivery.headers, name: value}
        return replace(self, delivery=replace(self.delivery, headers=headers))


def read(path: Path) -> Sample:
    """Return the sample in a file. Refuses (`Unreadable`), naming it, what docs/reference/samples.md does not know."""
    try:
        return _read(path)
    except UnicodeDecodeError:
        raise Unreadable(f"{path.name}: no UTF-8 text") from None
    except Unreadable as refused:
        raise Unreadable(f"{path.name}: {refused}") from None


def _read(path: Path) -> Sample:
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next((n for n, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    notes = dict(_note(line) for line in lines[:count])
    for needed in ("source", "config"):
        if needed not in notes:
            raise Unreadable(f"no note `# {needed}: ...`")
    sample = Sample(path, notes, Delivery(b""), ())
    if sample.kind not in KINDS:
        raise Unreadable(f"unknown kind {sample.kind}; there are {', '.join(sorted(KINDS))}")
    blocks = [_block(text) for text in _blocks(lines[count:])]
    delivery = blocks.pop(0) if sample.kind in DELIVERED and blocks else None
    if (delivery is None) == (sample.kind in DELIVERED) or len(blocks) % 2:
        raise Unreadable(f"a {sample.kind} is {_shape(sample.kind)}, between lines of ###")
    pairs = zip(blocks[::2], blocks[1::2], strict=True)
    exchanges = tuple(Exchange(_asked(*asked), _reply(*reply)) for asked, reply in pairs)
    if sample.kind == "file":
        arrived = Delivery(path.with_name(sample.note("file")).read_bytes(), received_at=sample.now)
    else:
        arrived = sample.delivery if delivery is None else _delivery(*delivery, sample.now)
    return replace(sample, delivery=arrived, exchanges=exchanges)


def _shape(kind: str) -> str:
    return f"{'a delivery, then ' if kind in DELIVERED else ''}request and reply in turns"


def _note(line: str) -> tuple[str, str]:
    name, colon, text = line.removeprefix("# ").partition(":")
    if not colon or name not in NOTES:
        raise Unreadable(f"unknown note `{line}`")
    return name, text.strip()


def _blocks(lines: list[str]) -> list[str]:
    blocks = "\n".join(lines).split("\n###") if lines else []
    blocks = [block.removeprefix("###").removeprefix("\n") for block in blocks]
    return blocks if blocks and blocks[0].strip() else blocks[1:]


def _block(text: str) -> tuple[str, dict[str, str], bytes]:
    head, _, body = text.partition("\n\n")
    start, *headers = head.splitlines() or [""]
    pairs = [line.partition(":") for line in headers]
    if any(not colon for _, colon, _ in pairs):
        raise Unreadable("a header without a colon; an empty line comes before the body")
    return start, {name.lower(): value.strip() for name, _, value in pairs}, body.strip("\n").encode()


def _delivery(start: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
    asked = _asked(start, headers, body)
    path = "" if asked.path == "/" else asked.path
    return Delivery(body, headers, now, asked.method, path, asked.query or {})


def _asked(start: str, headers: Mapping[str, str], body: bytes) -> Asked:
    words = start.removesuffix(" HTTP/1.1").split(" ")
    if len(words) != 2:
        raise Unreadable(f"`{start}` is no start line such as `GET /orders/1 HTTP/1.1`")
    parts = urlsplit(words[1])
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else None
    return Asked(words[0], parts.path, query, headers, body)


def _reply(start: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
    version, status, *_ = [*start.split(" "), ""]
    if version != "HTTP/1.1" or not status.isdigit():
        raise Unreadable(f"`{start}` is no start line such as `HTTP/1.1 200 OK`")
    return Reply(int(status), body, headers) if int(status) else None
