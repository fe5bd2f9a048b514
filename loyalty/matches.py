"""The weaker matches between a document's tenders and payments that no key joins (R2; L3 and L4).

A match is one-to-one and unique in both directions over everything in its window, so it is decided when the
window is covered or quiet, and decided again when more arrives. Amount and time alone never match.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["terminal", "owner"]

TERMINAL_REACH = timedelta(minutes=10)
OWNER_REACH = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One payment as a terminal saw it, or one tender as a document states it.

    `ref` is ours and unique, `terminal` the serial number, `owner` the opaque token of the customer.
    """

    ref: str
    merchant: str
    amount_cents: int
    sold_at: datetime
    terminal: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """`payment` and `tender` (their refs) are one act of paying, and what shows it."""

    payment: str
    tender: str
    level: Level


def match(payments: Sequence[Sighting], tenders: Sequence[Sighting]) -> tuple[Match, ...]:
    """Return the matches of a window, in the order of their payments.

    The terminal's serial decides first, the same customer next among what is left.
    """
    by_terminal = list(_unique(payments, tenders, "terminal"))
    taken = {m.payment for m in by_terminal} | {m.tender for m in by_terminal}
    rest = ([p for p in payments if p.ref not in taken], [t for t in tenders if t.ref not in taken])
    return tuple(sorted([*by_terminal, *_unique(*rest, "owner")], key=lambda m: m.payment))


def is_decidable(heard_at: Iterable[datetime], *, covered: bool, now: datetime, quiet: timedelta) -> bool:
    """Whether a window may be decided: a complete file covers it, or nothing was heard of it for `quiet`."""
    return covered or all(at + quiet <= now for at in heard_at)


def _unique(payments: Sequence[Sighting], tenders: Sequence[Sighting], level: Level) -> Iterator[Match]:
    candidates = [(p.ref, t.ref) for p in payments for t in tenders if _fits(p, t, level)]
    for payment, tender in candidates:
        rivals = [pair for pair in candidates if payment == pair[0] or tender == pair[1]]
        if len(rivals) == 1:
            yield Match(payment, tender, level)


def _fits(payment: Sighting, tender: Sighting, level: Level) -> bool:
    if payment.merchant != tender.merchant or payment.amount_cents != tender.amount_cents:
        return False
    apart = abs(payment.sold_at - tender.sold_at)
    if level == "terminal":
        return (
            apart <= TERMINAL_REACH and payment.terminal is not None and payment.terminal == tender.terminal
        )
    return apart <= OWNER_REACH and payment.owner is not None and payment.owner == tender.owner
