"""Recording evidence: file it in dossiers, conclude the sales again, post what changed.

Set-shaped: a batch is loaded, decided and written as a whole, whatever the number of its items.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, update

from contracts.facts import Key
from gateway.context import Context
from gateway.ledger import actions as ledger
from gateway.ledger import queries as ledger_queries
from gateway.ledger.queries import MemberRef
from gateway.members.queries import identities
from gateway.programmes.queries import book as book_of
from gateway.sales import queries, records
from gateway.sales.desk import Desk
from gateway.sales.dossiers import Arrival, ClaimMade, Dossier, Scope, all_keys, singular
from gateway.sales.records import Outcome
from gateway.sales.targets import Concluded, conclude, pending_until, target, with_daily_limit
from gateway.store import rows
from gateway.store import tables as t
from loyalty.accounts import Award
from loyalty.award import Target
from loyalty.evidence import NOTHING_COVERED, Claim
from loyalty.programme import Book
from loyalty.sales import Sale, converge, name_sales


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one evidence: its sale now, and what it earns. `duplicate`: nothing was written."""

    sale_id: str
    state: str
    reason: str | None
    units: int
    pending: int
    member_id: str | None
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class _Conclusion:
    """What dossiers say: their sales by id, which sale each evidence belongs to, and what each should earn.

    `neighbours` are the rows of other sales that a daily limit couples with them; `everyone` and `targets`
    have those too.
    """

    sales: Mapping[str, Concluded]
    sale_of: Mapping[str, str]
    neighbours: Mapping[str, Mapping[str, Any]]
    everyone: Mapping[str, Concluded]
    targets: Mapping[str, Target]


def record(context: Context, conn: Connection, arrivals: Sequence[Arrival]) -> list[Recorded]:
    """Keep new evidence, conclude its sales again, and return for each arrival what its sale is worth now."""
    desk = _open(conn, [(a.scope, key) for a in arrivals for key in all_keys(a.evidence)])
    filed = [desk.file(context, arrival) for arrival in arrivals]
    concluded = _conclude(context, conn, desk)
    return [_recorded(desk, concluded, evidence_id, duplicate=known) for evidence_id, known in filed]


def claim(context: Context, conn: Connection, claims: Sequence[ClaimMade]) -> list[Recorded | None]:
    """Record claims and decisions; `None` for a key that names no sale."""
    desk = _open(conn, [(c.scope, c.key) for c in claims])
    filed: list[str | None] = []
    for made in claims:
        dossier = desk.by_key.get((made.scope, made.key))
        if dossier is None:
            filed.append(None)
            continue
        claim_id = context.ids.new("clm")
        dossier.claims.append(Claim(claim_id, made.key, made.owner, made.made_at, decided=made.decided))
        dossier.touched = True
        desk.claims.append(records.claim_row(claim_id, dossier, made))
        filed.append((dossier.named(made.key) or dossier.statements)[0].id)
    concluded = _conclude(context, conn, desk)
    return [None if named is None else _recorded(desk, concluded, named, duplicate=False) for named in filed]


def reconsider(context: Context, conn: Connection, dossiers: Iterable[tuple[Scope, str]]) -> set[MemberRef]:
    """Conclude stored dossiers again, because something else changed; return whose sales they hold."""
    desk = Desk()
    for dossier in queries.load_dossiers(conn, dossiers).values():
        dossier.touched = True
        desk.add(dossier)
    concluded = [outcome.sale for outcome in _conclude(context, conn, desk).values()]
    return {(sale.programme_id, sale.member_id) for sale in concluded if sale.member_id is not None}


def rederive(context: Context, conn: Connection, dossiers: Sequence[Dossier]) -> dict[str, Outcome]:
    """Return by sale id what stored dossiers say when concluded again; nothing is posted or written."""
    found = _derive(context, conn, dossiers, _books(context, conn, dossiers))
    return {sale_id: Outcome(sale, found.targets[sale_id]) for sale_id, sale in found.sales.items()}


