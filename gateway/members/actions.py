"""Writing members: registered, changed, put into categories, given dependents, paid out.

Whatever names a person is sealed under that person's own key before it reaches a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from contracts.documents import TaxId
from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.ledger import actions as ledger
from gateway.ledger.actions import Gift
from gateway.members import queries
from gateway.members.queries import KnownMember, MemberRef, dependent_place, document_place, place
from gateway.outbox import event
from gateway.problems import FieldError, Problem
from gateway.programmes.actions import next_instant
from gateway.programmes.queries import book
from gateway.programmes.queries import keys as keys_of
from gateway.store import rows
from gateway.store import tables as t
from loyalty.award import end_of_day
from loyalty.refusals import Refusal


@dataclass(frozen=True, slots=True)
class NewMember:
    """A person or company that joins. `consent` says to which text they agreed, and how."""

    by: Principal
    document: TaxId = field(repr=False)
    name: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    category_id: str | None
    member_since: datetime | None
    consent: str


def register(
    context: Context, conn: Connection, items: Sequence[NewMember]
) -> list[KnownMember | Refusal | Problem]:
    """Register members; return them. Refused: a document that is known, an unknown category."""
    return [_register(context, conn, item) for item in items]


def _register(context: Context, conn: Connection, item: NewMember) -> KnownMember | Refusal | Problem:
    programme_id, now = item.by.programme_id, context.clock()
    keys = keys_of(context, conn, programme_id)
    index = keys.blind_index(item.document.text)
    if queries.identity(conn, programme_id, index) is not None:
        return Refusal("member_exists")
    if item.category_id and item.category_id not in book(context, conn, programme_id).categories:
        return unknown_category()
    at = (programme_id, context.ids.new("mem"))
    wrapped, since = keys.new_member_key(), item.member_since or now
    row = {
        **_columns(at),
        "key_wrapped": wrapped,
        "document_mask": item.document.masked,
        "name_sealed": keys.seal(wrapped, place(at[1], "name_sealed"), item.name) if item.name else None,
        "phone_sealed": keys.seal(wrapped, place(at[1], "phone_sealed"), item.phone) if item.phone else None,
        "blocked": False,
        "member_since": since,
        "created_at": now,
        "version": 1,
    }
    rows.insert(conn, t.member, [row])
    sealed = keys.seal(wrapped, document_place(index), item.document.text)
    _identify(conn, at, index, "holder", document_sealed=sealed, since_at=since)
    if item.category_id:
        _join_category(conn, at, item.category_id, now, now)
    audit.record(context, conn, item.by, "member.registered", at[1])
    audit.record(context, conn, item.by, f"member.consented {item.consent}", at[1])
    rows.insert(conn, t.outbox, [event(context, at[0], "member.registered", at[1], now)])
    made = queries.member(conn, keys, at, now)
    assert made is not None
    return made


def _identify(conn: Connection, at: MemberRef, index: str, role: str, **columns: Any) -> None:
    rows.insert(conn, t.identity, [{**_columns(at), "document_index": index, "role": role, **columns}])


@dataclass(frozen=True, slots=True)
class MemberChange:
    """New values (name, phone, blocked) for a member who is still at `version`."""

    by: Principal
    member_id: str
    version: int
    values: Mapping[str, Any] = field(repr=False)


def change(context: Context, conn: Connection, items: Sequence[MemberChange]) -> list[KnownMember | Problem]:
    """Change members; return them. Refused: a stranger, one who changed meanwhile."""
    return [_change(context, conn, item) for item in items]


def _change(context: Context, conn: Connection, item: MemberChange) -> KnownMember | Problem:
    at = (item.by.programme_id, item.member_id)
    keys = keys_of(context, conn, at[0])
    row = queries.member_rows(conn, [at]).get(at)
    if row is None or row["key_wrapped"] is None:
        return Problem("not_found")
    if row["version"] != item.version:
        return Problem("precondition_failed")
    changes: dict[str, Any] = {"version": item.version + 1}
    for name in ("name", "phone"):
        if name in item.values:
            clear, column = item.values[name], f"{name}_sealed"
            changes[column] = keys.seal(row["key_wrapped"], place(at[1], column), clear) if clear else None
    if "blocked" in item.values:
        changes["blocked"] = item.values["blocked"]
    its = (t.member.c.programme_id == at[0], t.member.c.member_id == at[1])
    conn.execute(update(t.member).where(*its).values(**changes))
    audit.record(context, conn, item.by, "member.changed", at[1])
    return _known(context, conn, at)


@dataclass(frozen=True, slots=True)
class NewMembership:
    """From now on a member belongs to a category."""

    by: Principal
    member_id: str
    category_id: str


def set_category(
    context: Context, conn: Connection, items: Sequence[NewMembership]
) -> list[KnownMember | Problem]:
    """Put members into categories; what they bought before keeps the category of its time."""
    answers: list[KnownMember | Problem] = []
    for item in items:
        at = (item.by.programme_id, item.member_id)
        if at not in queries.member_rows(conn, [at]):
            answers.append(Problem("not_found"))
        elif item.category_id not in book(context, conn, at[0]).categories:
            answers.append(unknown_category())
        else:
            now = context.clock()
            known = rows.fetch(conn, t.membership, ("programme_id", "member_id"), [at])
            recorded_at = next_instant(now, (row["recorded_at"] for row in known))
            _join_category(conn, at, item.category_id, now, recorded_at)
            audit.record(context, conn, item.by, "member.categorised", at[1])
            answers.append(_known(context, conn, at))
    return answers


def _join_category(
    conn: Connection, at: MemberRef, category_id: str, valid_from: datetime, recorded_at: datetime
) -> None:
    dates = {"valid_from": valid_from, "recorded_at": recorded_at}
    rows.insert(conn, t.membership, [{**_columns(at), "category_id": category_id, **dates}])


@dataclass(frozen=True, slots=True)
class NewDependent:
    """Someone whose purchases shall credit a member's wallet."""

    by: Principal
    member_id: str
    document: TaxId = field(repr=False)
    name: str | None = field(repr=False)


