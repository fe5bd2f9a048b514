"""From evidence to sales: the whole of R0 to R9, as one pure function of a set.

`converge(statements, claims, covered)` is the only way a sale comes to be; everything stored about a sale
is a cache of its answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from fractions import Fraction

from contracts.facts import DocumentEvidence, DocumentKind, Key
from loyalty.documents import LADDER, Document, document, standing
from loyalty.evidence import Claim, CoveredDays, Statement, key_rank
from loyalty.identity import Identified, identify, in_their_roles
from loyalty.linking import Cell, link, pair_anonymous
from loyalty.payments import FILE, Payment, gave_back, payment, said_of


@dataclass(frozen=True, slots=True)
class Sale:
    """One purchase as all evidence together shows it.

    `base_cents` is what could earn before anything was given back (the minimum of a programme is tested on
    it), `kept` the exact centavos that still earn, `owner` the opaque token of the customer. `confirmed`
    means that a source better than a claim knows the sale. `reason` explains a `kept` of zero. `views` holds,
    where they disagree, what each view says was given back, in centavos.
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
    in_file: bool
    reason: str | None
    flags: tuple[str, ...]
    merchant: str | None
    views: tuple[tuple[str, int], ...] = ()


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
    sales = [_sale(cell, claims, flags, contested or {}) for cell in cells]
    if trials:
        tried = [_sale(cell, (), {}, {}) for cell in _cells(trials, covered, zone)[0]]
        sales += [replace(sale, kept=Fraction(0), reason="test", owner=None) for sale in tried]
    return tuple(sorted(sales, key=lambda sale: key_rank(sale.first_key)))


def _cells(
    statements: Sequence[Statement], covered: CoveredDays, zone: tzinfo
) -> tuple[tuple[Cell, ...], Mapping[str, str]]:
    if not statements:
        return (), {}
    found = identify(in_their_roles(statements))
    payments = [
        _with_its_keys(payment(said, covered, zone), n, found) for n, said in enumerate(found.payments)
    ]
    documents = [document(d.kind, d.keys, d.statements) for d in found.documents]
    if len(payments) + len(documents) == 1:
        return (Cell(tuple(payments), tuple(documents)),), found.flags
    silenced = frozenset(n for n, p in enumerate(payments) if not p.known and p.named)
    while True:
        cells, flags = link(payments, documents, found.payment_of, silenced)
        paired = tuple(_pair(cell, covered, zone) for cell in cells)
        denied = {p.keys for cell in paired for p in cell.payments if not p.known}
        more = silenced | {n for n, p in enumerate(payments) if p.keys in denied}
        if more == silenced:
            return paired, {**found.flags, **flags}
        silenced = more


def _with_its_keys(paid: Payment, index: int, found: Identified) -> Payment:
    """Return a payment without the keys that are another's: what a report was refused names nothing by it."""
    keys = tuple(key for key in paid.keys if found.payment_of.get(key, index) == index)
    return paid if keys == paid.keys else replace(paid, keys=keys)


def _pair(cell: Cell, covered: CoveredDays, zone: tzinfo) -> Cell:
    """Let each anonymous report become part of the named payment that it equals (R1; precedes R4)."""
    alone, pairs = pair_anonymous(cell.payments)
    if not pairs:
        return cell
    twins = {named.keys: report for named, report in pairs}
    merged = [_merged(p, twins[p.keys], covered, zone) if p.keys in twins else p for p in alone]
    return Cell(tuple(merged), cell.documents)


def _merged(named: Payment, report: Payment, covered: CoveredDays, zone: tzinfo) -> Payment:
    keys = tuple(sorted({*named.keys, *report.keys}, key=key_rank))
    return replace(payment((*named.statements, *report.statements), covered, zone), keys=keys)


