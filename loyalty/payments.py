"""One payment: what was captured and what of it is kept (R3, R4, R5).

A payment is a set of statements that share an identity; every function here reads the whole set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from itertools import groupby

from contracts.facts import WEAK_KINDS, Key, Method, PaymentEvidence
from loyalty.evidence import RANK, CoveredDays, Given, Statement, key_rank

FILE = RANK["file"]


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as all its sources together show it; amounts in centavos.

    `stated_cents` is what the best source says was captured, `captured_cents` what of that counts.
    `known` is false when a better source that should list it does not (R4 absence): then nothing of it counts.
    """

    keys: tuple[Key, ...]
    statements: tuple[Statement, ...]
    method: Method
    merchant: str | None
    sold_on: date | None
    stated_cents: int | None
    captured_cents: int
    kept_cents: int
    known: bool
    missing_in_file: bool
    covered: bool

    @property
    def named(self) -> bool:
        """Whether an acquirer's own key names it."""
        return any(key.kind not in WEAK_KINDS for key in self.keys)

    @property
    def given_back_cents(self) -> int:
        """What was captured and is not kept."""
        return self.captured_cents - self.kept_cents


def payment(statements: Sequence[Statement], covered: CoveredDays, zone: tzinfo) -> Payment:
    """Return the payment that `statements` speak of."""
    ordered = sorted(statements, key=Statement.content_key)
    merchant = next((s.merchant for s in ordered if s.merchant is not None), None)
    heard = [s for s in ordered if s.merchant is None or s.merchant == merchant]
    method = _method(heard)
    sold_on = _sold_on(heard, zone)
    closed = sold_on is not None and covered.span(merchant, method, sold_on, sold_on + timedelta(days=1))
    in_file = any(s.rank == FILE for s in heard)
    strong = any(s.strong for s in heard)
    captured = _captured(heard)
    known = in_file or strong or not closed
    kept = 0
    if known and captured:
        kept = _kept(heard, captured, _Calendar(covered, merchant, method, sold_on, zone))
    return Payment(
        keys=tuple(sorted({key for s in heard for key in s.evidence.keys}, key=key_rank)),
        statements=tuple(ordered),
        method=method,
        merchant=merchant,
        sold_on=sold_on,
        stated_cents=captured,
        captured_cents=(captured or 0) if known else 0,
        kept_cents=kept,
        known=known,
        missing_in_file=closed and strong and not in_file,
        covered=closed,
    )


def _evidence(statement: Statement) -> PaymentEvidence:
    evidence = statement.evidence
    assert isinstance(evidence, PaymentEvidence)
    return evidence


def _method(statements: Sequence[Statement]) -> Method:
    """Return the best source's latest word that is not `unknown`."""
    telling = [s for s in statements if _evidence(s).method != "unknown"]
    if not telling:
        return "unknown"
    best = min(s.rank for s in telling)
    return _evidence(max((s for s in telling if s.rank == best), key=Statement.register_key)).method


def _sold_on(statements: Sequence[Statement], zone: tzinfo) -> date | None:
    telling = [s for s in statements if s.evidence.sold_at is not None]
    if not telling:
        return None
    best = min(s.rank for s in telling)
    return min(s.evidence.sold_at for s in telling if s.rank == best and s.evidence.sold_at).astimezone(zone).date()


def _captured(statements: Sequence[Statement]) -> int | None:
    """Return captured centavos by the highest source that states it, its latest statement winning."""
    by_rank: dict[int, Statement] = {}
    for statement in statements:
        if _evidence(statement).captured_cents is None or statement.evidence.state == "authorised":
            continue
        best = by_rank.get(statement.rank)
        if best is None or statement.register_key() > best.register_key():
            by_rank[statement.rank] = statement
    if not by_rank:
        return None
    return _evidence(by_rank[min(by_rank)]).captured_cents


@dataclass(frozen=True, slots=True)
class _Calendar:
    covered_days: CoveredDays
    merchant: str | None
    method: Method
    sold_on: date | None
    zone: tzinfo

    def covers(self, day: date) -> bool:
        return self.sold_on is not None and self.covered_days.span(self.merchant, self.method, self.sold_on, day)


@dataclass(frozen=True, slots=True)
class _Totals:
    """Whole cumulative figures of one source, and the day on which it first stated them."""

    returned: int
    charged_back: int
    reinstated: int
    stated_on: date


def _kept(statements: Sequence[Statement], captured: int, calendar: _Calendar) -> int:
    """Return the least that any admissible view leaves (R4: the larger view of what was given back)."""
    if not any(_says_given_back(s) for s in statements):
        return captured
    instalments = _instalments(statements)
    by_rank = {rank: list(group) for rank, group in groupby(statements, key=lambda s: s.rank)}
    file_lists = _listed(by_rank.get(FILE, ()), calendar.zone)
    kept = captured
    for ops in file_lists:
        kept = min(kept, kept_of_operations(captured, instalments, ops))
    for rank, said in by_rank.items():
        totals = _totals(said, captured, calendar.zone)
        if totals and (rank == FILE or not calendar.covers(totals.stated_on)):
            back = totals.returned + max(0, totals.charged_back - totals.reinstated)
            kept = min(kept, captured - min(captured, back))
        if rank == FILE:
            continue
        for ops in _listed(said, calendar.zone):
            for base in file_lists or [()]:
                merged = _day_by_day(base, ops, calendar)
                kept = min(kept, kept_of_operations(captured, instalments, merged))
    return kept


