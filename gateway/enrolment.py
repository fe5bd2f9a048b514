"""What lets more follow than itself: a CPF becomes known, a partner's pack is filled, a balance grows.

The cause and everything that follows from it are one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from contracts.documents import TaxId
from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.ledger import actions as ledger
from gateway.ledger import queries as ledger_queries
from gateway.ledger.queries import MemberRef
from gateway.members import actions as members
from gateway.members import queries as member_queries
from gateway.members.actions import GoodwillGiven, NewDependent, NewMember
from gateway.members.queries import KnownMember
from gateway.partners import queries as partners
from gateway.partners.queries import Row
from gateway.problems import Problem
from gateway.programmes.queries import keys as keys_of
from gateway.sales import actions as sales
from gateway.sales import queries as sale_queries
from gateway.sales.dossiers import Scope
from gateway.store import Connection
from gateway.vouchers import auto
from loyalty.refusals import Refusal

Answer = TypeVar("Answer", bound=Refusal | Problem)


class _Asked(Protocol):
    """Whatever somebody of a programme asks for."""

    @property
    def by(self) -> Principal: ...


class _Named(_Asked, Protocol):
    """Whatever makes a document known to a programme."""

    @property
    def document(self) -> TaxId: ...


def register(
    context: Context, conn: Connection, items: Sequence[NewMember]
) -> list[KnownMember | Refusal | Problem]:
    """Register members and credit the sales that waited for them; return them with what they have now."""
    made = members.register(context, conn, items)
    return _rematched(context, conn, items, made)


def add_dependent(
    context: Context, conn: Connection, items: Sequence[NewDependent]
) -> list[KnownMember | Refusal | Problem]:
    """Add dependents and credit the sales that waited for them; return their holders."""
    made = members.add_dependent(context, conn, items)
    return _rematched(context, conn, items, made)


def _rematched(
    context: Context,
    conn: Connection,
    items: Sequence[_Named],
    made: Sequence[KnownMember | Refusal | Problem],
) -> list[KnownMember | Refusal | Problem]:
    """Conclude the sales of newly known documents again, and look again at whom that credited."""
    owners = [
        (item.by.programme_id, keys_of(context, conn, item.by.programme_id).blind_index(item.document.text))
        for item, known in zip(items, made, strict=True)
        if isinstance(known, KnownMember)
    ]
    credited = _reconsidered(context, conn, sale_queries.waiting_sales(conn, owners))
    if not credited:
        return list(made)
    auto.issue_due(context, conn, credited)
    return _as_they_are(context, conn, items, made)


def give(context: Context, conn: Connection, items: Sequence[GoodwillGiven]) -> list[KnownMember | Problem]:
    """Credit goodwill, and issue what it affords by itself; return the members."""
    made = members.give(context, conn, items)
    credited = {
        (item.by.programme_id, item.member_id)
        for item, known in zip(items, made, strict=True)
        if isinstance(known, KnownMember)
    }
    auto.issue_due(context, conn, credited)
    return _as_they_are(context, conn, items, made)


def _as_they_are(
    context: Context, conn: Connection, items: Sequence[_Asked], made: Sequence[KnownMember | Answer]
) -> list[KnownMember | Answer]:
    """Return `made` with each member as it stands after all that followed."""
    return [
        _known(context, conn, item.by.programme_id, known) if isinstance(known, KnownMember) else known
        for item, known in zip(items, made, strict=True)
    ]


def _known(context: Context, conn: Connection, programme_id: str, before: KnownMember) -> KnownMember:
    at = (programme_id, before.member_id)
    known = member_queries.member(conn, keys_of(context, conn, programme_id), at, context.clock())
    return known or before


def _reconsidered(context: Context, conn: Connection, waiting: Iterable[Mapping[str, Any]]) -> set[MemberRef]:
    dossiers: set[tuple[Scope, str]] = {
        ((row["programme_id"], row["partner_id"]), row["dossier_id"])
        for row in waiting
        if row["merged_into"] is None
    }
    return sales.reconsider(context, conn, sorted(dossiers)) if dossiers else set()


@dataclass(frozen=True, slots=True)
class PackBought:
    """Units that a partner bought in advance."""

    by: Principal
    partner_id: str
    units: int


def buy_pack(context: Context, conn: Connection, items: Sequence[PackBought]) -> list[Row | Problem]:
    """Fill packs and release the awards that waited for them, oldest sale first; return the partners.

    Refused: a foreign partner, one that is not funded by packs.
    """
    answers: list[Row | Problem] = []
    for item in items:
        at = (item.by.programme_id, item.partner_id)
        known = partners.partner(conn, *at)
        if known is None:
            answers.append(Problem("not_found"))
            continue
        if known["funding"] != "prepaid":
            answers.append(Problem("conflict", detail="Este parceiro não usa pacotes pré-pagos."))
            continue
        ledger.fill_packs(context, conn, [(*at, item.units)])
        audit.record(context, conn, item.by, "pack.bought", item.partner_id)
        held = ledger_queries.held_awards(conn, [at])
        waiting = sale_queries.sales_by_id(conn, [(at[0], row["sale_id"]) for row in held])
        _reconsidered(context, conn, waiting)
        answers.append(partners.partner(conn, *at) or known)
    return answers
