"""A dossier: everything received that may be about one purchase, and the sales last concluded from it.

Dossiers only ever grow together (keys are facts for ever); sales inside one may merge and split.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from contracts.facts import SINGULAR_KINDS, DocumentEvidence, Evidence, Key, PaymentEvidence, Trust
from loyalty.evidence import RANK, Claim, Statement

Scope: TypeAlias = tuple[str, str]
"""(programme id, partner id): the scope of every key (R1)."""

_evidence: TypeAdapter[PaymentEvidence | DocumentEvidence] = TypeAdapter(Evidence)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One new evidence, stripped of personal data and stamped: what `record` takes.

    `owner` is the blind index of the customer's document, `merchant` the store after mapping.
    """

    programme_id: str
    partner_id: str
    installation_id: str
    delivery_id: str | None
    evidence: PaymentEvidence | DocumentEvidence
    trust: Trust
    owner: str | None
    merchant: str | None
    received_at: datetime

    @property
    def scope(self) -> Scope:
        """Where its keys mean something."""
        return (self.programme_id, self.partner_id)


@dataclass(frozen=True, slots=True)
class ClaimMade:
    """A claim or decision about who owns the sale that `key` names."""

    programme_id: str
    partner_id: str
    key: Key
    owner: str
    decided: bool
    made_at: datetime

    @property
    def scope(self) -> Scope:
        """Where its key means something."""
        return (self.programme_id, self.partner_id)


@dataclass(slots=True)
class Dossier:
    """The working copy of one dossier during a batch."""

    scope: Scope
    id: str
    statements: list[Statement] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    sale_of: dict[str, str] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    sales: dict[str, dict[str, Any]] = field(default_factory=dict)
    ranks: dict[Key, int] = field(default_factory=dict)
    stored: dict[Key, int] = field(default_factory=dict)
    contested: dict[Key, int] = field(default_factory=dict)
    absorbed: list[str] = field(default_factory=list)
    touched: bool = False

    def file(self, statement: Statement) -> None:
        """Add a statement that was not here yet."""
        self.statements.append(statement)
        self.digests[statement.digest] = statement.id
        self.learn_keys(statement)
        self.touched = True

    def learn_keys(self, statement: Statement) -> None:
        """Note by which keys this dossier is found, and with which trust each names something."""
        for key in statement.evidence.keys:
            self.ranks[key] = min(statement.rank, self.ranks.get(key, statement.rank))
        for key in linked_keys(statement.evidence):
            self.ranks.setdefault(key, RANK["declared"] + 1)

    def absorb(self, other: "Dossier") -> None:
        """Take over everything of `other`, which ends."""
        self.statements += other.statements
        self.digests.update(other.digests)
        self.sale_of.update(other.sale_of)
        self.claims += other.claims
        self.sales.update(other.sales)
        for key, rank in other.ranks.items():
            self.ranks[key] = min(rank, self.ranks.get(key, rank))
        self.contested.update(other.contested)
        self.absorbed += [other.id, *other.absorbed]
        self.touched = True

    def contest(self, key: Key, rank: int) -> None:
        """Note that another partner states `key`, with the best rank seen there."""
        self.contested[key] = min(rank, self.contested.get(key, rank))

    def named(self, key: Key) -> list[Statement]:
        """The statements about the payment or document that `key` names; links to it do not count."""
        return [s for s in self.statements if key in s.evidence.keys]

    def claims_on(self, sale_id: str) -> list[Claim]:
        """The claims and decisions about one of its sales."""
        said = [s for s in self.statements if self.sale_of.get(s.id) == sale_id]
        keys = {key for statement in said for key in statement.evidence.keys}
        return [claim for claim in self.claims if claim.key in keys]

    def merchants(self) -> set[str]:
        """The establishments that its statements name."""
        return {s.merchant for s in self.statements if s.merchant is not None}


def linked_keys(evidence: PaymentEvidence | DocumentEvidence) -> tuple[Key, ...]:
    """Return the keys by which `evidence` points at other things."""
    if isinstance(evidence, DocumentEvidence):
        return (*evidence.links, *(key for tender in evidence.tenders for key in tender.keys))
    return evidence.links


def all_keys(evidence: PaymentEvidence | DocumentEvidence) -> tuple[Key, ...]:
    """Return every key that may connect `evidence` with another."""
    return (*evidence.keys, *linked_keys(evidence))


def singular(keys: Iterable[Key]) -> list[Key]:
    """Return the keys that can name only one payment in the world."""
    return [key for key in keys if key.kind in SINGULAR_KINDS]


def body_of(evidence: PaymentEvidence | DocumentEvidence) -> str:
    """Return the JSON under which evidence is kept; it names no customer any more."""
    return evidence.model_dump_json(exclude_none=True)


def digest_of(arrival: Arrival, body: str) -> str:
    """Return the content hash of a stamped statement: the same statement of the same source is one."""
    stamped = "\n".join(
        (arrival.installation_id, arrival.trust, arrival.owner or "", arrival.merchant or "", body)
    )
    return hashlib.sha256(stamped.encode()).hexdigest()[:40]


def statement_of(row: Mapping[str, Any]) -> Statement:
    """Return the statement that a stored row holds."""
    return Statement(
        id=row["evidence_id"],
        evidence=_evidence.validate_json(row["body"]),
        trust=row["trust"],
        received_at=row["received_at"],
        digest=row["digest"],
        owner=row["owner"],
        merchant=row["merchant"],
    )
