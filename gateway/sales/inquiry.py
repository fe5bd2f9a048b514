"""Why did this sale (not) score? Everything known of a sale, in the words of whoever has to answer.

A reading of what is stored: nothing here is decided again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from contracts.facts import DocumentEvidence, Key, PaymentEvidence
from gateway.ledger import queries as ledger
from gateway.members import queries as members
from gateway.privacy import ProgrammeKeys
from gateway.references import kept_key
from gateway.sales import queries
from gateway.sales.dossiers import Scope, statement_of
from gateway.sales.records import explanation
from gateway.store import Connection
from loyalty.refusals import TEXTS
from loyalty.statement import OWN_KINDS

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    """One statement about the sale; `amount_cents` is what it says was captured or bought."""

    evidence_id: str
    about: str
    source_id: str
    delivery_id: str | None
    trust: str
    state: str
    keys: tuple[Key, ...]
    amount_cents: int | None
    returned_cents: int | None
    as_of: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class AwardFound:
    """What is posted for one member, by which terms, in one pt-BR sentence."""

    member_id: str
    units: int
    pending_units: int
    target_units: int
    held: str | None
    terms: Mapping[str, Any]
    explanation: str
    activates_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MovementFound:
    """One movement of one member's wallet because of the sale."""

    movement_id: str
    member_id: str
    kind: str
    units: int
    reason: str
    happened_at: datetime
    learned_at: datetime


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A sale with its evidence, awards and movements."""

    sale: Row
    member_mask: str | None
    reason_text: str | None
    evidence: tuple[EvidenceFound, ...]
    awards: tuple[AwardFound, ...]
    movements: tuple[MovementFound, ...]


def standing(conn: Connection, programme_id: str, sale_id: str) -> Row | None:
    """Return the sale of this id, or the one that took it over; `None` if there is none."""
    while True:
        found = queries.sales_by_id(conn, [(programme_id, sale_id)])
        if not found or found[0]["merged_into"] is None:
            return found[0] if found else None
        sale_id = found[0]["merged_into"]


def by_key(conn: Connection, keys: ProgrammeKeys, scope: Scope, key: Key) -> Row | None:
    """Return the sale whose payment or document `key` names, told in clear or as its token."""
    return queries.sale_of_key(conn, scope, kept_key(keys, key))


def inquire(conn: Connection, sale: Row) -> Inquiry:
    """Return everything known of one sale."""
    at = (sale["programme_id"], sale["sale_id"])
    member_id = sale["member_id"]
    holder = members.member_rows(conn, [(at[0], member_id)]).get((at[0], member_id)) if member_id else None
    return Inquiry(
        sale=sale,
        member_mask=holder["document_mask"] if holder else None,
        reason_text=TEXTS.get(sale["reason"] or ""),
        evidence=tuple(_evidence(row) for row in queries.evidence_of_sale(conn, sale)),
        awards=tuple(_award(row, sale) for row in ledger.awards_of(conn, [at]).get(at, ())),
        movements=tuple(_movements(conn, queries.movements_of_sale(conn, sale))),
    )


def _evidence(row: Row) -> EvidenceFound:
    said = statement_of(row).evidence
    return EvidenceFound(
        evidence_id=row["evidence_id"],
        about=said.kind if isinstance(said, DocumentEvidence) else said.about,
        source_id=row["installation_id"],
        delivery_id=row["delivery_id"],
        trust=row["trust"],
        state=said.state,
        keys=said.keys,
        amount_cents=said.captured_cents if isinstance(said, PaymentEvidence) else said.money_cents,
        returned_cents=said.returned_cents,
        as_of=said.as_of,
        received_at=row["received_at"],
    )


def _award(row: Row, sale: Row) -> AwardFound:
    return AwardFound(
        member_id=row["member_id"],
        units=row["units"],
        pending_units=row["pending"],
        target_units=row["target_units"],
        held=row["held"],
        terms=json.loads(row["terms"]),
        explanation=explanation(row, sale),
        activates_at=row["activates_at"],
        expires_at=row["expires_at"],
    )


def _movements(conn: Connection, found: Sequence[Row]) -> list[MovementFound]:
    told = []
    for row, movement in zip(found, members.with_postings(conn, found), strict=True):
        changed: dict[str, int] = {}
        for (kind, ref), units in movement.postings:
            if kind in OWN_KINDS:
                changed[ref] = changed.get(ref, 0) + units
        told += [
            MovementFound(
                movement_id=row["movement_id"],
                member_id=member_id,
                kind=movement.kind,
                units=units,
                reason=movement.reason,
                happened_at=movement.happened_at,
                learned_at=movement.learned_at,
            )
            for member_id, units in sorted(changed.items())
        ]
    return told
