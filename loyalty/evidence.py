"""Evidence as the core sees it: stamped, stripped of personal data, ordered by content and never by arrival.

Every rule of `sales.py` is a function of a set of these and of the covered days.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeAlias

from contracts.facts import (
    SINGULAR_KINDS,
    TRUSTS,
    WEAK_KINDS,
    DocumentEvidence,
    Key,
    Method,
    OperationKind,
    PaymentEvidence,
    Trust,
)

RANK: Mapping[Trust, int] = {trust: rank for rank, trust in enumerate(TRUSTS)}
STRONG = RANK["confirmed"]
"""Ranks up to this one are believed; `device` and `declared` are claims that a better source may refute."""

CLOCK_ERROR = timedelta(minutes=10)

RegisterKey: TypeAlias = tuple[datetime, int, int, str]


@dataclass(frozen=True, slots=True)
class Statement:
    """One evidence, stamped by the gateway.

    `owner` is the opaque token of the customer's document, `merchant` the establishment after mapping,
    `digest` the content hash that breaks ties, `rank` the position of `trust` on its ladder (0 is best),
    `strong` whether the source is more than a claim.
    """

    id: str
    evidence: PaymentEvidence | DocumentEvidence
    trust: Trust
    received_at: datetime
    digest: str
    owner: str | None = None
    merchant: str | None = None
    rank: int = field(init=False, repr=False, compare=False)
    strong: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rank = RANK[self.trust]
        object.__setattr__(self, "rank", rank)
        object.__setattr__(self, "strong", rank <= STRONG)

    def register_key(self) -> RegisterKey:
        """Greatest wins among statements about one thing (R3).

        `received_at` has no say: it is the order of arrival by another name, and R0 forbids that.
        """
        evidence = self.evidence
        return (evidence.as_of, -self.rank, given_back_cents(evidence), self.digest)

    def content_key(self) -> tuple[int, datetime, str]:
        """A total order that does not know when anything arrived."""
        return (self.rank, self.evidence.as_of, self.digest)


@dataclass(frozen=True, slots=True)
class Claim:
    """A command about ownership: `decided` by the programme's operator, or claimed with the paper receipt."""

    id: str
    key: Key
    owner: str
    made_at: datetime
    decided: bool = False


def is_future(evidence: PaymentEvidence | DocumentEvidence, received_at: datetime) -> bool:
    """Whether a statement knows or sold later than a wrong clock explains; it is refused (R3)."""
    latest = received_at + CLOCK_ERROR
    return evidence.as_of > latest or (evidence.sold_at is not None and evidence.sold_at > latest)


def given_back_cents(evidence: PaymentEvidence | DocumentEvidence) -> int:
    """What one statement says was given back in all, in centavos; only used to break ties."""
    listed = sum(o.amount_cents or 0 for o in evidence.operations if o.kind != "reinstatement")
    if isinstance(evidence, DocumentEvidence):
        return max(listed, evidence.returned_cents)
    stated = (
        (evidence.returned_cents or 0) + (evidence.charged_back_cents or 0) - (evidence.reinstated_cents or 0)
    )
    return max(listed, stated)


def key_rank(key: Key) -> tuple[int, str, str]:
    """Order keys by how much they prove: singular, strong, weak."""
    weight = 0 if key.kind in SINGULAR_KINDS else 2 if key.kind in WEAK_KINDS else 1
    return (weight, key.kind, key.value)


@dataclass(frozen=True, slots=True)
class CoveredDays:
    """The local days for which a complete file was read, by (merchant, method)."""

    days: Mapping[tuple[str, Method], frozenset[date]]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, Method, date]]) -> "CoveredDays":
        """Return the covered days of `rows` (merchant, method, day)."""
        gathered: dict[tuple[str, Method], set[date]] = {}
        for merchant, method, day in rows:
            gathered.setdefault((merchant, method), set()).add(day)
        return cls({key: frozenset(value) for key, value in gathered.items()})

    def span(self, merchant: str | None, method: Method, first: date, last: date) -> bool:
        """Whether every day from `first` to `last` is covered; `first` always is one of them."""
        days = self.days.get((merchant, method)) if merchant is not None else None
        if not days:
            return False
        length = max(0, (last - first).days)
        return all(first + timedelta(days=n) in days for n in range(length + 1))


NOTHING_COVERED = CoveredDays({})


@dataclass(frozen=True, slots=True)
class Given:
    """One thing given back or given again, as the arithmetic of R5 needs it; its amount is resolved."""

    key: str
    kind: OperationKind
    amount_cents: int
    instalment: int | None
    happened_at: datetime
