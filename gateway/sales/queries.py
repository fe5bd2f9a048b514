"""Loading what a batch of evidence needs, in a few set-based reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from contracts.facts import Key, Method, PaymentEvidence
from gateway.ports import earliest_id
from gateway.sales.dossiers import Dossier, Scope, singular, statement_of
from gateway.store import rows
from gateway.store import tables as t
from loyalty.evidence import Claim, CoveredDays
from loyalty.programme import Book

Row: TypeAlias = Mapping[str, Any]

DOSSIERS_AT_ONCE = 200


def key_rows(conn: Connection, wanted: Iterable[tuple[str, Key]]) -> list[dict[str, Any]]:
    """Return the key rows of every partner for (programme id, key) pairs."""
    keys = [(programme_id, key.kind, key.value) for programme_id, key in wanted]
    return rows.fetch(conn, t.evidence_key, ("programme_id", "kind", "value"), keys)


def load_dossiers(conn: Connection, wanted: Iterable[tuple[Scope, str]]) -> dict[str, Dossier]:
    """Return the dossiers of (scope, dossier id), with statements, claims, sales and contested keys."""
    dossiers = {dossier_id: Dossier(scope, dossier_id) for scope, dossier_id in wanted}
    if not dossiers:
        return {}
    at = [(dossier.scope[0], dossier.id) for dossier in dossiers.values()]
    by = ("programme_id", "dossier_id")
    for row in rows.fetch(conn, t.evidence, by, at):
        dossier = dossiers[row["dossier_id"]]
        statement = statement_of(row)
        dossier.statements.append(statement)
        dossier.digests[statement.digest] = statement.id
        dossier.sale_of[statement.id] = row["sale_id"]
        dossier.learn_keys(statement)
    for row in rows.fetch(conn, t.claim, by, at):
        key = Key(row["kind"], row["value"])
        dossiers[row["dossier_id"]].claims.append(
            Claim(row["claim_id"], key, row["owner"], row["made_at"], decided=row["decided"])
        )
    for row in rows.fetch(conn, t.sale, by, at):
        dossiers[row["dossier_id"]].sales[row["sale_id"]] = row
    _contest(conn, dossiers.values())
    return dossiers


def _contest(conn: Connection, dossiers: Iterable[Dossier]) -> None:
    """Note which singular keys another partner states too, and how well (R1); and which keys are stored."""
    holders: dict[tuple[str, Key], list[Dossier]] = {}
    for dossier in dossiers:
        for key in dossier.ranks:
            holders.setdefault((dossier.scope[0], key), []).append(dossier)
    for row in key_rows(conn, holders):
        key = Key(row["kind"], row["value"])
        for dossier in holders[(row["programme_id"], key)]:
            if row["partner_id"] == dossier.scope[1]:
                dossier.stored[key] = row["rank"]
            elif singular([key]):
                dossier.contest(key, row["rank"])


def covered_days(
    conn: Connection, dossiers: Sequence[Dossier], books: Mapping[str, Book]
) -> dict[str, CoveredDays]:
    """Return by programme the covered days from each sale's day to the day after its last word."""
    wanted = set()
    for dossier in dossiers:
        zone = books[dossier.scope[0]].zone
        told = [s.evidence for s in dossier.statements if isinstance(s.evidence, PaymentEvidence)]
        if not told or not dossier.merchants():
            continue
        methods = {e.method for e in told}
        instants = [
            at for e in told for at in (e.sold_at, e.as_of, *(o.happened_at for o in e.operations)) if at
        ]
        first = min(instants).astimezone(zone).date()
        last = max(instants).astimezone(zone).date() + timedelta(days=1)
        days = [(first + timedelta(days=n)) for n in range((last - first).days + 1)]
        wanted |= {
            (dossier.scope[0], m, how, day) for m in dossier.merchants() for how in methods for day in days
        }
    found: dict[str, list[tuple[str, Method, date]]] = {}
    for row in rows.fetch(conn, t.coverage, ("programme_id", "merchant", "method", "day_on"), wanted):
        found.setdefault(row["programme_id"], []).append((row["merchant"], row["method"], row["day_on"]))
    return {programme_id: CoveredDays.of(days) for programme_id, days in found.items()}


def has_coverage(conn: Connection, programme_id: str) -> bool:
    """Return whether any complete file was ever read in this programme."""
    query = t.coverage.select().where(t.coverage.c.programme_id == programme_id).limit(1)
    return conn.execute(query).first() is not None


def memberships_of(conn: Connection, members: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Row]]:
    """Return the category history of (programme id, member id) pairs."""
    history: dict[tuple[str, str], list[Row]] = {}
    for row in rows.fetch(conn, t.membership, ("programme_id", "member_id"), members):
        history.setdefault((row["programme_id"], row["member_id"]), []).append(row)
    return history


