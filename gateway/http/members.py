"""/v1/members: people and companies. A CPF is only ever sent inside a body, and only ever shown as a mask."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from gateway import enrolment, versions
from gateway.access import Principal
from gateway.http.answers import etag, expected_version, once, refuses, refuses_keyless, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.schemas import Code, Days, Id, Identified, Instant, Name, Said, Shown, TextVersion, Units
from gateway.http.vouchers import VoucherIssued, VoucherShown, issued_answer
from gateway.idempotency import Answer
from gateway.members import actions, queries, statements
from gateway.members.actions import (
    GoodwillGiven,
    MemberChange,
    NewDependent,
    NewMember,
    NewMembership,
)
from gateway.members.queries import KnownMember
from gateway.members.statements import StatementPage
from gateway.problems import FieldError, Problem
from gateway.programmes.queries import load_book, stored_keys
from gateway.store import Connection
from gateway.vouchers import issuing
from gateway.vouchers.issuing import MemberWish
from gateway.vouchers.queries import vouchers_of_member

router = APIRouter(prefix="/v1/members", tags=["members"])

Phone = Annotated[
    str, StringConstraints(pattern=r"^\+?[0-9 ()-]{8,24}$"), Field(examples=["+55 11 99999-0000"])
]


class Consent(Said):
    """To which text the member agreed, and where."""

    text_version: TextVersion
    channel: Code


class MemberSaid(Identified):
    """A person or company that joins. A `member_since` in the past needs the scope programme:admin."""

    name: Name | None = Field(default=None, repr=False)
    phone: Phone | None = Field(default=None, repr=False)
    category_id: Id | None = None
    member_since: Instant | None = None
    consent: Consent


class MemberPatch(Said):
    """New values; null clears a name or phone."""

    name: Name | None = Field(default=None, repr=False)
    phone: Phone | None = Field(default=None, repr=False)
    blocked: bool = False


class DependentShown(Shown):
    """Someone whose purchases credit the holder."""

    name: str | None
    since_at: datetime


class MemberShown(Shown):
    """A member and what they have; `debt_units` is zero or below, and is repaid by the next credits."""

    member_id: str
    document_mask: str | None
    name: str | None
    phone: str | None
    blocked: bool
    category_id: str | None
    member_since: datetime
    created_at: datetime
    version: int
    available_units: int
    pending_units: int
    debt_units: int
    dependents: list[DependentShown]

    @classmethod
    def of(cls, known: KnownMember) -> "MemberShown":
        """Return a known member as the API shows it."""
        return cls.model_validate(known, from_attributes=True)


class MembershipSaid(Said):
    """The category that a member belongs to from now on."""

    category_id: Id


class DependentSaid(Identified):
    """Someone whose purchases shall credit the holder."""

    name: Name | None = None


class CashoutSaid(Said):
    """How much leaves the wallet."""

    units: Units


class GoodwillSaid(Said):
    """A gift at the programme's cost; without `valid_days` it never expires."""

    units: Units
    valid_days: Days | None = None
    reason: Code = "goodwill"


class StatementLineShown(Shown):
    """One line. `balance_after` (available plus debt) is null for a key that sees one partner only."""

    movement_id: str
    at: datetime
    learned_at: datetime
    text: str
    units: int
    pending_units: int
    debt_units: int
    balance_after: int | None
    sale_id: str | None


@router.post(
    "",
    status_code=201,
    response_model=MemberShown,
    responses=refuses_once("conflict"),
)
async def register_member(
    request: Request, said: MemberSaid, caller: Principal = requires("members:write")
) -> Response:
    """Register a member and credit the sales that waited for the document (409 `member_exists`)."""
    now = hub(request).context.clock()
    if said.member_since is not None and said.member_since > now:
        raise Problem("invalid", errors=[FieldError("#/member_since", "Não pode estar no futuro.")])
    if said.member_since is not None and not caller.may("programme:admin"):
        raise Problem("forbidden")
    item = NewMember(
        by=caller,
        document=said.document,
        name=said.name,
        phone=said.phone,
        category_id=said.category_id,
        member_since=said.member_since,
        consent=f"{said.consent.text_version} {said.consent.channel}",
    )
    return await once(request, caller, enrolment.register, item, _made)


def _made(known: KnownMember) -> Answer:
    return told(201, MemberShown.of(known))


@router.post("/lookup", responses=refuses("not_found"))
async def look_up_member(
    request: Request, response: Response, said: Identified, caller: Principal = requires("members:read")
) -> MemberShown:
    """Show the member whose wallet this document credits, holder or dependent."""
    context = hub(request).context

    def find(conn: Connection) -> KnownMember | None:
        keys = stored_keys(context.vault, conn, caller.programme_id)
        identity = queries.identity(conn, caller.programme_id, keys.blind_index(said.document.text))
        if identity is None:
            return None
        return queries.member(conn, keys, (caller.programme_id, identity["member_id"]), context.clock())

    return _found(response, await hub(request).read(find))


