"""`ponte try`: a payload goes through a connector, without a hub; what it comes to is printed.

Nothing is sent anywhere: the vendor's answers are those of the sample, or of `--answer`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any

import typer

from contracts.conformance.conversations import OffScript, Outcome, config_of, hold
from contracts.conformance.folders import Folder, folder_of_slug, open_folder
from contracts.conformance.samples import Exchange, Sample, Unreadable, read
from contracts.connector import AnyConnector
from contracts.errors import ConnectorError, Forged, RetryLater, SignInAgain
from contracts.facts import AnyFact, DocumentEvidence, Evidence, Ignored, PaymentEvidence
from contracts.http import Delivery, Reply
from contracts.money import brl
from gateway.catalogue import Catalogue, UnknownConnector, connector_at, connectors_in
from gateway.commands.refusals import CommandRefused
from gateway.ports import system_clock


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook as the command line tells it; `config` is JSON, `None` for that of one of its samples."""

    file: Path
    headers: Sequence[str]
    config: str | None = field(repr=False)
    answers: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one conversation: an outcome, or one sentence why there is none."""

    name: str
    outcome: Outcome | None
    fault: str

    @property
    def understood(self) -> bool:
        """Whether the connector came to a result, which may be that nothing here concerns it."""
        return self.outcome is not None and not self.outcome.failed

    @property
    def sentence(self) -> str:
        """What happened, on one line."""
        if self.outcome is None:
            return self.fault
        result = self.outcome.result
        if isinstance(result, ConnectorError):
            return _failure(result)
        if self.outcome.facts:
            return ", ".join(map(_fact, self.outcome.facts))
        return f"comes to {json.dumps(self.outcome.plain, ensure_ascii=False)}"


def show(named: str, sample: str | None, told: Told | None, folder: Path | None, *, as_json: bool) -> bool:
    """Print what the connector of that name makes of a sample, a payload or all of its samples.

    Return whether it understood. Refuses (`CommandRefused`) what cannot be found or read.
    """
    found = _found(named, folder)
    try:
        if sample is None and told is None:
            return _show_all([_tried_at(path, found) for path in found.sample_paths], as_json=as_json)
        if sample is not None and told is not None:
            raise CommandRefused("Give a sample or --file, not both.")
        one = _sample(found, sample) if told is None else _payload(found, told)
        return _show_one(tried(one, found.connector), one, found.connector, as_json=as_json)
    except Unreadable as refused:
        raise CommandRefused(f"{refused}.") from None


def _show_all(tried: Sequence[Tried], *, as_json: bool) -> bool:
    if not tried:
        raise Unreadable("it has no samples: give one, or --file with --config")
    width = max(len(each.name) for each in tried)
    for each in tried:
        line = json.dumps({"sample": each.name, **_plain(each)}, ensure_ascii=False)
        typer.echo(line if as_json else f"{each.name:<{width}}  {each.sentence}")
    return all(each.outcome is not None for each in tried)


def _show_one(tried: Tried, sample: Sample, connector: AnyConnector, *, as_json: bool) -> bool:
    if as_json:
        typer.echo(json.dumps(_plain(tried), ensure_ascii=False))
        return tried.understood
    for request in () if tried.outcome is None else tried.outcome.asked:
        typer.echo(f"asks {request.method} {request.path}", err=True)
    unproved = _unproved(sample, connector)
    if unproved:
        typer.secho(f"A hub would refuse it: its signature is {unproved}.", fg="yellow", err=True)
    if tried.understood and tried.outcome is not None:
        typer.echo(json.dumps(tried.outcome.plain, ensure_ascii=False, indent=2))
    typer.secho(tried.sentence, fg="green" if tried.understood else "red", err=True)
    return tried.understood


def _plain(tried: Tried) -> dict[str, Any]:
    if tried.outcome is None:
        return {"fault": tried.fault}
    asked = [f"{request.method} {request.path}" for request in tried.outcome.asked]
    return {"result": tried.outcome.plain, "asked": asked}


def _tried_at(path: Path, found: Folder) -> Tried:
    try:
        return tried(read(path), found.connector)
    except Unreadable as refused:
        return Tried(path.stem, None, str(refused))


def tried(sample: Sample, connector: AnyConnector) -> Tried:
    try:
        return Tried(sample.name, hold(sample, connector), "")
    except (OffScript, Unreadable) as error:
        return Tried(sample.name, None, str(error))
    except Exception as error:  # noqa: BLE001 the author's code may raise anything, and is to be told where
        place = extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return Tried(
            sample.name, None, f"{type(error).__name__} escapes from {place.name} ({where}): {error}"
        )


def _unproved(sample: Sample, connector: AnyConnector) -> str:
    """Return why the delivery's own signature proves nothing; nothing if it does, or carries none."""
    if sample.kind != "webhook" or connector.webhook is None:
        return ""
    try:
        connector.webhook.signature(config_of(sample, connector)).check(sample.delivery, sample.now)
    except Forged as forged:
        return "" if forged.reason in {"absent", "unknown_key"} else forged.reason
    return ""


