"""One payment: what was captured and what of it is kept (R3, R4, R5).

A payment is a set of statements that share an identity; every function here reads the whole set.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import TypeAlias

from contracts.facts import CARD_KINDS, WEAK_KINDS, Key, Method, Operation, PaymentEvidence
from loyalty.evidence import RANK, STRONG, CoveredDays, Given, Statement, key_rank

FILE = RANK["file"]
CARDS: tuple[Method, ...] = ("credit", "debit", "voucher", "prepaid")


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as all its sources together show it; amounts in centavos.

    `stated_cents` is what the best source says was captured, `captured_cents` what of that counts.
    `known` is false when a better source that should list it does not (R4 absence): then nothing of it
    counts. `covered` tells that the file has spoken of its day.
    """

    keys: tuple[Key, ...]
    statements: tuple[Statement, ...]
    method: Method
    merchant: str | None
    sold_on: date
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

    @property
    def counted(self) -> tuple[Statement, ...]:
        """The statements that are heard: none of a refuted payment, none of another merchant."""
        if not self.known:
            return ()
        return tuple(s for s in self.statements if s.merchant is None or s.merchant == self.merchant)


def payment(statements: Sequence[Statement], covered: CoveredDays, zone: tzinfo) -> Payment:
    """Return the payment that `statements` speak of; statements of another merchant are not heard (R1)."""
    ordered = sorted(statements, key=Statement.content_key)
    merchant = next((s.merchant for s in ordered if s.merchant is not None), None)
    heard = [s for s in ordered if s.merchant is None or s.merchant == merchant]
    best = heard[0]
    method = _method(heard)
    sold_on = _sold_at(heard).astimezone(zone).date()
    keys = {key for s in heard for key in s.evidence.keys}
    closed = any(_closed(covered, merchant, each, sold_on) for each in _methods(method, keys))
    known = best.strong or not closed
    captured = _captured(heard)
    kept = 0
    if known and captured:
        kept = _kept(heard, captured, _Calendar(covered, merchant, method, sold_on, zone, best.rank == FILE))
    return Payment(
        keys=tuple(sorted(keys, key=key_rank)),
        statements=tuple(ordered),
        method=method,
        merchant=merchant,
        sold_on=sold_on,
        stated_cents=captured,
        captured_cents=(captured or 0) if known else 0,
        kept_cents=kept,
        known=known,
        missing_in_file=closed and best.strong and best.rank != FILE,
        covered=closed,
    )


def said_of(statement: Statement) -> PaymentEvidence:
    """Return what a statement about a payment says."""
    evidence = statement.evidence
    assert isinstance(evidence, PaymentEvidence)
    return evidence


def gave_back(evidence: PaymentEvidence) -> bool:
    """Whether a statement knows of anything that took money back."""
    figures = evidence.returned_cents or evidence.charged_back_cents
    return bool(figures or evidence.operations or evidence.state == "void")


def _methods(method: Method, keys: Iterable[Key]) -> Sequence[Method]:
    """Return by which methods' files a payment may be listed: where nobody knows its own, a card key tells."""
    unread = method == "unknown" and any(key.kind in CARD_KINDS for key in keys)
    return CARDS if unread else (method,)


def _closed(covered: CoveredDays, merchant: str | None, method: Method, sold_on: date) -> bool:
    """Whether every file that may list a sale of this day is read; near midnight it is the next one."""
    return covered.span(merchant, method, sold_on, sold_on + timedelta(days=1))


def _latest_of_best(
    statements: Sequence[Statement], tells: Callable[[PaymentEvidence], object]
) -> PaymentEvidence | None:
    """Return the latest word of the highest source that tells; `statements` come best source first."""
    telling = [s for s in statements if tells(said_of(s))]
    if len(telling) <= 1:
        return said_of(telling[0]) if telling else None
    best = telling[0].rank
    return said_of(max((s for s in telling if s.rank == best), key=Statement.register_key))


def _method(statements: Sequence[Statement]) -> Method:
    word = _latest_of_best(statements, lambda evidence: evidence.method != "unknown")
    return word.method if word else "unknown"


def _captured(statements: Sequence[Statement]) -> int | None:
    word = _latest_of_best(
        statements, lambda evidence: evidence.captured_cents is not None and evidence.state != "authorised"
    )
    return word.captured_cents if word else None


