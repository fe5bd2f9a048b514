"""Logs as JSON lines and metrics for Prometheus.

Every line of every library passes the mask: no CPF, CNPJ, card number or secret is ever written out.
"""

import base64
import binascii
import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TextIO, TypeAlias

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from contracts.documents import tax_id
from contracts.errors import Malformed
from gateway.cards import card_numbers

Event: TypeAlias = MutableMapping[str, Any]

HIDDEN = "[hidden]"
_MAX_DEPTH = 8

_SEP = r"(?:[.\-/ ]|%2[0DEFdef])?"
_CPF = re.compile(rf"(?<!\d)\d{{3}}{_SEP}\d{{3}}{_SEP}\d{{3}}{_SEP}\d{{2}}(?!\d)")
_CNPJ = re.compile(
    rf"(?<![0-9A-Za-z])[0-9A-Za-z]{{2}}{_SEP}[0-9A-Za-z]{{3}}{_SEP}[0-9A-Za-z]{{3}}{_SEP}[0-9A-Za-z]{{4}}"
    rf"{_SEP}\d{{2}}(?![0-9A-Za-z])",
)
_PERCENT = re.compile(r"%2[0DEFdef]")
_CARD_IN_URL = re.compile(r"(?<![0-9])[0-9]{4}(?:%2[0DEde][0-9]{1,7}){2,4}(?![0-9])")
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){11,}(?![0-9A-Fa-f])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{14,}")
_URLSAFE = str.maketrans("-_", "+/")
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bponte_(?:live|test|sandbox)_[0-9A-Za-z_]{6,}"), HIDDEN),
    (re.compile(r"\b(?:whsec|whsk|sk_live|sk_test|sk)_[0-9A-Za-z+/=_-]{6,}"), HIDDEN),
    (re.compile(r"\b(Bearer|Basic)\s+[0-9A-Za-z._~+/=\-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"(://[^\s:/@]*):[^\s@/]+@"), rf"\1:{HIDDEN}@"),
    # What pydantic and SQLAlchemy put into their errors is what the caller sent.
    (re.compile(r"input_value=.*(?=, input_type=)"), f"input_value={HIDDEN}"),
    (re.compile(r"\[parameters: .*\]"), f"[parameters: {HIDDEN}]"),
)
_HIDDEN_FIELDS = frozenset({
    "authorization", "body", "cardholder_name", "cookie", "cpf", "cnpj", "cvv", "document", "holder_name",
    "key", "master_key", "pan", "password", "payload", "phone", "secret", "token",
})  # fmt: skip


def mask(text: str) -> str:
    """Return `text` without what may not be shown: CPF, CNPJ, card numbers, secrets, plain or encoded."""
    masked = _mask_plain(text)
    masked = _HEX.sub(_mask_hex, masked)
    return _BASE64.sub(_mask_base64, masked)


def _mask_plain(text: str) -> str:
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    for found in reversed(list(card_numbers(text))):
        text = f"{text[: found.start()]}[card]{text[found.end() :]}"
    text = _CARD_IN_URL.sub(_mask_card_in_url, text)
    text = _CPF.sub(_mask_document, text)
    return _CNPJ.sub(_mask_document, text)


def _mask_card_in_url(found: re.Match[str]) -> str:
    return "[card]" if any(card_numbers(_PERCENT.sub(" ", found[0]))) else found[0]


def _mask_document(found: re.Match[str]) -> str:
    try:
        tax_id(_PERCENT.sub("", found[0]))
    except Malformed:
        return found[0]
    return "[document]"


def _mask_hex(found: re.Match[str]) -> str:
    return _hidden_if_personal(found[0], bytes.fromhex(found[0]))


def _mask_base64(found: re.Match[str]) -> str:
    # A slash or dash before the encoded text belongs to the run as well, so every alignment is tried.
    run = found[0]
    for skipped in range(4):
        bare = run[skipped:].translate(_URLSAFE)
        bare = bare[: len(bare) - (len(bare) % 4 == 1)]
        try:
            clear = base64.b64decode(bare + "=" * (-len(bare) % 4))
        except binascii.Error:
            continue
        if _hidden_if_personal("", clear):
            return HIDDEN
    return run


def _hidden_if_personal(written: str, clear: bytes) -> str:
    text = clear.decode("latin-1")
    return HIDDEN if _mask_plain(text) != text else written


def mask_event(_logger: Any, _method: str, event: Event) -> Event:
    """Return a log event with every name and value masked; values under telling names are hidden whole."""
    return {
        mask(name): HIDDEN if name in _HIDDEN_FIELDS else _masked(held, 0) for name, held in event.items()
    }


def _masked(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        text = str(value)
        return value if mask(text) == text else HIDDEN
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return mask_event(None, "", {str(name): _Nested(held, depth + 1) for name, held in value.items()})
    if isinstance(value, _Nested):
        return _masked(value.held, value.depth)
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_masked(held, depth + 1) for held in value]
    return mask(value if isinstance(value, str) else repr(value))


class _Nested:
    """A value inside a mapping, with the depth it stands at."""

    def __init__(self, held: Any, depth: int) -> None:
        self.held, self.depth = held, depth


def configure_logging(level: str, *, masked: bool = True, stream: TextIO | None = None) -> None:
    """Send every log of the process, libraries' included, to `stream` (standard error) as masked JSON lines.

    `masked=False` exists only for the control run that proves that the search for leaks can find one.
    """
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    after: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,  # frames and source lines, never local values
        *([mask_event] if masked else []),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(library).handlers.clear()
        logging.getLogger(library).propagate = True
    for chatty in ("uvicorn.access", "httpx", "httpcore", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Bounded:
    """Lets the first `limit` distinct words through as labels; whatever comes later is `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, word: str) -> str:
        if word in self._known:
            return word
        if len(self._known) < self._limit and re.fullmatch(r"[a-z0-9][a-z0-9_.\-]{0,63}", word):
            self._known.add(word)
            return word
        return "other"


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The figures of one hub, on a registry of their own. Labels come from bounded sets, never from ids."""

    def __init__(self, connectors: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._connectors = frozenset(connectors)
        self._outcome = _Bounded(24)
        self._reason = _Bounded(48)
        self._lane = _Bounded(8)
        count = self._counter
        self._deliveries = count("ponte_deliveries", "Deliveries by outcome.", "connector", "outcome")
        self._sales = count("ponte_sales", "Sales by outcome.", "outcome")
        self._commits = count("ponte_commits", "Database commits of the committer.")
        self._bugs = count(
            "ponte_connector_bug", "Errors that a connector should not have let out.", "connector"
        )
        self._forged = count("ponte_forged", "Deliveries that did not prove their origin.", "connector")
        self._forbidden = count("ponte_forbidden", "Deliveries refused for card data.", "connector")
        self._ignored = count("ponte_ignored", "Deliveries that mean nothing here.", "connector", "reason")
        self._codes = count("ponte_voucher_codes", "Voucher codes looked up, by outcome.", "outcome")
        self._batch = Histogram(
            "ponte_batch_size", "Items that shared one commit.", buckets=_BATCHES, registry=self.registry
        )
        self._http = Histogram(
            "ponte_http_seconds",
            "From the first byte read to the answer.",
            ("lane", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._queue = Gauge("ponte_queue_depth", "Items waiting for the committer.", registry=self.registry)
        self._coupons = Gauge(
            "ponte_coupons_waiting", "Coupons of which a store must be told.", registry=self.registry
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def delivery(self, connector: str, outcome: str) -> None:
        self._deliveries.labels(self._connector(connector), self._outcome(outcome)).inc()

    def sale(self, outcome: str, how_many: int = 1) -> None:
        self._sales.labels(self._outcome(outcome)).inc(how_many)

    def commit(self, batch_size: int) -> None:
        self._commits.inc()
        self._batch.observe(batch_size)

    def bug(self, connector: str) -> None:
        self._bugs.labels(self._connector(connector)).inc()

    def forged(self, connector: str) -> None:
        self._forged.labels(self._connector(connector)).inc()

    def forbidden(self, connector: str) -> None:
        self._forbidden.labels(self._connector(connector)).inc()

    def ignored(self, connector: str, reason: str) -> None:
        self._ignored.labels(self._connector(connector), self._reason(reason)).inc()

    def voucher_code(self, outcome: str) -> None:
        """Count a code that was `found` or `missed`, or not looked up: `throttled`, or `unbound` to a CPF."""
        self._codes.labels(self._outcome(outcome)).inc()

    def http(self, lane: str, status: int, seconds: float) -> None:
        """Count one answer; `lane` is a fixed word such as `in` or `v1`, `status` becomes `2xx` to `5xx`."""
        self._http.labels(self._lane(lane), f"{status // 100}xx").observe(seconds)

    def queue_depth(self, read: Callable[[], int]) -> None:
        """Read the queue's length at every scrape from now on."""
        self._queue.set_function(read)

    def coupons_waiting(self, how_many: int) -> None:
        self._coupons.set(how_many)

    def render(self) -> tuple[bytes, str]:
        """Return the text that Prometheus scrapes, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _connector(self, slug: str) -> str:
        return slug if slug in self._connectors else "other"
