"""Reading members: what is known of a person, opened with their own key, documents only as masks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, or_, select

from gateway.ledger import queries as ledger
from gateway.privacy import ProgrammeKeys
from gateway.store import rows
from gateway.store import tables as t
from loyalty import statement
from loyalty.accounts import Account, Movement, Posting
from loyalty.programme import Membership, in_force
from loyalty.statement import Purchase

Row: TypeAlias = Mapping[str, Any]
MemberRef: TypeAlias = tuple[str, str]
"""(programme id, member id)."""


@dataclass(frozen=True, slots=True)
class Dependent:
    """Someone whose purchases credit the holder's wallet."""

    name: str | None = field(repr=False)
    since_at: datetime


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member as operators see it. `debt_units` is zero or below."""

    member_id: str
    document_mask: str | None
    name: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    blocked: bool
    category_id: str | None
    member_since: datetime
    created_at: datetime
    version: int
    available_units: int
    pending_units: int
    debt_units: int
    dependents: tuple[Dependent, ...]


def place(member_id: str, column: str) -> str:
    """Return where a column of a member is sealed to."""
    return f"member/{member_id}/{column}"


def document_place(document_index: str) -> str:
    """Return where the document of an identity is sealed to."""
    return f"identity/{document_index}/document_sealed"


def dependent_place(document_index: str) -> str:
    """Return where the name of a dependent is sealed to."""
    return f"identity/{document_index}/name_sealed"


def member_rows(conn: Connection, members: Iterable[MemberRef]) -> dict[MemberRef, Row]:
    """Return the stored rows of members, by reference; strangers are absent."""
    found = rows.fetch(conn, t.member, ("programme_id", "member_id"), members)
    return {(row["programme_id"], row["member_id"]): row for row in found}


def identity(conn: Connection, programme_id: str, document_index: str) -> Row | None:
    """Return the identity under a blind index."""
    at = (programme_id, document_index)
    return identities(conn, [at]).get(at)


def identities(conn: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    """Return the identities of (programme id, blind index) pairs that are registered."""
    found = rows.fetch(conn, t.identity, ("programme_id", "document_index"), wanted)
    return {(row["programme_id"], row["document_index"]): row for row in found}


def member(conn: Connection, keys: ProgrammeKeys, at: MemberRef, now: datetime) -> KnownMember | None:
    """Return a member as known at `now`, or `None` for a stranger."""
    row = member_rows(conn, [at]).get(at)
    if row is None:
        return None
    wrapped = row["key_wrapped"]

    def opened(where: str, sealed: bytes | None) -> str | None:
        return keys.open(wrapped, where, sealed) if sealed is not None and wrapped is not None else None

    wallet = ledger.wallets(conn, [at])[at]
    dependents = [
        Dependent(opened(dependent_place(i["document_index"]), i["name_sealed"]), i["since_at"])
        for i in rows.fetch(conn, t.identity, ("programme_id", "member_id"), [at])
        if i["role"] == "dependent"
    ]
    return KnownMember(
        member_id=row["member_id"],
        document_mask=row["document_mask"],
        name=opened(place(row["member_id"], "name_sealed"), row["name_sealed"]),
        phone=opened(place(row["member_id"], "phone_sealed"), row["phone_sealed"]),
        blocked=row["blocked"],
        category_id=_category_at(conn, at, now),
        member_since=row["member_since"],
        created_at=row["created_at"],
        version=row["version"],
        available_units=wallet.available,
        pending_units=wallet.pending,
        debt_units=wallet.debt,
        dependents=tuple(sorted(dependents, key=lambda each: (each.since_at, each.name or ""))),
    )


def _category_at(conn: Connection, at: MemberRef, now: datetime) -> str | None:
    history = rows.fetch(conn, t.membership, ("programme_id", "member_id"), [at])
    versions = [Membership(row["category_id"], row["valid_from"], row["recorded_at"]) for row in history]
    current = in_force(versions, now)
    return current.category_id if current else None


def movements(conn: Connection, at: MemberRef, before_id: str | None, limit: int) -> list[Row]:
    """Return up to `limit` movements of a wallet below `before_id`, last learned first."""
    m = t.movement.c
    query = select(t.movement).where(
        m.programme_id == at[0],
        or_(m.member_id == at[1], m.counterpart_id == at[1]),
        m.kind.in_(sorted(statement.KINDS)),
    )
    if before_id is not None:
        query = query.where(m.movement_id < before_id)
    found = conn.execute(query.order_by(m.movement_id.desc()).limit(limit)).mappings()
    return [dict(row) for row in found]


def with_postings(conn: Connection, found: Sequence[Row]) -> list[Movement]:
    """Return the movements that rows of `movements` describe, in their order."""
    postings: dict[str, list[Posting]] = {}
    wanted = [(row["programme_id"], row["movement_id"]) for row in found]
    for p in rows.fetch(conn, t.posting, ("programme_id", "movement_id"), wanted):
        posting = Posting(Account(p["account"], p["account_ref"]), p["units"])
        postings.setdefault(p["movement_id"], []).append(posting)
    named = ("kind", "happened_at", "learned_at", "reason", "sale_id", "member_id", "partner_id")
    return [
        Movement(postings=tuple(postings[row["movement_id"]]), **{name: row[name] for name in named})
        for row in found
    ]


def purchases(
    conn: Connection, programme_id: str, found: Iterable[Movement], partner_names: Mapping[str, str]
) -> dict[str, Purchase]:
    """Return what a statement says of the sales of `found`, by sale id."""
    wanted = [(programme_id, movement.sale_id) for movement in found if movement.sale_id is not None]
    return {
        row["sale_id"]: Purchase(
            amount_cents=row["captured_cents"] or row["base_cents"],
            partner_name=partner_names.get(row["partner_id"], ""),
        )
        for row in rows.fetch(conn, t.sale, ("programme_id", "sale_id"), wanted)
    }
