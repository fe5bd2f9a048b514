"""A member's statement, a page at a time: the balance after each line follows from the balance now.

Lines come last learned first, so that what is learned later never changes a page already read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.ledger import queries as ledger
from gateway.members import queries
from gateway.members.queries import MemberRef
from gateway.store import Connection
from loyalty.programme import Book
from loyalty.statement import StatementLine, line


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """One line, the movement it speaks of, and whose credit it was."""

    movement_id: str
    sale_id: str | None
    partner_id: str | None
    line: StatementLine


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Some lines, and where the next ones begin: (movement id, balance before it)."""

    lines: tuple[NumberedLine, ...]
    next_place: tuple[str, int] | None


def page(
    conn: Connection, book: Book, at: MemberRef, begin: Sequence[Any] | None, limit: int
) -> StatementPage | None:
    """Return up to `limit` lines of a member's wallet from `begin` on, or `None` for a stranger."""
    if at not in queries.member_rows(conn, [at]):
        return None
    if begin is None:
        wallet = ledger.wallets(conn, [at])[at]
        before_id, balance = None, wallet.available + wallet.debt
    else:
        before_id, balance = str(begin[0]), int(begin[1])
    found = queries.movements(conn, at, before_id, limit + 1)
    movements = queries.with_postings(conn, found[:limit])
    names = {partner.id: partner.name for partner in book.partners.values()}
    purchases = queries.purchases(conn, at[0], movements, names)
    lines = []
    for row, movement in zip(found, movements, strict=False):
        purchase = purchases.get(movement.sale_id or "")
        told = line(movement, at[1], book.programme.unit, 0, purchase)
        # The core counts upwards from the balance before a line; we come down from the balance after it.
        before = balance - told.balance_after
        told = line(movement, at[1], book.programme.unit, before, purchase)
        lines.append(NumberedLine(row["movement_id"], movement.sale_id, movement.partner_id, told))
        balance = before
    more = (lines[-1].movement_id, balance) if len(found) > limit else None
    return StatementPage(tuple(lines), more)