def _open(conn: Connection, wanted: Sequence[tuple[Scope, Key]]) -> Desk:
    """Load every dossier that one of `wanted` belongs to, those of other partners with a singular key too."""
    desk, scopes = Desk(), set(wanted)
    found: set[tuple[Scope, str]] = set()
    for row in queries.key_rows(conn, {(scope[0], key) for scope, key in wanted}):
        key, scope = Key(row["kind"], row["value"]), (row["programme_id"], row["partner_id"])
        if (scope, key) in scopes or singular([key]):
            found.add((scope, row["dossier_id"]))
        if singular([key]):
            desk.holders.setdefault((scope[0], key), []).append(scope[1])
    for dossier in queries.load_dossiers(conn, found).values():
        desk.add(dossier)
    return desk


def _conclude(context: Context, conn: Connection, desk: Desk) -> dict[str, Outcome]:
    """Conclude the sales of touched dossiers, post, write; return outcomes by evidence id."""
    touched = desk.touched()
    if not touched:
        return {}
    books = _books(context, conn, touched)
    found = _derive(context, conn, touched, books)
    gone = _merged(touched, found)
    ledger.join_sales(conn, gone)
    known = {**found.neighbours, **{old: row for dossier in touched for old, row in dossier.sales.items()}}
    outcomes = _post(context, conn, found, books, known, heirs=set(gone.values()))
    _write(context, conn, desk, outcomes, found, known)
    _refile(conn, touched, found, gone)
    return {evidence_id: outcomes[sale_id] for evidence_id, sale_id in found.sale_of.items()}


def _books(context: Context, conn: Connection, dossiers: Sequence[Dossier]) -> dict[str, Book]:
    return {p: book_of(context, conn, p) for p in {dossier.scope[0] for dossier in dossiers}}


def _derive(
    context: Context, conn: Connection, dossiers: Sequence[Dossier], books: Mapping[str, Book]
) -> _Conclusion:
    """Return what `dossiers` say and what their sales should earn; reads, decides, and writes nothing."""
    said, sale_of = _converge(context, conn, dossiers, books)
    owners = {(d.scope[0], sale.owner) for d, sale in said.values() if sale.owner is not None}
    known = identities(conn, owners)
    sales = {
        sale_id: conclude(sale, sale_id, d, known.get((d.scope[0], sale.owner or "")), books[d.scope[0]])
        for sale_id, (d, sale) in said.items()
    }
    neighbours = _neighbours(conn, sales, dossiers, books)
    everyone = {sale_id: records.concluded_of(row) for sale_id, row in neighbours.items()} | sales
    return _Conclusion(sales, sale_of, neighbours, everyone, _targets(conn, everyone, books))


def _converge(
    context: Context, conn: Connection, dossiers: Sequence[Dossier], books: Mapping[str, Book]
) -> tuple[dict[str, tuple[Dossier, Sale]], dict[str, str]]:
    """Return the sales of `dossiers` by the ids they keep, and which sale each evidence belongs to."""
    covering = [d for d in dossiers if _has_coverage(context, conn, d.scope[0])]
    covered = queries.covered_days(conn, covering, books)
    sales: dict[str, tuple[Dossier, Sale]] = {}
    sale_of: dict[str, str] = {}
    for dossier in dossiers:
        programme_id, _ = dossier.scope
        days = covered.get(programme_id, NOTHING_COVERED)
        zone = books[programme_id].zone
        said = converge(dossier.statements, dossier.claims, days, zone, dossier.contested)
        received = {s.id: (s.received_at, s.id) for s in dossier.statements}
        for sale, name in zip(said, name_sales(said, dossier.sale_of, received), strict=True):
            sale_id = name or context.ids.new("sal")
            sales[sale_id] = dossier, sale
            sale_of.update(dict.fromkeys(sale.statement_ids, sale_id))
    return sales, sale_of


def _has_coverage(context: Context, conn: Connection, programme_id: str) -> bool:
    return context.memory.get(programme_id, "covers", lambda: queries.has_coverage(conn, programme_id))


def _merged(dossiers: Sequence[Dossier], found: _Conclusion) -> dict[tuple[str, str], str]:
    """Return the sales that ended in a merge: (programme id, old sale id) -> the sale that took it over."""
    gone: dict[tuple[str, str], str] = {}
    for dossier in dossiers:
        for evidence_id, was in dossier.sale_of.items():
            if was not in found.sales:
                gone.setdefault((dossier.scope[0], was), found.sale_of[evidence_id])
    return gone


