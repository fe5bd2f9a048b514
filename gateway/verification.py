"""Checks every promise of the ledger against the rows themselves; it reads, compares and changes nothing.

What is derived is derived again: balances from postings, sales and awards from the evidence.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.context import Context
from gateway.ledger import queries as ledger
from gateway.programmes import queries as programmes
from gateway.sales import actions, records
from gateway.sales import queries as sales
from gateway.sales.dossiers import Dossier
from gateway.sales.records import Outcome
from gateway.store import Connection
from loyalty import invariants

CHECKS: Final[Mapping[str, str]] = {
    "I1": "every movement, and so the ledger, sums to zero",
    "I2": "only issuance, goodwill and debt are below zero",
    "I3": "lots sum to what is available, expired ones and lapsed vouchers to breakage",
    "I4": "what vouchers took is free, held, spent or lapsed, and the accounts say so",
    "I5": "packs hold what was bought less what was granted",
    "I6": "one award per sale, member and partner",
    "I7": "no award is reversed beyond what it gave; its lots explain it",
    "I8": "nobody owes beside available value",
    "cache": "balances equal the sum of their postings",
    "posted": "every award is posted to its target, or held with a reason",
    "evidence": "sales and awards follow from the evidence, derived from scratch",
    "orphans": "no row lost what it belongs to",
}
PROGRAMMES_AT_ONCE = 200
BREACHES_SHOWN = 50


@dataclass(slots=True)
class Report:
    """What was looked at and what is broken: by check, how many breaches, and the first of them in words."""

    programmes: int = 0
    sales_checked: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is broken."""
        return not self.counts

    def note(self, check: str, sentence: str) -> None:
        """Count one breach."""
        self.counts[check] += 1
        if len(self.breaches) < BREACHES_SHOWN:
            self.breaches.append(f"{check}: {sentence}")

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "sound": self.sound,
            "programmes": self.programmes,
            "sales_checked": self.sales_checked,
            "checks": {check: self.counts[check] for check in CHECKS},
            "breaches": self.breaches,
        }


def verify(context: Context, conn: Connection, sales_limit: int | None = None) -> Report:
    """Return what holds and what is broken in every programme that `conn` sees, best from one snapshot.

    `sales_limit` bounds how many dossiers of each programme are derived again; `None` is all of them.
    """
    report = Report()
    for programme_id in _programmes(conn):
        report.programmes += 1
        for breach in invariants.check(ledger.books(conn, programme_id)):
            check, _, sentence = breach.partition(": ")
            report.note(check, sentence)
        for sentence in _unposted(conn, programme_id):
            report.note("posted", sentence)
        for kind, rows_lost in ledger.orphans(conn, programme_id).items():
            report.note("orphans", f"{rows_lost} {kind} in {programme_id}")
        for page in sales.every_dossier(conn, programme_id, sales_limit):
            dossiers = list(sales.load_dossiers(conn, page).values())
            report.sales_checked += sum(len(dossier.sales) for dossier in dossiers)
            for sentence in _underived(context, conn, dossiers):
                report.note("evidence", sentence)
    return report


def _programmes(conn: Connection) -> Iterator[str]:
    after_id = None
    while page := programmes.programmes(conn, after_id, PROGRAMMES_AT_ONCE):
        yield from (row["programme_id"] for row in page)
        after_id = page[-1]["programme_id"]


def _unposted(conn: Connection, programme_id: str) -> Iterator[str]:
    for row in ledger.every_award(conn, programme_id):
        missing = row["target_units"] - row["units"]
        if missing < 0 or (missing and row["held"] is None):
            yield f"sale {row['sale_id']} should have {row['target_units']} posted and has {row['units']}"


def _underived(context: Context, conn: Connection, dossiers: list[Dossier]) -> Iterator[str]:
    """Yield the sales and awards whose stored rows are not what their evidence says."""
    derived = actions.rederive(context, conn, dossiers)
    stored = {sale_id: row for dossier in dossiers for sale_id, row in dossier.sales.items()}
    awards = ledger.awards_of(conn, [(row["programme_id"], sale_id) for sale_id, row in stored.items()])
    for sale_id, row in stored.items():
        if row["merged_into"] is not None:
            continue
        if sale_id not in derived:
            yield f"sale {sale_id} follows from no evidence"
            continue
        posted = awards.get((row["programme_id"], sale_id), [])
        fresh = _with_posted(derived[sale_id], posted)
        differing = _differing(records.sale_row(fresh, row, row["recorded_at"]), row)
        if differing:
            yield f"sale {sale_id} differs in {', '.join(differing)}"
        yield from _wrong_targets(fresh, posted)
    for sale_id in sorted(derived.keys() - stored.keys()):
        yield f"sale {sale_id} follows from the evidence and is not stored"


def _with_posted(outcome: Outcome, awards: list[dict[str, Any]]) -> Outcome:
    mine = next((row for row in awards if row["member_id"] == outcome.sale.member_id), None)
    return outcome if mine is None else replace(outcome, posted=ledger.award_of(mine), held=mine["held"])


def _wrong_targets(outcome: Outcome, awards: list[dict[str, Any]]) -> Iterator[str]:
    by_member = {row["member_id"]: row["target_units"] for row in awards}
    owner = outcome.sale.member_id
    if owner is not None:
        by_member.setdefault(owner, 0)
    for member_id, kept in by_member.items():
        right = outcome.target.units if member_id == owner else 0
        if kept != right:
            yield f"sale {outcome.sale.sale_id} should earn {right} for {member_id}, its award says {kept}"


def _differing(fresh: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    return [name for name, value in fresh.items() if value != stored[name]]
