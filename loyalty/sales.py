"""From evidence to sales: the whole of R0 to R9, as one pure function of a set.

`converge(statements, claims, covered)` is the only way a sale comes to be; everything stored about a sale
is a cache of its answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction

from contracts.facts import DocumentEvidence, Key
from loyalty.documents import LADDER, Document, document
from loyalty.evidence import RANK, Claim, CoveredDays, Statement, key_rank
from loyalty.identity import identify
from loyalty.linking import Cell, link, pair_anonymous
from loyalty.payments import Payment, payment

FILE = RANK["file"]
DEVICE = RANK["device"]


@dataclass(frozen=True, slots=True)
class Sale:
    """One purchase as all evidence together shows it.

    `base_cents` is what could earn before anything was given back (the minimum of a programme is tested on
    it), `kept` the exact centavos that still earn, `owner` the opaque token of the customer. `confirmed`
    means that a source better than a claim knows the sale. `reason` explains a `kept` of zero.
    """

    statement_ids: tuple[str, ...]
    first_key: Key
    sold_at: datetime
    owner: str | None
    base_cents: int
    kept: Fraction
    captured_cents: int
    given_back_cents: int
    confirmed: bool
    reason: str | None
    flags: tuple[str, ...]
    merchant: str | None


def converge(
    statements: Sequence[Statement],
    claims: Sequence[Claim],
    covered: CoveredDays,
    zone: tzinfo,
    contested: Mapping[Key, int] | None = None,
) -> tuple[Sale, ...]:
    """Return the sales that `statements` (one dossier) speak of, in the order of their first keys.

    `contested` names keys that another partner states too, with the best rank there: a payment named by one
    of them counts only if a better source of ours names it (R1).
    """
    real = [s for s in statements if not s.evidence.test]
    trials = [s for s in statements if s.evidence.test]
    cells, flags = _cells(real, covered, zone)
    sales = [_sale(cell, claims, flags, contested or {}, zone) for cell in cells]
    if trials:
        for cell in _cells(trials, covered, zone)[0]:
            sale = _sale(cell, (), {}, {}, zone)
            sales.append(replace(sale, kept=Fraction(0), reason="test", owner=None))
    return tuple(sorted(sales, key=lambda sale: key_rank(sale.first_key)))


def _cells(
    statements: Sequence[Statement], covered: CoveredDays, zone: tzinfo
) -> tuple[tuple[Cell, ...], dict[str, str]]:
    found = identify(statements)
    payments = [payment(said, covered, zone) for said in found.payments]
    documents = [document(kind, said) for kind, said in found.documents]
    if len(payments) + len(documents) == 1:
        return (Cell(tuple(payments), tuple(documents)),), dict(found.flags)
    silenced = frozenset(n for n, p in enumerate(payments) if not p.known and p.named)
    while True:
        cells, flags = link(payments, documents, found.payment_of, silenced)
        paired = tuple(_pair(cell, covered, zone) for cell in cells)
        denied = {p.keys for cell in paired for p in cell.payments if not p.known}
        more = silenced | {n for n, p in enumerate(payments) if p.keys in denied}
        if more == silenced:
            return paired, {**found.flags, **flags}
        silenced = more


def _pair(cell: Cell, covered: CoveredDays, zone: tzinfo) -> Cell:
    """Let each anonymous report become part of the named payment that it equals (R1; precedes R4)."""
    alone, pairs = pair_anonymous(cell.payments)
    if not pairs:
        return replace(cell, payments=tuple(sorted(alone, key=_first_rank)))
    twins = {named.keys: report for named, report in pairs}
    merged = [
        payment((*p.statements, *twins[p.keys].statements), covered, zone) if p.keys in twins else p for p in alone
    ]
    return replace(cell, payments=tuple(sorted(merged, key=_first_rank)))


def _first_rank(p: Payment) -> tuple[int, str, str]:
    return key_rank(p.keys[0])


def _sale(
    cell: Cell, claims: Sequence[Claim], flags: Mapping[str, str], contested: Mapping[Key, int], zone: tzinfo
) -> Sale:
    statements = [s for part in (*cell.payments, *cell.documents) for s in part.statements]
    payments, quarantined = _uncontested(cell.payments, contested)
    counted = [s for p in payments if p.known for s in p.statements if s.merchant in (None, p.merchant)]
    counted += [s for d in cell.documents for s in d.statements]
    keys = sorted({k for part in (*cell.payments, *cell.documents) for k in part.keys}, key=key_rank)
    amounts = _amounts(payments, cell.documents)
    owner, conflict = _owner(counted, [c for c in claims if c.key in keys])
    raised = {flags[s.id] for s in statements if s.id in flags} | set(amounts.flags)
    raised |= {"key_under_two_partners"} if quarantined else set()
    raised |= {"owner_conflict"} if conflict else set()
    raised |= _payment_flags(cell.payments)
    return Sale(
        statement_ids=tuple(s.id for s in statements),
        first_key=keys[0],
        sold_at=_sold_at(counted or statements),
        owner=owner,
        base_cents=amounts.base_cents,
        kept=amounts.kept,
        captured_cents=sum(p.captured_cents for p in payments),
        given_back_cents=sum(p.given_back_cents for p in payments),
        confirmed=any(s.strong for s in counted),
        reason=_reason(cell, amounts, quarantined=quarantined),
        flags=tuple(sorted(raised)),
        merchant=next((p.merchant for p in cell.payments if p.merchant), None)
        or next((s.merchant for s in statements if s.merchant), None),
    )


def _uncontested(payments: Sequence[Payment], contested: Mapping[Key, int]) -> tuple[list[Payment], bool]:
    """Leave out payments whose key another partner states with at least our trust."""
    free = []
    for p in payments:
        ours = min(s.rank for s in p.statements)
        if all(contested.get(key, ours + 1) > ours for key in p.keys):
            free.append(p)
    return free, len(free) < len(payments)


def _payment_flags(payments: Iterable[Payment]) -> set[str]:
    raised = set()
    for p in payments:
        if p.missing_in_file:
            raised.add("missing_in_file")
        if not p.known:
            raised.add("not_in_file")
        if any(s.merchant not in (None, p.merchant) for s in p.statements):
            raised.add("merchant_conflict")
        if p.covered and p.stated_cents is None:
            raised.add("return_without_sale")
    return raised


@dataclass(frozen=True, slots=True)
class _Amounts:
    base_cents: int
    kept: Fraction
    flags: tuple[str, ...]


def _amounts(payments: Sequence[Payment], documents: Sequence[Document]) -> _Amounts:
    """Return base and kept of a sale (R6): the document says what was bought, the larger view what went back."""
    captured = sum(p.captured_cents for p in payments)
    back = sum(p.given_back_cents for p in payments)
    kind = next((k for k in LADDER if any(d.kind == k for d in documents)), None)
    if kind is None:
        return _Amounts(captured, Fraction(captured - back), ())
    chosen = _live([d for d in documents if d.kind == kind])
    money = sum(d.money_cents for d in chosen)
    items = sum(d.items_cents for d in chosen)
    said = {k: _given_back([d for d in documents if d.kind == k], money) for k in LADDER}
    by_payments = max(0, back - max(0, captured - money))
    given = min(money, max(*said.values(), by_payments))
    split_money = sum(d.returned_money_cents for d in chosen)
    split_items = sum(d.returned_items_cents for d in chosen)
    kept = Fraction(0)
    if split_money < money:
        kept = Fraction(max(0, items - split_items) * (money - given), money - split_money)
    return _Amounts(items, min(kept, Fraction(items)), _amount_flags(payments, documents, said, money, by_payments))


def _live(documents: Sequence[Document]) -> Sequence[Document]:
    return [d for d in documents if d.live] or documents


def _given_back(documents: Sequence[Document], money: int) -> int:
    """Return what documents of one kind say went back; none live (cancelled, or not paid yet) means everything."""
    if documents and not any(d.live for d in documents):
        return money
    return sum(d.given_back_cents for d in documents if d.live)


def _amount_flags(
    payments: Sequence[Payment],
    documents: Sequence[Document],
    said: Mapping[str, int],
    money: int,
    by_payments: int,
) -> tuple[str, ...]:
    raised = []
    if sum(p.captured_cents for p in payments) > money:
        raised.append("payments_exceed_document")
    views = {min(money, said[d.kind]) for d in documents}
    if any(p.stated_cents is not None and p.known for p in payments):
        views.add(min(money, by_payments))
    if len(views) > 1:
        raised.append("returns_disagree")
    cancelled = any(all(d.void for d in documents if d.kind == k) for k in {d.kind for d in documents})
    if cancelled and any(p.kept_cents and p.covered for p in payments):
        raised.append("paid_but_cancelled")
    return tuple(raised)


def _reason(cell: Cell, amounts: _Amounts, *, quarantined: bool) -> str | None:
    if amounts.kept:
        return None
    if quarantined:
        return "quarantined"
    if cell.payments and not cell.documents and not any(p.known for p in cell.payments):
        return "not_in_file"
    unpaid = cell.documents and not any(d.live or d.void for d in cell.documents)
    if amounts.base_cents == 0 or unpaid:
        return "nothing_captured"
    return "given_back"


def _sold_at(statements: Sequence[Statement]) -> datetime:
    """Return when the sale happened: the best-ranked source's earliest word (R8), else the earliest statement."""
    told = [(_time_rank(s), s.evidence.sold_at) for s in statements if s.evidence.sold_at is not None]
    if told:
        return min(told)[1]
    return min(s.evidence.as_of for s in statements)