def _neighbours(
    conn: Connection, sales: Mapping[str, Concluded], dossiers: Sequence[Dossier], books: Mapping[str, Book]
) -> dict[str, Mapping[str, Any]]:
    """Return the rows of the other sales of the member-days concerned, where a daily limit couples them."""
    limited = {p for p, book in books.items() if book.limits_days}
    if not limited:
        return {}
    days: set[tuple[str, str, date]] = set()
    for s in sales.values():
        if s.programme_id in limited and s.member_id is not None:
            days.add((s.programme_id, s.member_id, s.sold_on))
    own: set[str] = set()
    for dossier in dossiers:
        own |= set(dossier.sales)
        for row in dossier.sales.values() if dossier.scope[0] in limited else ():
            if row["member_id"] is not None:
                days.add((dossier.scope[0], row["member_id"], row["sold_on"]))
    found = queries.sales_of_days(conn, days)
    return {row["sale_id"]: row for row in found if row["sale_id"] not in own}


def _targets(
    conn: Connection, sales: Mapping[str, Concluded], books: Mapping[str, Book]
) -> dict[str, Target]:
    graded = [s for s in sales.values() if s.member_id is not None and books[s.programme_id].categories]
    history = queries.memberships_of(conn, {(s.programme_id, s.member_id or "") for s in graded})
    targets = {
        sale_id: target(s, history.get((s.programme_id, s.member_id or ""), ()), books[s.programme_id])
        for sale_id, s in sales.items()
    }
    days: dict[tuple[str, str | None, date], list[Concluded]] = {}
    for s in sales.values():
        if s.member_id is not None and books[s.programme_id].limits_days:
            days.setdefault(s.day, []).append(s)
    for (programme_id, _, day), of_day in days.items():
        limit = books[programme_id].daily_limit(day)
        targets.update(with_daily_limit(targets, of_day, limit))
    return targets


def _post(
    context: Context,
    conn: Connection,
    found: _Conclusion,
    books: Mapping[str, Book],
    known: Collection[str],
    heirs: Collection[str],
) -> dict[str, Outcome]:
    """Post every (sale, member, partner) difference and keep its award; only `known` sales have one yet.

    `heirs` are the sales that have just taken others over.
    """
    outcomes = {sale_id: Outcome(sale, found.targets[sale_id]) for sale_id, sale in found.everyone.items()}
    awarded = ledger_queries.awards_of(
        conn, [(o.sale.programme_id, sale_id) for sale_id, o in outcomes.items() if sale_id in known]
    )
    asked: list[tuple[str, dict[str, Any] | None, ledger.Due]] = []
    for sale_id, outcome in outcomes.items():
        sale, book = outcome.sale, books[outcome.sale.programme_id]
        rows_of_sale = awarded.get((sale.programme_id, sale_id), ())
        held_by: dict[str, dict[str, Any] | None] = {row["member_id"]: row for row in rows_of_sale}
        if sale.member_id is not None and outcome.target.units:
            held_by.setdefault(sale.member_id, None)
        for member_id, row in held_by.items():
            posted = ledger_queries.award_of(row) if row else Award(sale_id, member_id, sale.partner_id)
            due = _due(context, outcome, posted, book, fresh=row is None, merged=sale_id in heirs)
            asked.append((sale_id, row, due))
    settled = ledger.post(context, conn, [due for _, _, due in asked])
    awards = []
    for (sale_id, before, due), (posted, held) in zip(asked, settled, strict=True):
        if posted.member_id == outcomes[sale_id].sale.member_id:
            outcomes[sale_id] = Outcome(outcomes[sale_id].sale, outcomes[sale_id].target, posted, held)
        _, until = pending_until(outcomes[sale_id].sale, books[due.programme_id])
        fresh = records.award_row(outcomes[sale_id], posted, held, until, before)
        if fresh != before:
            awards.append(fresh)
    rows.put(conn, t.award, awards)
    return outcomes