def _found(named: str, folder: Path | None) -> Folder:
    """Return the connector of a folder, a file or a slug, and where it is written."""
    place = Path(named)
    if place.exists():
        return Folder(place.resolve(), connector_at(place))
    for each in () if folder is None else connectors_in(folder):
        connector = connector_at(each)
        if connector.slug == named:
            return Folder(each.resolve(), connector)
    try:
        return open_folder(folder_of_slug(named))
    except Unreadable:
        pass
    try:
        return Folder(Path(), Catalogue.load().get(named))
    except UnknownConnector:
        raise CommandRefused(f"There is neither a folder nor a connector {named}.") from None


def _sample(found: Folder, sample: str | None) -> Sample:
    path = Path(sample or "")
    return read(path) if path.is_file() else found.named(path.stem)


def _payload(found: Folder, told: Told) -> Sample:
    """Return a payload as a conversation in which any question is answered by the next answer."""
    config = told.config or next((each.note("config") for each in found.samples), None)
    if config is None:
        raise CommandRefused("Give --config: there is no sample whose config could be used.")
    now = system_clock()
    notes = {"source": "synthetic", "config": config, "now": now.isoformat()}
    delivery = Delivery(_bytes(told.file), dict(map(_header, told.headers)), now)
    exchanges = tuple(Exchange(None, _answer(path)) for path in told.answers)
    return Sample(_named(told.file), notes, delivery, exchanges)


def _named(file: Path) -> Path:
    return Path("payload") if str(file) == "-" else file


def _answer(path: Path) -> Reply:
    """Return the reply in a file: with its status line and headers, or a body that came with 200."""
    body = _bytes(path)
    if not body.startswith(b"HTTP/1.1 "):
        return Reply(200, body, {"content-type": "application/json"})
    head, _, rest = body.replace(b"\r\n", b"\n").partition(b"\n\n")
    start, *headers = head.decode("latin-1").split("\n")
    status = start.split(" ")[1]
    if not status.isdigit():
        raise CommandRefused(f"{path} begins like a reply, but {start!r} has no status.")
    return Reply(int(status), rest, dict(map(_header, headers)))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise CommandRefused(f"A header is written `name: value`, and {line!r} has no colon.")
    return name.strip().lower(), value.strip()


def _bytes(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandRefused(f"{file} cannot be read: {error.strerror}.") from error


def _failure(error: ConnectorError) -> str:
    if isinstance(error, RetryLater):
        return f"RetryLater: the vendor is busy or silent, try again after {error.after_seconds} s"
    if isinstance(error, SignInAgain):
        return "SignInAgain: the vendor accepts these credentials no longer"
    return f"{type(error).__name__}: {error}"


def _fact(fact: AnyFact) -> str:
    match fact:
        case Ignored():
            return f"Ignored: {fact.reason}"
        case DocumentEvidence():
            return _evidence(fact, fact.total_cents, fact.returned_cents)
        case PaymentEvidence():
            return _evidence(fact, fact.captured_cents, fact.returned_cents)
        case _:
            return str(fact.about)


def _evidence(fact: Evidence, amount_cents: int | None, returned_cents: int | None) -> str:
    key, amount = fact.keys[0], "of an unstated amount" if amount_cents is None else brl(amount_cents)
    back = f", {brl(returned_cents)} given back" if returned_cents else ""
    whose = "" if fact.customer is None else ", with a customer"
    return f"{fact.about} {key.kind} {key.value} {fact.state} {amount}{back}{whose}"