def add_dependent(
    context: Context, conn: Connection, items: Sequence[NewDependent]
) -> list[KnownMember | Refusal | Problem]:
    """Add dependents; return the holders. Refused: a stranger, a document that is known already."""
    return [_add_dependent(context, conn, item) for item in items]


def _add_dependent(context: Context, conn: Connection, item: NewDependent) -> KnownMember | Refusal | Problem:
    at = (item.by.programme_id, item.member_id)
    keys = keys_of(context, conn, at[0])
    row = queries.member_rows(conn, [at]).get(at)
    if row is None or row["key_wrapped"] is None:
        return Problem("not_found")
    index, wrapped = keys.blind_index(item.document.text), row["key_wrapped"]
    if queries.identity(conn, at[0], index) is not None:
        return Refusal("member_exists")
    sealed = {
        "document_sealed": keys.seal(wrapped, document_place(index), item.document.text),
        "name_sealed": keys.seal(wrapped, dependent_place(index), item.name) if item.name else None,
    }
    _identify(conn, at, index, "dependent", since_at=context.clock(), **sealed)
    audit.record(context, conn, item.by, "member.dependent_added", at[1])
    return _known(context, conn, at)


@dataclass(frozen=True, slots=True)
class GoodwillGiven:
    """Units that the programme gives a member at its own cost; without `valid_days` they never expire."""

    by: Principal
    member_id: str
    units: int
    valid_days: int | None
    reason: str


def give(context: Context, conn: Connection, items: Sequence[GoodwillGiven]) -> list[KnownMember | Problem]:
    """Credit goodwill; return the members. Refused: a stranger."""
    answers: list[KnownMember | Problem] = []
    for item in items:
        at = (item.by.programme_id, item.member_id)
        if at not in queries.member_rows(conn, [at]):
            answers.append(Problem("not_found"))
            continue
        expires_at = end_of_day(context.clock(), item.valid_days, book(context, conn, at[0]).zone)
        ledger.give(context, conn, [Gift(*at, item.units, expires_at, item.reason)])
        audit.record(context, conn, item.by, "goodwill.given", at[1])
        answers.append(_known(context, conn, at))
    return answers


def unknown_category() -> Problem:
    """Return the refusal of a category that this programme does not have."""
    return Problem("invalid", errors=[FieldError("#/category_id", "Categoria desconhecida.")])


def _known(context: Context, conn: Connection, at: MemberRef) -> KnownMember:
    known = queries.member(conn, keys_of(context, conn, at[0]), at, context.clock())
    assert known is not None
    return known


def _columns(at: MemberRef) -> dict[str, Any]:
    return {"programme_id": at[0], "member_id": at[1]}