def _sale(
    cell: Cell, claims: Sequence[Claim], flags: Mapping[str, str], contested: Mapping[Key, int]
) -> Sale:
    parts: tuple[Payment | Document, ...] = (*cell.payments, *cell.documents)
    statements = [s for part in parts for s in part.statements]
    payments, quarantined = _uncontested(cell.payments, contested)
    counted = [s for p in payments for s in p.counted] + [s for d in cell.documents for s in d.statements]
    keys = {key for part in parts for key in part.keys}
    first_key = min(keys, key=key_rank)
    amounts = _amounts(payments, cell.documents)
    owner, conflict = _owner(counted, [claim for claim in claims if claim.key in keys])
    raised = {flags[s.id] for s in statements if s.id in flags}.union(
        amounts.flags, _payment_flags(cell.payments)
    )
    if quarantined:
        raised.add("key_under_two_partners")
    if conflict:
        raised.add("owner_conflict")
    return Sale(
        statement_ids=tuple(s.id for s in statements),
        first_key=first_key,
        sold_at=_sold_at(counted or statements),
        owner=owner,
        base_cents=amounts.base_cents,
        kept=amounts.kept,
        captured_cents=sum(p.captured_cents for p in payments),
        given_back_cents=sum(p.given_back_cents for p in payments),
        confirmed=any(s.strong for s in counted),
        in_file=any(s.rank == FILE for s in counted),
        reason=_reason(cell, amounts, quarantined=quarantined),
        flags=tuple(sorted(raised)),
        merchant=_merchant(cell, statements),
        views=amounts.views,
    )


def _merchant(cell: Cell, statements: Sequence[Statement]) -> str | None:
    """Return where it was sold: the payments know, else whoever speaks; of several the first by name."""
    told = [p.merchant for p in cell.payments if p.merchant] or [s.merchant for s in statements if s.merchant]
    return min(told, default=None)


def _uncontested(payments: Sequence[Payment], contested: Mapping[Key, int]) -> tuple[Sequence[Payment], bool]:
    """Leave out payments whose key another partner states with at least our trust.

    What believed sources name is theirs to lose: a claim that adds a foreign key to it contests nothing.
    """
    if not contested:
        return payments, False
    free = []
    for p in payments:
        heard = [s for s in p.statements if s.strong] or p.statements
        ours = min(s.rank for s in heard)
        keys = {key for s in heard for key in s.evidence.keys}.intersection(p.keys)
        if all(contested.get(key, ours + 1) > ours for key in keys):
            free.append(p)
    return free, len(free) < len(payments)


def _payment_flags(payments: Iterable[Payment]) -> Iterator[str]:
    for p in payments:
        if p.missing_in_file:
            yield "missing_in_file"
        if not p.known:
            yield "not_in_file"
        if {s.merchant for s in p.statements} - {None, p.merchant}:
            yield "merchant_conflict"
        if p.covered and p.stated_cents is None and any(gave_back(said_of(s)) for s in p.statements):
            yield "return_without_sale"


@dataclass(frozen=True, slots=True)
class _Amounts:
    base_cents: int
    kept: Fraction
    unpaid: bool = False
    flags: tuple[str, ...] = ()
    views: tuple[tuple[str, int], ...] = ()


def _amounts(payments: Sequence[Payment], documents: Sequence[Document]) -> _Amounts:
    """Return base and kept of a sale (R6): documents say what was bought, the larger view what returned."""
    captured = sum(p.captured_cents for p in payments)
    back = sum(p.given_back_cents for p in payments)
    if not documents:
        return _Amounts(captured, Fraction(captured - back))
    by_kind = {k: of_kind for k in LADDER if (of_kind := [d for d in documents if d.kind == k])}
    chosen = standing(next(iter(by_kind.values())))
    money = sum(d.money_cents for d in chosen)
    views: dict[str, int] = {k: min(money, _given_back(of_kind, money)) for k, of_kind in by_kind.items()}
    if any(p.stated_cents is not None and p.known for p in payments):
        views["payments"] = min(money, max(0, back - max(0, captured - money)))
    given = max(views.values())
    unpaid = not any(d.live or d.void for d in chosen)
    if unpaid:  # an open document counts as far as its payments prove it
        given = max(given, money - min(money, captured - back))
    flags = _amount_flags(payments, by_kind, views)
    if captured > money:
        flags.append("payments_exceed_document")
    return _Amounts(
        base_cents=sum(d.items_cents for d in chosen),
        kept=_kept(chosen, money, given),
        unpaid=unpaid and not captured,
        flags=tuple(flags),
        views=tuple(sorted(views.items())) if "returns_disagree" in flags else (),
    )


