"""The one place where facts meet sales: every way a sale enters the hub ends in `apply`.

A delivery, its evidence, its sale, its movements and its answer are one transaction.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from contracts.documents import tax_id
from contracts.errors import Malformed
from contracts.facts import (
    AnyFact,
    Coverage,
    DocumentEvidence,
    Ignored,
    MemberSeen,
    PaymentEvidence,
    ReservationClosed,
    Trust,
    VoucherUse,
)
from gateway.context import Context
from gateway.installations.actions import body_place
from gateway.ledger.queries import MemberRef
from gateway.privacy import ProgrammeKeys
from gateway.programmes.queries import book as book_of
from gateway.programmes.queries import keys as keys_of
from gateway.references import kept, kept_key
from gateway.reservations import actions as reservations
from gateway.sales import actions as sales
from gateway.sales import queries as sale_queries
from gateway.sales.actions import Recorded
from gateway.sales.dossiers import Arrival
from gateway.store import Connection, rows
from gateway.store import tables as t
from gateway.vouchers import auto, statements
from gateway.vouchers.statements import Stated
from loyalty.evidence import RANK, is_future


@dataclass(frozen=True, slots=True)
class Source:
    """On whose behalf facts arrive: an installation, a terminal, or an API key."""

    programme_id: str
    partner_id: str
    installation_id: str
    store_id: str | None
    trust: Trust
    covers: bool = False


@dataclass(frozen=True, slots=True)
class Inbound:
    """One delivery understood: its source, its facts, and the bytes to keep (`None`: kept elsewhere)."""

    source: Source
    facts: tuple[AnyFact, ...]
    received_at: datetime
    body: bytes | None = field(default=None, repr=False)
    body_hash: str | None = None
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery: `answer` is JSON-ready and is repeated word for word to a re-sender."""

    answer: dict[str, Any]
    recorded: tuple[Recorded, ...] = ()
    ignored: tuple[str, ...] = ()
    duplicate: bool = False


def apply(context: Context, conn: Connection, items: Sequence[Inbound]) -> list[Outcome]:
    """Apply deliveries as one set; the same bytes twice are one delivery and hear the same answer."""
    known = _known_deliveries(conn, items)
    outcomes: dict[int, Outcome] = {}
    fresh: dict[int, Inbound] = {}
    twin_of: dict[int, int] = {}
    first_with: dict[tuple[str, str, str | None], int] = {}
    for n, item in enumerate(items):
        at = (item.source.programme_id, item.source.installation_id, item.body_hash)
        row = known.get(at)
        if row is not None and row["state"] == "done":
            outcomes[n] = Outcome(json.loads(row["answer"]), duplicate=True)
        elif item.body_hash is not None and at in first_with:
            twin_of[n] = first_with[at]
        else:
            first_with[at] = n
            kept_as = item.delivery_id or (row["delivery_id"] if row else context.ids.new("dlv"))
            fresh[n] = replace(item, delivery_id=kept_as)
    outcomes.update(_apply_fresh(context, conn, fresh))
    _write_deliveries(context, conn, fresh, outcomes)
    for n, first in twin_of.items():
        outcomes[n] = replace(outcomes[first], duplicate=True)
    return [outcomes[n] for n in range(len(items))]


def _known_deliveries(
    conn: Connection, items: Sequence[Inbound]
) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    """Return what is stored of the same bytes; one that waits or is parked is applied now."""
    keys = [(i.source.programme_id, i.source.installation_id, i.body_hash) for i in items if i.body_hash]
    found = rows.fetch(conn, t.delivery, ("programme_id", "installation_id", "body_hash"), keys)
    return {(row["programme_id"], row["installation_id"], row["body_hash"]): row for row in found}


def _apply_fresh(context: Context, conn: Connection, items: dict[int, Inbound]) -> dict[int, Outcome]:
    read = {n: _read(context, conn, item) for n, item in items.items()}
    arrivals = [arrival for said in read.values() for arrival in said.arrivals]
    concluded = sales.record(context, conn, arrivals)
    recorded = iter(concluded)
    decided = _decide_covered(context, conn, {day for said in read.values() for day in said.covered})
    _follow_uses(context, conn, read)
    credited = decided | {
        (arrival.programme_id, sale.member_id)
        for arrival, sale in zip(arrivals, concluded, strict=True)
        if sale.member_id is not None and not sale.duplicate
    }
    auto.issue_due(context, conn, credited)
    return {n: _outcome(items[n], [next(recorded) for _ in said.arrivals], said) for n, said in read.items()}


@dataclass(slots=True)
class _Said:
    """What one delivery turned out to say: evidence, days covered, vouchers used, and why the rest is nothing.

    A covered day is (programme id, merchant, local day).
    """

    arrivals: list[Arrival] = field(default_factory=list)
    covered: list[tuple[str, str, date]] = field(default_factory=list)
    uses: list[Stated] = field(default_factory=list)
    followed: int = 0
    ignored: list[str] = field(default_factory=list)


def _read(context: Context, conn: Connection, item: Inbound) -> _Said:
    said = _Said()
    for fact in item.facts:
        match fact:
            case PaymentEvidence() | DocumentEvidence() if is_future(fact, item.received_at):
                said.ignored.append("future_sale")
            case PaymentEvidence() | DocumentEvidence():
                said.arrivals.append(_arrival(context, conn, item, fact, said))
            case Coverage():
                _cover(context, conn, item, fact, said)
            case _:
                _note(context, conn, item.source, fact, said)
    return said