def _time_rank(statement: Statement) -> int:
    evidence = statement.evidence
    if not statement.strong:
        return 5
    if isinstance(evidence, DocumentEvidence):
        return {"fiscal": 2, "order": 3, "row": 4, "manual": 4}[evidence.kind]
    return 0 if statement.rank == FILE else 1


def _owner(statements: Sequence[Statement], claims: Sequence[Claim]) -> tuple[str | None, bool]:
    """Return the owner by the ladder of R9, and whether different CPFs were stated."""
    said = [(_owner_rank(s), s.evidence.as_of, min(s.evidence.keys), s.owner) for s in statements if s.owner]
    said += [(0 if c.decided else 4, c.made_at, c.key, c.owner) for c in claims]
    if not said:
        return None, False
    return min(said)[3], len({owner for rank, _, _, owner in said if rank > 0}) > 1


def _owner_rank(statement: Statement) -> int:
    evidence = statement.evidence
    if isinstance(evidence, DocumentEvidence):
        return 1 if evidence.kind == "fiscal" else 2
    return 3


def confirmed_by(sold_at: datetime, days: int) -> datetime:
    """Return when an unconfirmed sale activates by age alone."""
    return sold_at + timedelta(days=days)


def name_sales(
    sales: Sequence[Sale], previous: Mapping[str, str], received: Mapping[str, tuple[datetime, str]]
) -> tuple[str | None, ...]:
    """Return for each sale the id it keeps, or `None` for a new one (R0, R10).

    `previous` maps statement ids to the sale they belonged to, `received` to their age. The part with the
    oldest evidence of an old sale keeps its id; a part that could keep several keeps the oldest one's.
    """
    heirs: dict[str, list[tuple[tuple[datetime, str], int]]] = {}
    for index, sale in enumerate(sales):
        for statement_id in sale.statement_ids:
            if statement_id in previous:
                heirs.setdefault(previous[statement_id], []).append((received[statement_id], index))
    names: list[str | None] = [None] * len(sales)
    claims = sorted((min(claimants), old) for old, claimants in heirs.items())
    for (_, index), old in claims:
        if names[index] is None:
            names[index] = old
    return tuple(names)