def _instalments(statements: Sequence[Statement], captured: int) -> tuple[int, ...]:
    """Return the gross of each instalment; a list that does not add up to the capture is not one."""
    word = _latest_of_best(statements, lambda evidence: evidence.instalment_cents)
    if word is None or sum(word.instalment_cents) != captured:
        return (captured,)
    return word.instalment_cents


def _sold_at(statements: Sequence[Statement]) -> datetime:
    """Return the best source's earliest word (R8); where none tells, the first statement's date."""
    told = [(s.rank, s.evidence.sold_at) for s in statements if s.evidence.sold_at is not None]
    return min(told)[1] if told else min(s.evidence.as_of for s in statements)


@dataclass(frozen=True, slots=True)
class _Calendar:
    """For which days the file alone speaks of one payment; of one that it does not list, for none."""

    covered_days: CoveredDays
    merchant: str | None
    method: Method
    sold_on: date
    zone: tzinfo
    in_file: bool

    def covers(self, at: datetime) -> bool:
        if not self.in_file:
            return False
        return self.covered_days.span(self.merchant, self.method, self.sold_on, self.day_of(at))

    def day_of(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


def _kept(heard: Sequence[Statement], captured: int, calendar: _Calendar) -> int:
    """Return what is kept of `captured`: the larger view of what went back counts, never their sum."""
    if not any(gave_back(said_of(s)) for s in heard):
        return captured
    return min(_views(heard, captured, calendar), default=captured)


def _views(heard: Sequence[Statement], captured: int, calendar: _Calendar) -> Iterator[int]:
    """Yield what each admissible view leaves (R4): the file's, and each other source's on uncovered days."""
    instalments = _instalments(heard, captured)
    by_rank = {rank: list(group) for rank, group in groupby(heard, key=lambda s: s.rank)}
    filed = _numberings(by_rank.get(FILE, ()), instalments, captured)
    for ops in filed:
        yield kept_of_operations(instalments, ops)
    for rank, said in by_rank.items():
        # That a file does not list a payment excuses what believed sources say of it, and no claim.
        days = calendar if rank <= STRONG else replace(calendar, in_file=True)
        totals = _totals(said, captured)
        if totals is not None and (rank == FILE or not days.covers(totals.first_stated_at)):
            yield totals.kept_of(captured)
        if rank != FILE:
            for ops in _numberings(said, instalments, captured):
                for base in filed or [()]:
                    yield kept_of_operations(instalments, _day_by_day(base, ops, days))


@dataclass(frozen=True, slots=True)
class _Totals:
    """Whole cumulative figures of one source, and when it had first stated them all."""

    returned: int
    charged_back: int
    reinstated: int
    first_stated_at: datetime

    def kept_of(self, captured: int) -> int:
        back = self.returned + max(0, self.charged_back - self.reinstated)
        return captured - min(captured, back)


def _totals(said: Sequence[Statement], captured: int) -> _Totals | None:
    """Return one source's cumulative figures by maximum; a standing `void` says that everything went back."""
    told = [_figures(statement) for statement in said]
    returned, charged_back, reinstated = (max(figures) for figures in list(zip(*told, strict=True))[1:])
    dates = []
    if returned or charged_back or reinstated:
        dates.append(_first_stated_at(told, returned + max(0, charged_back - reinstated)))
    voided_at = _voided_at(said)
    if voided_at is not None:
        returned = max(returned, captured)
        dates.append(voided_at)
    return _Totals(returned, charged_back, reinstated, max(dates)) if dates else None


_Figures: TypeAlias = tuple[datetime, int, int, int]
"""As of when a source said how much was returned, charged back and reinstated so far."""


def _figures(statement: Statement) -> _Figures:
    said = said_of(statement)
    return (said.as_of, said.returned_cents or 0, said.charged_back_cents or 0, said.reinstated_cents or 0)


def _first_stated_at(told: Iterable[_Figures], back: int) -> datetime:
    """Return when a source had first stated that at least `back` went back in all (R4).

    To repeat it later moves no date, and neither does to win a part of it back.
    """
    so_far = (0, 0, 0)
    dates = []
    for as_of, *figures in sorted(told):
        returned, charged_back, reinstated = map(max, so_far, figures)
        so_far = (returned, charged_back, reinstated)
        if returned + max(0, charged_back - reinstated) >= back:
            dates.append(as_of)
    return dates[0]


def _voided_at(said: Sequence[Statement]) -> datetime | None:
    """Return since when a source's register stands at `void`, or `None` if it does not."""
    since = None
    for statement in sorted(said, key=Statement.register_key, reverse=True):
        if statement.evidence.state != "void":
            break
        since = statement.evidence.as_of
    return since


def _numberings(
    said: Iterable[Statement], instalments: Sequence[int], captured: int
) -> list[tuple[Given, ...]]:
    """Return one source's operations, each key once, a tuple for each numbering in which they are listed."""
    union: dict[tuple[str, str, str, int | None], Operation] = {}
    for statement in sorted(said, key=Statement.register_key):
        for op in statement.evidence.operations:
            name = (op.space, op.key, op.kind)
            # As a whole and by instalment is the same thing told twice: the later word counts.
            for other in [at for at in union if at[:3] == name and None in (at[3], op.instalment)]:
                del union[other]
            union[(*name, op.instalment)] = op
    spaces: dict[str, list[Given]] = {}
    for op in union.values():
        amount = op.amount_cents
        if amount is None:
            amount = _whole(op.instalment, instalments, captured)
        given = Given(op.key, op.kind, amount, op.instalment, op.happened_at)
        spaces.setdefault(op.space, []).append(given)
    return [tuple(ops) for ops in spaces.values()]


def _whole(instalment: int | None, instalments: Sequence[int], captured: int) -> int:
    """Return the gross of an operation that leaves it empty: that of its instalment, else the capture."""
    if instalment is not None and instalment <= len(instalments):
        return instalments[instalment - 1]
    return captured


def _day_by_day(base: Sequence[Given], other: Sequence[Given], calendar: _Calendar) -> list[Given]:
    """Covered days take `base` (the file) alone; on each other day the larger of both lists counts."""
    days: dict[date, tuple[list[Given], list[Given]]] = {}
    for side, ops in enumerate((base, other)):
        for given in ops:
            if side == 0 or not calendar.covers(given.happened_at):
                days.setdefault(calendar.day_of(given.happened_at), ([], []))[side].append(given)
    # Of a day on which nothing but a reinstatement happened the sum is below zero: still it is all that is known.
    larger = (max(mine, theirs, key=_size) if mine else theirs for mine, theirs in days.values())
    return [given for of_day in larger for given in of_day]


def _size(ops: Sequence[Given]) -> int:
    return sum(-op.amount_cents if op.kind == "reinstatement" else op.amount_cents for op in ops)


_WonBack: TypeAlias = tuple[str, int | None]
"""The key of a chargeback, and the instalment on which it was won back."""


def kept_of_operations(instalments: Sequence[int], ops: Sequence[Given]) -> int:
    """Return the centavos of `instalments` that are kept after `ops` (R5).

    A refund and a chargeback on one instalment overlap; on different instalments they add. A chargeback
    and its reinstatement pair by key. What names no instalment comes off the rest.
    """
    won_back = _won_back(ops)
    left = list(instalments)
    loose = 0
    for op in ops:
        amount = op.amount_cents
        if op.kind == "reinstatement":
            continue
        if op.kind == "chargeback":
            for at in _undoing(op, won_back, whole=len(left) == 1):
                undone = min(amount, won_back[at])
                amount -= undone
                won_back[at] -= undone
        place = _place(op, left)
        if place is None:
            loose += amount
        else:
            left[place] -= amount
    return max(0, sum(max(0, cents) for cents in left) - loose)


def _undoing(op: Given, won_back: Mapping[_WonBack, int], *, whole: bool) -> list[_WonBack]:
    """Return which reinstatements may undo a chargeback: of its instalment, of none, and of any if it is whole."""
    exact = [(op.key, op.instalment), (op.key, None)]
    others = sorted(at for at in won_back if at[0] == op.key and at[1] is not None and at not in exact)
    fitting = [*exact, *others] if whole or op.instalment is None else exact
    return [at for at in dict.fromkeys(fitting) if at in won_back]


def _won_back(ops: Iterable[Given]) -> dict[_WonBack, int]:
    """Return what reinstatements gave again, by chargeback and instalment."""
    won_back: dict[_WonBack, int] = {}
    for op in ops:
        if op.kind == "reinstatement":
            at = (op.key, op.instalment)
            won_back[at] = won_back.get(at, 0) + op.amount_cents
    return won_back


def _place(op: Given, instalments: Sequence[int]) -> int | None:
    if len(instalments) == 1:
        return 0
    return op.instalment - 1 if op.instalment is not None and op.instalment <= len(instalments) else None