def _note(
    context: Context,
    conn: Connection,
    source: Source,
    fact: ReservationClosed | VoucherUse | MemberSeen | Ignored,
    said: _Said,
) -> None:
    """Take in what is no evidence of a sale; nobody is enrolled by a source yet."""
    match fact:
        case ReservationClosed():
            reservations.end(
                conn, [(source.programme_id, source.partner_id, fact.reservation.value)], "closed"
            )
        case VoucherUse():
            order = kept_key(keys_of(context, conn, source.programme_id), fact.order)
            use = fact.model_copy(update={"order": order})
            said.uses.append(Stated(source.programme_id, source.partner_id, source.installation_id, use))
        case MemberSeen():
            said.ignored.append("enrolment_by_source_off")
        case Ignored():
            said.ignored.append(fact.reason)


def _follow_uses(context: Context, conn: Connection, read: dict[int, _Said]) -> None:
    """Follow what stores state about vouchers, as one set; what came to nothing is told with its reason."""
    stated = [(said, use) for said in read.values() for use in said.uses]
    if not stated:
        return
    reasons = statements.record(context, conn, [use for _, use in stated])
    for (said, _), reason in zip(stated, reasons, strict=True):
        if reason is None:
            said.followed += 1
        else:
            said.ignored.append(reason)


def _arrival(
    context: Context,
    conn: Connection,
    item: Inbound,
    evidence: PaymentEvidence | DocumentEvidence,
    said: _Said,
) -> Arrival:
    """Stamp one evidence: trust as granted or less, owner as blind index, references as kept, merchant as store."""
    source = item.source
    keys = keys_of(context, conn, source.programme_id)
    owner = None
    if evidence.customer is not None:
        owner = owner_of(keys, evidence.customer.document)
        evidence = evidence.model_copy(update={"customer": None})
        if owner is None:
            said.ignored.append("document_invalid")
    evidence = kept(keys, evidence)
    return Arrival(
        programme_id=source.programme_id,
        partner_id=source.partner_id,
        installation_id=source.installation_id,
        delivery_id=item.delivery_id,
        evidence=evidence,
        trust=max(source.trust, evidence.trust or source.trust, key=RANK.__getitem__),
        owner=owner,
        merchant=_merchant(context, conn, source, evidence.merchant_ref),
        received_at=item.received_at,
    )


def owner_of(keys: ProgrammeKeys, document: str) -> str | None:
    """Return the blind index of a CPF or CNPJ in any writing; `None`: the sale stays unlinked."""
    try:
        return keys.blind_index(tax_id(document).text)
    except Malformed:
        return None


def _merchant(context: Context, conn: Connection, source: Source, merchant_ref: str | None) -> str | None:
    """Return the establishment that a source's name for it stands for; without one, the source's own store."""
    if merchant_ref is not None:
        merchant_ref = keys_of(context, conn, source.programme_id).reference(merchant_ref)
    book = book_of(context, conn, source.programme_id)
    return book.store_of(source.partner_id, merchant_ref, source.store_id)


def _cover(context: Context, conn: Connection, item: Inbound, fact: Coverage, said: _Said) -> None:
    """Mark a day as completely read; what it decides is concluded once the whole batch is filed."""
    source = item.source
    if not source.covers:
        said.ignored.append("coverage_not_granted")
        return
    merchant = _merchant(context, conn, source, fact.merchant_ref) or ""
    row = {
        "programme_id": source.programme_id,
        "merchant": merchant,
        "day_on": fact.day_on,
        "installation_id": source.installation_id,
        "recorded_at": item.received_at,
    }
    rows.insert_new(conn, t.coverage, [{**row, "method": method} for method in fact.methods])
    context.memory.forget(source.programme_id)
    said.covered.append((source.programme_id, merchant, fact.day_on))


def _decide_covered(context: Context, conn: Connection, days: set[tuple[str, str, date]]) -> set[MemberRef]:
    """Conclude again the sales that newly covered days may decide, once the batch is filed; return whose."""
    dossiers = {found for day in days for found in sale_queries.sales_in_question(conn, *day)}
    return sales.reconsider(context, conn, sorted(dossiers)) if dossiers else set()


def _outcome(item: Inbound, recorded: list[Recorded], said: _Said) -> Outcome:
    answer: dict[str, Any] = {
        "outcome": "recorded" if recorded or said.followed else "ignored",
        "delivery_id": item.delivery_id,
        "sales": [
            {
                "sale_id": r.sale_id,
                "state": r.state,
                "units": r.units,
                "pending_units": r.pending,
                "reason": r.reason,
            }
            for r in recorded
        ],
    }
    if said.ignored:
        answer["ignored"] = sorted(set(said.ignored))
    return Outcome(answer, tuple(recorded), tuple(said.ignored))


def _write_deliveries(
    context: Context, conn: Connection, items: dict[int, Inbound], outcomes: dict[int, Outcome]
) -> None:
    written = []
    for n, item in items.items():
        if item.body is None or item.body_hash is None or item.delivery_id is None:
            continue
        keys = keys_of(context, conn, item.source.programme_id)
        written.append(
            {
                "programme_id": item.source.programme_id,
                "delivery_id": item.delivery_id,
                "installation_id": item.source.installation_id,
                "body_hash": item.body_hash,
                "body_sealed": keys.seal_delivery(body_place(item.delivery_id), item.received_at, item.body),
                "received_at": item.received_at,
                "state": "done",
                "attempts": 0,
                "answer": json.dumps(outcomes[n].answer),
            }
        )
    rows.put(conn, t.delivery, written)