def _says_given_back(statement: Statement) -> bool:
    e = _evidence(statement)
    return bool(e.operations or e.returned_cents or e.charged_back_cents or e.state == "void")


def _instalments(statements: Sequence[Statement]) -> tuple[int, ...]:
    telling = [s for s in statements if _evidence(s).instalment_cents]
    if not telling:
        return ()
    best = min(s.rank for s in telling)
    return _evidence(max((s for s in telling if s.rank == best), key=Statement.register_key)).instalment_cents


def _totals(said: Sequence[Statement], captured: int, zone: tzinfo) -> _Totals | None:
    """Return one source's cumulative figures by maximum; a standing `void` says that everything went back."""
    figures = ("returned_cents", "charged_back_cents", "reinstated_cents")
    best = [max((getattr(s.evidence, name) or 0 for s in said), default=0) for name in figures]
    dates = [
        min(s.evidence.as_of for s in said if (getattr(s.evidence, name) or 0) >= figure)
        for name, figure in zip(figures, best, strict=True)
        if figure
    ]
    by_register = sorted(said, key=Statement.register_key)
    if by_register and by_register[-1].evidence.state == "void":
        best[0] = max(best[0], captured)
        standing = _standing_run(by_register)
        dates.append(min(s.evidence.as_of for s in standing))
    if not dates:
        return None
    return _Totals(*best, stated_on=max(dates).astimezone(zone).date())


def _standing_run(by_register: Sequence[Statement]) -> list[Statement]:
    """Return the void statements since the last one that was not: a later repeat does not move their date."""
    run: list[Statement] = []
    for statement in reversed(by_register):
        if statement.evidence.state != "void":
            break
        run.append(statement)
    return run


def _listed(said: Iterable[Statement], zone: tzinfo) -> list[tuple[Given, ...]]:
    """Return one source's operations, a tuple for each numbering (space) in which they are listed."""
    union: dict[tuple[str, str, str, int | None], tuple[tuple[object, ...], Given]] = {}
    for statement in said:
        for op in statement.evidence.operations:
            given = Given(
                op.space, op.key, op.kind, op.amount_cents, op.instalment, op.happened_at.astimezone(zone).date()
            )
            at = (op.space, op.key, op.kind, op.instalment)
            known = union.get(at)
            if known is None or statement.register_key() > known[0]:
                union[at] = (statement.register_key(), given)
    spaces: dict[str, list[Given]] = {}
    for _, given in union.values():
        spaces.setdefault(given.space, []).append(given)
    return [tuple(spaces[space]) for space in sorted(spaces)]


def _day_by_day(base: Sequence[Given], other: Sequence[Given], calendar: _Calendar) -> tuple[Given, ...]:
    """Covered days take `base` (the file) alone; on others the larger of both lists counts."""
    days = {given.happened_on for given in (*base, *other)}
    chosen: list[Given] = []
    for day in sorted(days):
        mine = [given for given in base if given.happened_on == day]
        theirs = [given for given in other if given.happened_on == day]
        if calendar.covers(day) or _size(mine) >= _size(theirs):
            chosen.extend(mine)
        else:
            chosen.extend(theirs)
    return tuple(chosen)


def _size(ops: Sequence[Given]) -> int:
    return sum((-1 if op.kind == "reinstatement" else 1) * (op.amount_cents or 0) for op in ops)


def kept_of_operations(captured: int, instalments: Sequence[int], ops: Sequence[Given]) -> int:
    """Return what of `captured` centavos is kept after `ops` (R5).

    A refund and a chargeback on one instalment overlap; on different instalments they add. A chargeback
    and its reinstatement pair by key.
    """
    gross = list(instalments) or [captured]
    whole_is_one = len(gross) == 1
    returned = [0] * len(gross)
    disputed = [0] * len(gross)
    loose = 0
    reinstated: dict[tuple[str, int | None], int] = {}
    for op in ops:
        if op.kind == "reinstatement":
            at = (op.key, op.instalment)
            reinstated[at] = reinstated.get(at, 0) + _amount(op, gross, captured)
    for op in ops:
        if op.kind == "reinstatement":
            continue
        amount = _amount(op, gross, captured)
        if op.kind == "chargeback":
            amount = max(0, amount - reinstated.get((op.key, op.instalment), 0))
        place = _place(op, gross, whole_is_one)
        if place is None:
            loose += amount
        elif op.kind == "return":
            returned[place] += amount
        else:
            disputed[place] += amount
    kept = sum(g - min(g, r + d) for g, r, d in zip(gross, returned, disputed, strict=True))
    return max(0, min(kept, captured) - loose)


def _place(op: Given, gross: Sequence[int], whole_is_one: bool) -> int | None:  # noqa: FBT001 -- private, one caller
    if whole_is_one:
        return 0
    if op.instalment is not None and op.instalment <= len(gross):
        return op.instalment - 1
    return None


def _amount(op: Given, gross: Sequence[int], captured: int) -> int:
    """Return the operation's gross; one left empty is its whole instalment, resolved from the capture row."""
    if op.amount_cents is not None:
        return op.amount_cents
    if op.instalment is not None and op.instalment <= len(gross):
        return gross[op.instalment - 1]
    return captured