def _due(
    context: Context, outcome: Outcome, posted: Award, book: Book, *, fresh: bool, merged: bool
) -> ledger.Due:
    sale, found = outcome.sale, outcome.target
    mine = posted.member_id == sale.member_id
    waits, until = pending_until(sale, book)
    return ledger.Due(
        programme_id=sale.programme_id,
        posted=posted,
        fresh=fresh,
        merged=merged,
        target_units=found.units if mine else 0,
        sold_at=sale.sold_at,
        expires_at=found.expires_at,
        reason=(found.reason or "sale") if mine else sale.reason or "owner_changed",
        pending=waits and (until is None or until > context.clock()),
        prepaid=book.partners[sale.partner_id].funding == "prepaid",
        shortfall=book.policy_at(sale.sold_at).shortfall,
    )


def _write(
    context: Context,
    conn: Connection,
    desk: Desk,
    outcomes: Mapping[str, Outcome],
    found: _Conclusion,
    known: Mapping[str, Mapping[str, Any]],
) -> None:
    for row in desk.evidence:
        row["sale_id"] = found.sale_of[row["evidence_id"]]
        row["dossier_id"] = outcomes[row["sale_id"]].sale.dossier_id
    rows.insert(conn, t.evidence, desk.evidence)
    rows.insert(conn, t.claim, desk.claims)
    rows.put(conn, t.evidence_key, [row for dossier in desk.touched() for row in records.key_rows(dossier)])
    now = context.clock()
    fresh = [records.sale_row(outcome, known.get(sale_id), now) for sale_id, outcome in outcomes.items()]
    changed = [row for row in fresh if row != known.get(row["sale_id"])]
    rows.put(conn, t.sale, changed)
    before = {sale_id: row["units"] for sale_id, row in known.items()}
    rows.insert(
        conn, t.outbox, [records.event_row(context, row, before.get(row["sale_id"], 0)) for row in changed]
    )


def _refile(
    conn: Connection, dossiers: Sequence[Dossier], found: _Conclusion, gone: Mapping[tuple[str, str], str]
) -> None:
    """Re-file what a merge of dossiers, or a merge or split of sales, moved (rare)."""
    for dossier in dossiers:
        programme_id = dossier.scope[0]
        for table in (t.evidence, t.claim, t.sale) if dossier.absorbed else ():
            ours = (table.c.programme_id == programme_id, table.c.dossier_id.in_(dossier.absorbed))
            conn.execute(update(table).where(*ours).values(dossier_id=dossier.id))
        for evidence_id, was in dossier.sale_of.items():
            if found.sale_of[evidence_id] != was:
                its = (t.evidence.c.programme_id == programme_id, t.evidence.c.evidence_id == evidence_id)
                conn.execute(update(t.evidence).where(*its).values(sale_id=found.sale_of[evidence_id]))
    for (programme_id, old), heir in gone.items():
        ended = {
            "merged_into": heir,
            "state": "merged",
            "member_id": None,
            "owner": None,
            "units": 0,
            "pending": 0,
        }
        its = (t.sale.c.programme_id == programme_id, t.sale.c.sale_id == old)
        conn.execute(update(t.sale).where(*its).values(ended))


def recorded_of(row: Mapping[str, Any], *, duplicate: bool) -> Recorded:
    """Return what became of evidence whose sale is the stored `row`."""
    return Recorded(
        sale_id=row["sale_id"],
        state=row["state"],
        reason=row["reason"],
        units=row["units"],
        pending=row["pending"],
        member_id=row["member_id"],
        duplicate=duplicate,
    )


def _recorded(desk: Desk, concluded: Mapping[str, Outcome], evidence_id: str, *, duplicate: bool) -> Recorded:
    outcome = concluded.get(evidence_id)
    if outcome is None:
        return recorded_of(desk.known[evidence_id], duplicate=duplicate)
    return Recorded(
        sale_id=outcome.sale.sale_id,
        state=outcome.state,
        reason=outcome.reason,
        units=outcome.units,
        pending=outcome.pending,
        member_id=outcome.sale.member_id,
        duplicate=duplicate,
    )