def sales_of_days(conn: Connection, days: Iterable[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    """Return the sales of (programme id, member id, local day) triples."""
    return rows.fetch(conn, t.sale, ("programme_id", "member_id", "sold_on"), days)


def waiting_sales(conn: Connection, owners: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the sales that name one of (programme id, owner)."""
    return rows.fetch(conn, t.sale, ("programme_id", "owner"), owners)


def sales_in_question(
    conn: Connection, programme_id: str, merchant: str, day: date
) -> list[tuple[Scope, str]]:
    """Return the dossiers whose sales a newly covered `day` may decide."""
    sale = t.sale.c
    query = select(sale.partner_id, sale.dossier_id).where(
        sale.programme_id == programme_id,
        sale.merchant == merchant,
        sale.sold_on <= day,
        sale.last_on >= day - timedelta(days=1),
    )
    return [((programme_id, partner_id), dossier_id) for partner_id, dossier_id in conn.execute(query).all()]


def dossiers_of_keys(
    conn: Connection, wanted: Iterable[tuple[Scope, Key]]
) -> dict[tuple[Scope, Key], Dossier]:
    """Return the dossiers that (scope, key) pairs lead to."""
    at = [(scope[0], key.kind, key.value, scope[1]) for scope, key in wanted]
    found = {
        ((row["programme_id"], row["partner_id"]), Key(row["kind"], row["value"])): row["dossier_id"]
        for row in rows.fetch(conn, t.evidence_key, ("programme_id", "kind", "value", "partner_id"), at)
    }
    dossiers = load_dossiers(conn, {(scope, dossier_id) for (scope, _), dossier_id in found.items()})
    return {at: dossiers[dossier_id] for at, dossier_id in found.items()}


def sale_of_key(conn: Connection, scope: Scope, key: Key) -> dict[str, Any] | None:
    """Return the sale whose payment or document `key` names, or `None`."""
    dossier = dossiers_of_keys(conn, [(scope, key)]).get((scope, key))
    named = [] if dossier is None else dossier.named(key)
    return dict(dossier.sales[dossier.sale_of[named[0].id]]) if dossier and named else None


def sales_by_id(conn: Connection, wanted: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the sales of (programme id, sale id) pairs."""
    return rows.fetch(conn, t.sale, ("programme_id", "sale_id"), wanted)


def sales_page(
    conn: Connection,
    programme_id: str,
    *,
    partner_id: str | None,
    state: str | None,
    before_id: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return up to `limit` sales below `before_id`, first learned last; merged ones only if asked."""
    s = t.sale.c
    query = select(t.sale).where(s.programme_id == programme_id).order_by(s.sale_id.desc()).limit(limit)
    query = query.where(s.state != "merged") if state is None else query.where(s.state == state)
    if partner_id is not None:
        query = query.where(s.partner_id == partner_id)
    if before_id is not None:
        query = query.where(s.sale_id < before_id)
    return [dict(row) for row in conn.execute(query).mappings()]


def evidence_of_sale(conn: Connection, sale: Row) -> list[dict[str, Any]]:
    """Return the evidence of one sale, first learned first."""
    found = rows.fetch(
        conn, t.evidence, ("programme_id", "dossier_id"), [(sale["programme_id"], sale["dossier_id"])]
    )
    return sorted(
        (row for row in found if row["sale_id"] == sale["sale_id"]), key=lambda row: row["evidence_id"]
    )


def movements_of_sale(conn: Connection, sale: Row) -> list[dict[str, Any]]:
    """Return the movements of one sale, first learned first."""
    m = t.movement.c
    query = select(t.movement).where(m.programme_id == sale["programme_id"], m.sale_id == sale["sale_id"])
    return [dict(row) for row in conn.execute(query.order_by(m.movement_id)).mappings()]


def dossiers_ahead(
    conn: Connection, programme_id: str, told_since: datetime, sold_since: datetime
) -> list[tuple[Scope, str]]:
    """Return the dossiers that were told of since one instant and hold a sale of another or later."""
    s, e = t.sale.c, t.evidence.c
    query = (
        select(s.partner_id, s.dossier_id)
        .join(t.evidence, (e.programme_id == s.programme_id) & (e.sale_id == s.sale_id))
        .where(e.programme_id == programme_id, e.evidence_id >= earliest_id("evi", told_since))
        .where(s.sold_at >= sold_since)
        .distinct()
    )
    return [((programme_id, partner_id), dossier_id) for partner_id, dossier_id in conn.execute(query).all()]


def every_dossier(
    conn: Connection, programme_id: str, limit: int | None = None
) -> Iterator[list[tuple[Scope, str]]]:
    """Yield the dossiers (scope, id) of a programme that hold a sale, by their ids, some at once, `limit` in all.

    Each page is asked for when it is wanted: a reader may change the dossiers of one before it takes the next.
    """
    after_id, left = "", limit
    while left is None or left > 0:
        page = _dossiers_after(
            conn, programme_id, after_id, DOSSIERS_AT_ONCE if left is None else min(left, DOSSIERS_AT_ONCE)
        )
        if not page:
            return
        yield page
        after_id = page[-1][1]
        left = None if left is None else left - len(page)


def _dossiers_after(
    conn: Connection, programme_id: str, after_id: str, limit: int
) -> list[tuple[Scope, str]]:
    s = t.sale.c
    query = select(s.partner_id, s.dossier_id).where(s.programme_id == programme_id, s.dossier_id > after_id)
    found = conn.execute(query.distinct().order_by(s.dossier_id).limit(limit)).all()
    return [((programme_id, partner_id), dossier_id) for partner_id, dossier_id in found]
