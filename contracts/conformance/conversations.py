"""Holds a sample's conversation with a connector, in the place of the hub and of the vendor.

What comes of it is a value, also where the connector fails in one of the five ways; anything else escapes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import TypeAdapter, ValidationError

from contracts import checkout as live
from contracts.conformance.samples import Asked, Exchange, Sample, Unreadable
from contracts.connector import AnyConnector, Coupon, Page, SlipFacts, TerminalReport
from contracts.errors import ConnectorError, Forged, Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.facts import (
    AnyFact,
    Coverage,
    DocumentEvidence,
    Fact,
    Ignored,
    MemberSeen,
    PaymentEvidence,
    ReservationClosed,
    VoucherUse,
)
from contracts.http import Reply, Request
from contracts.plans import run

FIVE = (Forged, Malformed, RetryLater, SignInAgain, VendorRefused)
FACTS = (PaymentEvidence, DocumentEvidence, Coverage, VoucherUse, MemberSeen, ReservationClosed, Ignored)
GREETED = "greeted"
LINKS = "/in/installation"
CHUNK_BYTES = 1024


class OffScript(Exception):
    """The connector asked what the sample does not answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a conversation: a result or one of the five errors, and what was asked on the way."""

    result: Any
    asked: tuple[Request, ...]
    unasked: int = 0

    @property
    def plain(self) -> Any:
        """The result as an expectation writes it."""
        return plain(self.result)

    @property
    def facts(self) -> tuple[AnyFact, ...]:
        """The facts among the result."""
        result = self.result.facts if isinstance(self.result, Page) else self.result
        return tuple(each for each in result if isinstance(each, FACTS)) if _is_many(result) else ()

    @property
    def plain_facts(self) -> list[dict[str, Any]]:
        """The facts as an expectation writes them."""
        return [plain(fact) for fact in self.facts]

    @property
    def failed(self) -> bool:
        """Whether the connector failed, in one of the five ways."""
        return isinstance(self.result, ConnectorError)


def config_of(sample: Sample, connector: AnyConnector) -> Any:
    """Return the installation's config of a sample. Refuses (`Unreadable`) what the connector refuses."""
    model: Any = connector.config
    return _config(model, sample.note("config"))


@lru_cache(maxsize=64)
def _config(model: Any, text: str) -> Any:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise Unreadable("the note config is no JSON") from None
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors())
        raise Unreadable(f"the connector refuses the config ({faults})") from None


def hold(sample: Sample, connector: AnyConnector) -> Outcome:
    """Return what the connector makes of a sample. `OffScript` if it asks what is not there."""
    script = _Script(sample.exchanges)
    try:
        result = run(_plan(sample, connector), script)
    except FIVE as error:
        result = error
    return Outcome(result, tuple(script.asked), len(script.waiting))


def plain(result: Any) -> Any:
    """Return a result as JSON values, facts without what a source did not state."""
    match result:
        case Fact():
            return {"about": getattr(result, "about", ""), **_stated(result)}
        case Page():
            return {"facts": plain(result.facts), "cursor": result.cursor, "done": result.done}
        case ConnectorError():
            return _failure(result)
        case Reply():
            return {"status": result.status, "headers": dict(result.headers), "body": _read(result.body)}
        case Mapping():
            return {name: plain(value) for name, value in result.items()}
    if _is_many(result):
        return [plain(each) for each in result]
    return _json_of(result) if is_dataclass(result) else result


def _stated(fact: Fact) -> dict[str, Any]:
    return fact.model_dump(mode="json", exclude_defaults=True)


def _failure(error: ConnectorError) -> dict[str, Any]:
    told: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, VendorRefused):
        told["code"] = error.code
    if isinstance(error, RetryLater):
        told["after_seconds"] = error.after_seconds
    return told


@dataclass(frozen=True, slots=True)
class _Typed:
    """What an app at the terminal reports to the hub."""

    answer: str
    reservation: str | None = None
    cpf: str | None = None