def _kept(chosen: Sequence[Document], money: int, given: int) -> Fraction:
    """Return `(I - i) x (T - G) / (T - r)`: what documents split is exact, the rest goes in proportion."""
    rest = money - sum(d.returned_money_cents for d in chosen)
    if rest <= 0:
        return Fraction(0)
    items = sum(d.items_cents - d.returned_items_cents for d in chosen)
    return Fraction(max(0, items) * (money - given), rest)


def _given_back(documents: Sequence[Document], money: int) -> int:
    """Return what the standing documents of one kind say went back; all of them cancelled means everything."""
    if all(d.void for d in documents):
        return money
    return sum(d.given_back_cents for d in standing(documents))


def _amount_flags(
    payments: Sequence[Payment], by_kind: Mapping[DocumentKind, Sequence[Document]], views: Mapping[str, int]
) -> list[str]:
    raised = []
    if len(set(views.values())) > 1:
        raised.append("returns_disagree")
    cancelled = any(all(d.void for d in documents) for documents in by_kind.values())
    if cancelled and any(p.kept_cents and p.covered for p in payments):
        raised.append("paid_but_cancelled")
    return raised


def _reason(cell: Cell, amounts: _Amounts, *, quarantined: bool) -> str | None:
    if amounts.kept:
        return None
    if quarantined:
        return "quarantined"
    if cell.payments and not cell.documents and not any(p.known for p in cell.payments):
        return "not_in_file"
    return "nothing_captured" if amounts.unpaid or amounts.base_cents == 0 else "given_back"


def _sold_at(statements: Sequence[Statement]) -> datetime:
    """Return when the sale happened: the best source's earliest word (R8), else the earliest statement."""
    told = [(_time_rank(s), s.evidence.sold_at) for s in statements if s.evidence.sold_at is not None]
    if told:
        return min(told)[1]
    return min(s.evidence.as_of for s in statements)


def _time_rank(statement: Statement) -> int:
    evidence = statement.evidence
    unpaid = isinstance(evidence, DocumentEvidence) and evidence.state == "authorised"
    if not statement.strong or unpaid:  # an order counts from when it was paid, not from when it was made
        return 5
    if isinstance(evidence, DocumentEvidence):
        return {"fiscal": 2, "order": 3, "row": 4, "manual": 4}[evidence.kind]
    return 0 if statement.rank == FILE else 1


def _owner(statements: Sequence[Statement], claims: Sequence[Claim]) -> tuple[str | None, bool]:
    """Return the owner by the ladder of R9, and whether sources contradict each other with nobody deciding.

    The operator's decision is a command: the latest stands. Elsewhere the earliest of the best rank does.
    """
    decided = [(c.made_at, c.id, c.owner) for c in claims if c.decided]
    if decided:
        return max(decided)[2], False
    said = [(_owner_rank(s), s.evidence.as_of, min(s.evidence.keys), s.owner) for s in statements if s.owner]
    said += [(CLAIMED, c.made_at, c.key, c.owner) for c in claims]
    if not said:
        return None, False
    return min(said)[3], len({owner for *_, owner in said}) > 1


FISCAL, ORDERED, TYPED, CLAIMED = range(1, 5)


def _owner_rank(statement: Statement) -> int:
    evidence = statement.evidence
    if isinstance(evidence, DocumentEvidence) and statement.strong:
        return FISCAL if evidence.kind == "fiscal" else ORDERED
    return TYPED


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
