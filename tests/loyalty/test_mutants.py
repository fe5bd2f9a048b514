"""Named mutants of the core: each reads a rule wrongly, and the property named beside it must notice.

A mutant replaces one function by monkeypatching; the same check, on the same seeds, passes without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from contracts.facts import DocumentEvidence
from loyalty import award, documents, linking, payments, programme, sales
from loyalty.evidence import CoveredDays, Given, Statement
from tests.loyalty import properties

Check = Callable[[range], None]
BEFORE: dict[str, Any] = {
    "amounts": sales._amounts,
    "covers": payments._Calendar.covers,
    "totals": payments._totals,
    "document": documents.document,
}


@dataclass(frozen=True)
class Mutant:
    place: Any
    attribute: str
    wrong: Any
    caught_by: Check
    seeds: range = range(250)


def floor_per_step(kept: Fraction, rate: int, category: int = 1000, campaign: int = 1000) -> int:
    return int(kept) // 100 * rate // 10**6 * category // 1000 * campaign // 1000


def largest_payment_only(paid: Sequence[payments.Payment], bought: Sequence[Any]) -> Any:
    return BEFORE["amounts"](sorted(paid, key=lambda p: p.captured_cents)[-1:], bought)


def document_plus_payments(paid: Sequence[payments.Payment], bought: Sequence[Any]) -> Any:
    found = BEFORE["amounts"](paid, bought)
    more = sum(p.kept_cents for p in paid) if bought else 0
    return replace(found, base_cents=found.base_cents + more, kept=found.kept + more)


def order_plus_fiscal(paid: Sequence[payments.Payment], bought: Sequence[Any]) -> Any:
    return BEFORE["amounts"](paid, [replace(d, kind="order") for d in bought])


def returns_summed_over_views(paid: Sequence[payments.Payment], bought: Sequence[Any]) -> Any:
    found = BEFORE["amounts"](paid, bought)
    stated = sum(d.given_back_cents for d in bought if d.live)
    return replace(found, kept=max(Fraction(0), found.kept - stated)) if paid else found


def terms_of_today(versions: Sequence[Any], at: datetime) -> Any:
    return max(versions, key=lambda v: v.valid_from, default=None)


def refund_and_dispute_added(instalments: Sequence[int], ops: Sequence[Given]) -> int:
    signs = {"return": -1, "chargeback": -1, "reinstatement": 1}
    return max(0, sum(instalments) + sum(signs[op.kind] * op.amount_cents for op in ops))


def chargeback_of_the_whole(instalment: int | None, instalments: Sequence[int], captured: int) -> int:
    return captured


def counter_by_counter(heard: Sequence[Statement], captured: int, calendar: Any) -> int:
    said = [s.evidence for s in heard]
    most = {
        name: max(getattr(e, f"{name}_cents") or 0 for e in said)
        for name in ("returned", "charged_back", "reinstated")
    }
    for kind, name in (
        ("return", "returned"),
        ("chargeback", "charged_back"),
        ("reinstatement", "reinstated"),
    ):
        listed = sum(op.amount_cents or 0 for e in said for op in e.operations if op.kind == kind)
        most[name] = max(most[name], listed)
    back = most["returned"] + max(0, most["charged_back"] - most["reinstated"])
    return captured - min(captured, back)


def sale_day_alone(covered: CoveredDays, merchant: str | None, method: Any, sold_on: date) -> bool:
    return covered.span(merchant, method, sold_on, sold_on)


def file_never_silences(self: Any, at: datetime) -> bool:
    return False


def every_link_counts(mine: Any, theirs: Any) -> bool:
    return True


def latest_arrival_wins(self: Statement) -> Any:
    return (self.received_at, self.digest)


def owner_of_first_arrival(statements: Sequence[Statement], claims: Sequence[Any]) -> tuple[str | None, bool]:
    told = [(s.received_at, s.owner) for s in statements if s.owner]
    return (min(told)[1] if told else None), False


def owner_of_any_rank(statement: Statement) -> int:
    return 1


def dated_by_the_latest_repeat(told: Sequence[tuple[datetime, int, int, int]], back: int) -> datetime:
    stating = [as_of for as_of, returned, lost, won in told if returned + max(0, lost - won) >= back]
    return max(stating or [max(told)[0]])


def no_day_is_closed(covered: CoveredDays, merchant: str | None, method: Any, sold_on: date) -> bool:
    return False


def latest_figure_not_the_largest(said: Sequence[Statement], captured: int) -> Any:
    return BEFORE["totals"]([max(said, key=lambda s: s.received_at)], captured)


def receipts_revive(kind: str, keys: Any, statements: Sequence[Statement]) -> Any:
    heard = [s for s in statements if s.evidence.state != "void"] or list(statements)
    return BEFORE["document"](kind, keys, heard)


def terminal_clock_first(statement: Statement) -> int:
    return 0 if not statement.strong else 2 if isinstance(statement.evidence, DocumentEvidence) else 1


MUTANTS = {
    "floor per step": Mutant(award, "units", floor_per_step, properties.check_truth),
    "maximum across two payments": Mutant(sales, "_amounts", largest_payment_only, properties.check_truth),
    "document and payments summed": Mutant(sales, "_amounts", document_plus_payments, properties.check_truth),
    "order and fiscal summed": Mutant(sales, "_amounts", order_plus_fiscal, properties.check_truth),
    "views of returns summed": Mutant(sales, "_amounts", returns_summed_over_views, properties.check_truth),
    "terms read again now": Mutant(programme, "in_force", terms_of_today, properties.check_truth),
    "refund and chargeback added": Mutant(
        payments, "kept_of_operations", refund_and_dispute_added, properties.check_truth
    ),
    "chargeback unscaled": Mutant(payments, "_whole", chargeback_of_the_whole, properties.check_truth),
    "compared counter by counter": Mutant(payments, "_kept", counter_by_counter, properties.check_truth),
    "coverage without the next day": Mutant(payments, "_closed", sale_day_alone, properties.check_midnight),
    "file never silences": Mutant(payments._Calendar, "covers", file_never_silences, properties.check_truth),
    "device links unguarded": Mutant(linking, "_admissible", every_link_counts, properties.check_forgeries),
    "arrival as tie-break": Mutant(Statement, "register_key", latest_arrival_wins, properties.check_shuffles),
    "owner by arrival": Mutant(sales, "_owner", owner_of_first_arrival, properties.check_shuffles),
    "owner without ranks": Mutant(sales, "_owner_rank", owner_of_any_rank, properties.check_truth),
    "date of the latest repeat": Mutant(
        payments, "_first_stated_at", dated_by_the_latest_repeat, properties.check_repeats
    ),
    "absence never refutes": Mutant(payments, "_closed", no_day_is_closed, properties.check_forgeries),
    "latest cumulative instead of largest": Mutant(
        payments, "_totals", latest_figure_not_the_largest, properties.check_shuffles
    ),
    "cancelled receipts revive": Mutant(sales, "document", receipts_revive, properties.check_truth),
    "terminal clock first": Mutant(sales, "_time_rank", terminal_clock_first, properties.check_truth),
}


@cache
def hold_unmutated(check: Check, seeds: range) -> None:
    check(seeds)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_the_core_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    hold_unmutated(mutant.caught_by, mutant.seeds)

    monkeypatch.setattr(mutant.place, mutant.attribute, mutant.wrong)

    with pytest.raises(AssertionError, match="seed"):
        mutant.caught_by(mutant.seeds)