class _Script:
    """The vendor of one sample: answers in turn, and fails as the gateway's transport would fail."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.waiting = list(exchanges)
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        if not self.waiting:
            raise OffScript(f"it asks {_shown(request)}, and the sample is at its end")
        exchange = self.waiting.pop(0)
        difference = exchange.asked and _difference(exchange.asked, request)
        if difference:
            raise OffScript(f"it asks {_shown(request)}: {difference}")
        return _carried(exchange.reply)


def _carried(reply: Reply | None) -> Reply:
    if reply is None:
        raise RetryLater
    if reply.status == 429 or reply.status >= 500:
        wished = reply.headers.get("retry-after", "")
        raise RetryLater(int(wished) if wished.isdigit() else 60)
    if reply.status in {401, 403}:
        raise SignInAgain
    return reply


def _plan(sample: Sample, connector: AnyConnector) -> Any:
    if sample.kind == "config":
        return _configured(sample, connector)
    config = config_of(sample, connector)
    if sample.exchanges:
        _introduced(connector, config)
    capability, _, function = sample.kind.partition(".")
    able: Any = getattr(connector, "coupons" if capability == "coupon" else capability)
    if able is None:
        raise Unreadable(f"{sample.name} is of kind {sample.kind}, and the connector has no {capability}")
    return _PLANS[capability](sample, able, function, config)


def _configured(sample: Sample, connector: AnyConnector) -> str:
    try:
        config_of(sample, connector)
    except Unreadable:
        return "refused"
    return "accepted"


def _introduced(connector: AnyConnector, config: Any) -> None:
    """Do what the gateway does before it asks anything: it must know where, and as whom."""
    if connector.base_url is None:
        raise Unreadable("the connector asks its vendor but declares no base_url")
    connector.base_url(config)
    connector.credentials(config)


def _received(sample: Sample, webhook: Any, _function: str, config: Any) -> Any:
    greeted = webhook.greeting is not None and webhook.greeting(sample.delivery)
    return GREETED if greeted else webhook.receive(sample.delivery, config)


def _polled(sample: Sample, poll: Any, _function: str, config: Any) -> Any:
    started = "start" in sample.notes
    return poll.page(poll.start(sample.instant("start")) if started else sample.note("cursor"), config)


def _filed(sample: Sample, file: Any, _function: str, config: Any) -> Any:
    body = sample.delivery.body
    chunks = (body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES))
    return [file.to_fact(row, config) for row in file.rows(chunks, config)]


def _checked(_sample: Sample, check: Any, _function: str, config: Any) -> Any:
    return check(config)


def _at_the_terminal(sample: Sample, terminal: Any, function: str, config: Any) -> Any:
    if function == "reserve":
        amount = sample.notes.get("amount_cents")
        return terminal.reserve(sample.note("reservation"), None if amount is None else int(amount), config)
    if function == "slip":
        return list(terminal.slip(_adapter(SlipFacts).validate_python(sample.json("slip")), config))
    told = sample.json("terminal")
    try:
        said = _adapter(_Typed).validate_json(sample.delivery.body)
    except ValidationError:
        raise Malformed("the hub itself refuses this report") from None
    report = {**told, "answer": {}, "reservation": said.reservation, "cpf": said.cpf}
    answered = _adapter(TerminalReport).validate_python(report)
    return terminal.result(replace(answered, answer=terminal.answer(said.answer)), config)


def _about_a_coupon(sample: Sample, coupons: Any, function: str, config: Any) -> Any:
    coupon = _adapter(Coupon).validate_python(sample.json("coupon"))
    if function == "create":
        return coupons.create(coupon, config)
    if function == "find":
        return coupons.find(coupon.code, config)
    return coupons.revoke(coupon.code, sample.note("ref"), config)


def _at_the_checkout(sample: Sample, able: Any, _function: str, config: Any) -> Any:
    told = sample.json("answer")
    kind = getattr(live, told.pop("about"))
    answer = _adapter(kind).validate_python(told)
    unread = isinstance(answer, live.Stranger | live.Misread)
    question = None if unread else able.ask(sample.delivery, config)
    asked = None if question is None else {"about": type(question).__name__, **_json_of(question)}
    return {"question": asked, "reply": able.tell(question, answer, LINKS)}


def _signing_in(sample: Sample, able: Any, function: str, config: Any) -> Any:
    if function == "refresh":
        return able.refresh(config)
    if function == "authorize":
        return able.authorize(sample.note("state"), sample.note("redirect_uri"), config)
    return able.exchange(sample.json("query"), sample.note("redirect_uri"), config)


_PLANS: Mapping[str, Callable[[Sample, Any, str, Any], Any]] = {
    "webhook": _received,
    "poll": _polled,
    "file": _filed,
    "terminal": _at_the_terminal,
    "coupon": _about_a_coupon,
    "checkout": _at_the_checkout,
    "sign_in": _signing_in,
    "check": _checked,
}


def _difference(asked: Asked, request: Request) -> str:
    """Return how a request differs from what a sample says of it; nothing if it does not."""
    parts = urlsplit(request.path)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **request.query}
    headers = {name.lower(): value for name, value in request.headers.items()}
    if (request.method, unquote(parts.path)) != (asked.method, unquote(asked.path)):
        return f"the sample says {asked.method} {asked.path}"
    if asked.query is not None and query != asked.query:
        return f"the sample says the query {asked.query}"
    for name, value in asked.headers.items():
        if headers.get(name) != value:
            return f"the sample says another {name}"
    if asked.body and not _holds(_read(asked.body), _read(request.body)):
        return "its body is not what the sample says"
    return ""


def _holds(part: Any, whole: Any) -> bool:
    """Whether `whole` says all that `part` says; it may say more."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _holds(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_holds, part, whole))
    return bool(part == whole)


def _read(body: bytes) -> Any:
    """Return a body as JSON, else the fields of a form, else its text."""
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        form = dict(parse_qsl(text, keep_blank_values=True))
        return form if form and "\n" not in text else text


def _shown(request: Request) -> str:
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    return f"{request.method} {request.path}{'?' if query else ''}{query}"


def _json_of(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    return dict(_adapter(kind).dump_python(value, mode="json"))


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _is_many(result: Any) -> bool:
    return isinstance(result, Sequence) and not isinstance(result, str | bytes)
