"""How conclusions are kept: the rows of evidence, keys, claims, sales, awards and events.

Pure: a row is a function of what was concluded, so a conclusion that did not change writes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

from gateway.context import Context
from gateway.outbox import event
from gateway.sales.dossiers import Arrival, ClaimMade, Dossier
from gateway.sales.targets import Concluded
from loyalty.accounts import Award
from loyalty.award import Target, Terms, explain
from loyalty.evidence import Statement

Row: TypeAlias = dict[str, Any]

_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Outcome:
    """A concluded sale, what it should earn, what is posted for its owner, and why the rest waits."""

    sale: Concluded
    target: Target
    posted: Award | None = None
    held: str | None = None

    @property
    def units(self) -> int:
        """Units posted for the owner."""
        return self.posted.units if self.posted else 0

    @property
    def pending(self) -> int:
        """Posted units that are not available yet."""
        return self.posted.pending if self.posted else 0

    @property
    def reason(self) -> str | None:
        """Why it earned nothing, or less, or waits."""
        return self.held or self.target.reason

    @property
    def state(self) -> str:
        """The state of the sale: held, pending, credited, unmatched or none."""
        if self.held:
            return "held"
        if self.units:
            return "pending" if self.pending else "credited"
        return "unmatched" if self.reason == "unmatched" else "none"


def evidence_row(arrival: Arrival, statement: Statement, body: str) -> Row:
    """Return the row of new evidence; its dossier and sale are known after the conclusion."""
    return {
        "programme_id": arrival.programme_id,
        "evidence_id": statement.id,
        "partner_id": arrival.partner_id,
        "installation_id": arrival.installation_id,
        "delivery_id": arrival.delivery_id,
        "trust": arrival.trust,
        "digest": statement.digest,
        "owner": arrival.owner,
        "merchant": arrival.merchant,
        "body": body,
        "received_at": arrival.received_at,
    }


def claim_row(claim_id: str, dossier: Dossier, made: ClaimMade) -> Row:
    """Return the row of a claim or decision."""
    return {
        "programme_id": made.programme_id,
        "claim_id": claim_id,
        "partner_id": made.partner_id,
        "dossier_id": dossier.id,
        "kind": made.key.kind,
        "value": made.key.value,
        "owner": made.owner,
        "decided": made.decided,
        "made_at": made.made_at,
    }


def key_rows(dossier: Dossier) -> list[Row]:
    """Return the key rows of a dossier that are new, better named, or moved by a merge."""
    return [
        {
            "programme_id": dossier.scope[0],
            "kind": key.kind,
            "value": key.value,
            "partner_id": dossier.scope[1],
            "dossier_id": dossier.id,
            "rank": rank,
        }
        for key, rank in dossier.ranks.items()
        if dossier.absorbed or dossier.stored.get(key) != rank
    ]


def sale_row(outcome: Outcome, known: Mapping[str, Any] | None, recorded_at: datetime) -> Row:
    """Return the row of a sale; `known` is the row it replaces."""
    sale = outcome.sale
    return {
        "programme_id": sale.programme_id,
        "sale_id": sale.sale_id,
        "partner_id": sale.partner_id,
        "dossier_id": sale.dossier_id,
        "merchant": sale.merchant,
        "first_kind": sale.first[0],
        "first_value": sale.first[1],
        "sold_at": sale.sold_at,
        "sold_on": sale.sold_on,
        "last_on": sale.last_on,
        "owner": sale.owner,
        "member_id": sale.member_id,
        "base_cents": sale.base_cents,
        "kept_numerator": str(sale.kept.numerator),
        "kept_denominator": str(sale.kept.denominator),
        "captured_cents": sale.captured_cents,
        "given_back_cents": sale.given_back_cents,
        "confirmed": sale.confirmed,
        "in_file": sale.in_file,
        "units": outcome.units,
        "pending": outcome.pending,
        "state": outcome.state,
        "reason": outcome.reason,
        "flags": _json(sale.flags) if sale.flags else "[]",
        "merged_into": None,
        "recorded_at": known["recorded_at"] if known else recorded_at,
    }


def concluded_of(row: Mapping[str, Any]) -> Concluded:
    """Return the concluded sale that a row holds (used where a daily limit couples it with another)."""
    return Concluded(
        programme_id=row["programme_id"],
        partner_id=row["partner_id"],
        dossier_id=row["dossier_id"],
        sale_id=row["sale_id"],
        first=(row["first_kind"], row["first_value"]),
        sold_at=row["sold_at"],
        sold_on=row["sold_on"],
        last_on=row["last_on"],
        owner=row["owner"],
        member_id=row["member_id"],
        base_cents=row["base_cents"],
        kept=Fraction(int(row["kept_numerator"]), int(row["kept_denominator"])),
        captured_cents=row["captured_cents"],
        given_back_cents=row["given_back_cents"],
        confirmed=row["confirmed"],
        in_file=row["in_file"],
        reason=None if int(row["kept_numerator"]) else row["reason"],
        flags=tuple(json.loads(row["flags"])),
        merchant=row["merchant"],
    )


@lru_cache(maxsize=1024)
def terms_json(terms: Terms) -> str:
    """Return terms as they are kept beside an award; many sales share the same."""
    return _json(terms.as_dict())


def explanation(award: Mapping[str, Any], sale: Mapping[str, Any]) -> str:
    """Return the pt-BR sentence that recomputes a stored award from its own terms; empty without terms."""
    terms = json.loads(award["terms"])
    if not terms:
        return ""
    kept = Fraction(int(sale["kept_numerator"]), int(sale["kept_denominator"]))
    return explain(Target(award["target_units"], award["desired_units"], None, Terms(**terms), kept))


def award_row(
    outcome: Outcome,
    posted: Award,
    held: str | None,
    activates_at: datetime | None,
    known: Mapping[str, Any] | None,
) -> Row:
    """Return the row of one posted award; that of a former owner keeps the terms it was posted under."""
    mine = posted.member_id == outcome.sale.member_id
    terms = outcome.target.terms if mine else None
    before = known or {"terms": "{}", "expires_at": None}
    return {
        "programme_id": outcome.sale.programme_id,
        "sale_id": posted.sale_id,
        "member_id": posted.member_id,
        "partner_id": posted.partner_id,
        "units": posted.units,
        "pending": posted.pending,
        "absorbed": posted.absorbed,
        "forgiven": posted.forgiven,
        "target_units": outcome.target.units if mine else 0,
        "desired_units": outcome.target.desired_units if mine else 0,
        "held": held,
        "terms": terms_json(terms) if terms else before["terms"],
        "sold_at": outcome.sale.sold_at,
        "activates_at": activates_at if posted.pending else None,
        "expires_at": outcome.target.expires_at if terms else before["expires_at"],
    }


def event_row(context: Context, row: Mapping[str, Any], units_before: int) -> Row:
    """Return the outbox row that tells what happened to a sale; thin: ids and units, no personal data."""
    payload = {name: row[name] for name in ("member_id", "reason", "sale_id", "units")}
    kind = _event_kind(row, units_before)
    return event(context, row["programme_id"], kind, row["sale_id"], context.clock(), _json(payload))


def _event_kind(row: Mapping[str, Any], units_before: int) -> str:
    if row["state"] == "held":
        return "sale.held"
    if row["units"] < units_before:
        return "sale.reversed"
    return "sale.credited" if row["units"] > units_before else "sale.recorded"