@router.get("/{member_id}", responses=refuses("not_found"))
async def get_member(
    request: Request, response: Response, member_id: Id, caller: Principal = requires("members:read")
) -> MemberShown:
    """Show one member."""
    context = hub(request).context

    def find(conn: Connection) -> KnownMember | None:
        keys = stored_keys(context.vault, conn, caller.programme_id)
        return queries.member(conn, keys, (caller.programme_id, member_id), context.clock())

    return _found(response, await hub(request).read(find))


def _found(response: Response, known: KnownMember | None) -> MemberShown:
    if known is None:
        raise Problem("not_found")
    response.headers["etag"] = etag(known.version)
    return MemberShown.of(known)


@router.patch("/{member_id}", responses=refuses("not_found", "precondition_failed", "precondition_required"))
async def change_member(
    request: Request,
    response: Response,
    member_id: Id,
    said: MemberPatch,
    caller: Principal = requires("members:write"),
) -> MemberShown:
    """Change name or phone, or block redemption."""
    values = said.model_dump(exclude_unset=True)
    item = MemberChange(caller, member_id, expected_version(request), values)
    return _found(response, await hub(request).submit(actions.change, item))


@router.post("/{member_id}/category", responses=refuses("not_found"))
async def set_member_category(
    request: Request, member_id: Id, said: MembershipSaid, caller: Principal = requires("members:write")
) -> MemberShown:
    """Put a member into a category from now on; what they bought before keeps the category of its time."""
    item = NewMembership(caller, member_id, said.category_id)
    return MemberShown.of(await hub(request).submit(versions.set_member_category, item))


@router.post(
    "/{member_id}/dependents",
    status_code=201,
    response_model=MemberShown,
    responses=refuses_once("not_found", "conflict"),
)
async def add_dependent(
    request: Request, member_id: Id, said: DependentSaid, caller: Principal = requires("members:write")
) -> Response:
    """Let the purchases of another document credit this member (409 `member_exists`)."""
    item = NewDependent(caller, member_id, said.document, said.name)
    return await once(request, caller, enrolment.add_dependent, item, _made)


@router.post(
    "/{member_id}/cashouts",
    status_code=201,
    response_model=VoucherIssued,
    responses=refuses_keyless("not_found"),
)
async def cash_out(
    request: Request, member_id: Id, said: CashoutSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Turn units into a voucher of the programme's cash-out reward; its codes are in this answer only.

    422: `insufficient_balance`, `redemption_blocked`, `debt_outstanding`, `reward_closed`.
    """
    item = MemberWish(caller, member_id, None, said.units)
    return await once(request, caller, issuing.issue_for, item, issued_answer, required=True)


@router.get("/{member_id}/vouchers", responses=refuses("not_found"))
async def list_vouchers(
    request: Request,
    member_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("vouchers:read"),
) -> Page[VoucherShown]:
    """List a member's vouchers, oldest first, without their codes."""
    place = Place(request, caller)
    after_id = place.after(cursor)

    def find(conn: Connection) -> list[dict[str, Any]] | None:
        if not queries.member_rows(conn, [(caller.programme_id, member_id)]):
            return None
        return vouchers_of_member(
            conn, caller.programme_id, member_id, only=caller.partner_id, after_id=after_id, limit=limit + 1
        )

    rows = await hub(request).read(find)
    if rows is None:
        raise Problem("not_found")
    return place.page(rows, limit, lambda row: row["voucher_id"], VoucherShown.model_validate)


@router.post(
    "/{member_id}/goodwill",
    status_code=201,
    response_model=MemberShown,
    responses=refuses_keyless("not_found"),
)
async def give_goodwill(
    request: Request, member_id: Id, said: GoodwillSaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Credit units at the programme's cost; a debt is repaid first."""
    item = GoodwillGiven(caller, member_id, said.units, said.valid_days, said.reason)
    return await once(request, caller, enrolment.give, item, _made, required=True)


@router.get("/{member_id}/statement", responses=refuses("not_found"))
async def get_statement(
    request: Request,
    member_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("members:read"),
) -> Page[StatementLineShown]:
    """Show what changed in a wallet, last learned first, each line in Portuguese.

    A key that is bound to a partner sees the lines of that partner alone.
    """
    place = Place(request, caller)
    begin = place.open(cursor)
    at = (caller.programme_id, member_id)

    def find(conn: Connection) -> StatementPage | None:
        book = load_book(conn, caller.programme_id)
        return statements.page(conn, book, at, begin, limit)

    found = await hub(request).read(partial(find))
    if found is None:
        raise Problem("not_found")
    lines = [line for line in found.lines if caller.partner_id in (None, line.partner_id)]
    more = None if found.next_place is None else place.seal(found.next_place)
    return Page(data=[_line(line, caller) for line in lines], next_cursor=more)


def _line(line: statements.NumberedLine, caller: Principal) -> StatementLineShown:
    said: dict[str, Any] = {
        name: getattr(line.line, name)
        for name in ("at", "learned_at", "text", "units", "pending_units", "debt_units", "balance_after")
    }
    if caller.partner_id is not None:
        said["balance_after"] = None
    return StatementLineShown(movement_id=line.movement_id, sale_id=line.sale_id, **said)
