"""/v1/sales: launches, returns, claims and decisions in; sales, and why they scored or not, out."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from contracts.facts import DocumentEvidence, Key, Tender
from gateway import launches
from gateway.access import Principal
from gateway.http.answers import once, refused, refuses, refuses_keyless, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.partners import visible_partner
from gateway.http.sales_schemas import (
    ClaimSaid,
    LaunchSaid,
    LookupSaid,
    OwnerSaid,
    ReturnSaid,
    SaleAnswered,
    SaleFound,
    SalesFound,
    SaleShown,
    SaleState,
)
from gateway.http.schemas import Id
from gateway.idempotency import Answer
from gateway.launches import Launch, LaunchConflict, Ownership, Return, launch_key
from gateway.problems import FieldError, Problem
from gateway.programmes.queries import stored_keys
from gateway.sales import inquiry, queries
from gateway.sales.actions import Recorded
from gateway.sales.dossiers import Scope
from gateway.store import Connection
from loyalty.refusals import Refusal

router = APIRouter(prefix="/v1/sales", tags=["sales"])

LOOKED_UP_AT_MOST = 100


@router.post(
    "",
    status_code=201,
    response_model=SaleAnswered,
    responses={200: {"model": SaleAnswered}, **refuses_keyless("not_found", "conflict")},
)
async def launch_sale(
    request: Request, said: LaunchSaid, caller: Principal = requires("sales:write")
) -> Response:
    """Tell a sale by its own reference. Told again: 200 `duplicate`; otherwise: 409 `launch_conflict`."""
    partner_id = _partner(caller, said.partner_id)
    item = Launch(caller, partner_id, said.store_id, said.document, _evidence(said, partner_id))
    return await once(request, caller, launches.launch, item, _launched, required=True)


def _partner(caller: Principal, partner_id: str | None) -> str:
    """Return the partner spoken of: the named one, else the one that the key is bound to."""
    named = partner_id or caller.partner_id
    if named is None:
        raise Problem("invalid", errors=[FieldError("#/partner_id", "Campo obrigatório.")])
    if not caller.sees(named):
        raise Problem("not_found")
    return named


def _evidence(said: LaunchSaid, partner_id: str) -> DocumentEvidence:
    tenders = tuple(
        Tender(
            keys=tuple(Key(key.kind, key.value) for key in payment.keys),
            method=payment.method,
            amount_cents=payment.amount_cents,
        )
        for payment in said.payments
    )
    return DocumentEvidence(
        keys=(launch_key(partner_id, said.launch_ref),),
        kind=said.kind,
        gross_cents=said.gross_cents,
        discount_cents=said.discount_cents,
        shipping_cents=said.shipping_cents,
        fees_cents=said.fees_cents,
        paid_with_loyalty_cents=said.paid_with_loyalty_cents,
        operator_ref=said.operator_ref,
        sold_at=said.sold_at,
        # The launch's own date: told again later it is still the same statement.
        as_of=said.sold_at,
        tenders=tenders,
    )


def _launched(outcome: Recorded | LaunchConflict) -> Answer:
    if isinstance(outcome, LaunchConflict):
        first = {
            "sale_id": outcome.sale_id,
            "gross_cents": outcome.gross_cents,
            "sold_at": outcome.sold_at.isoformat() if outcome.sold_at else None,
        }
        return refused(Refusal("launch_conflict"), {"first": first})
    return _recorded(outcome)


def _recorded(recorded: Recorded) -> Answer:
    return told(200 if recorded.duplicate else 201, SaleAnswered.of(recorded))


@router.post(
    "/returns",
    status_code=201,
    response_model=SaleAnswered,
    responses={200: {"model": SaleAnswered}, **refuses_keyless("not_found", "conflict")},
)
async def return_sale(
    request: Request, said: ReturnSaid, caller: Principal = requires("sales:write")
) -> Response:
    """Tell that money was given back, by the return's own reference; more than the sale: 422."""
    scope, key = await _named(request, caller, said)
    item = Return(caller, scope, key, said.return_ref, said.amount_cents, said.returned_at)
    return await once(request, caller, launches.give_back, item, _recorded, required=True)


async def _named(
    request: Request, caller: Principal, said: ReturnSaid | ClaimSaid | OwnerSaid
) -> tuple[Scope, Key]:
    """Return scope and key of the sale that a body names. Refuses (404) one that the caller does not see."""
    if isinstance(said, ClaimSaid) or said.sale_id is None:
        partner_id = _partner(caller, said.partner_id)
        if isinstance(said, ReturnSaid) and said.launch_ref is not None:
            return (caller.programme_id, partner_id), launch_key(partner_id, said.launch_ref)
        assert said.key is not None
        return (caller.programme_id, partner_id), Key(said.key.kind, said.key.value)
    query = partial(inquiry.standing, programme_id=caller.programme_id, sale_id=said.sale_id)
    row = await hub(request).read(query)
    if row is None or not caller.sees(row["partner_id"]):
        raise Problem("not_found")
    return (caller.programme_id, row["partner_id"]), Key(row["first_kind"], row["first_value"])


@router.post(
    "/claims",
    status_code=201,
    response_model=SaleAnswered,
    responses={200: {"model": SaleAnswered}, **refuses_once("not_found", "conflict")},
)
async def claim_sale(
    request: Request, said: ClaimSaid, caller: Principal = requires("sales:write")
) -> Response:
    """Say whose purchase it was. The first claim stands, another one is refused: 409 `already_claimed`."""
    scope, key = await _named(request, caller, said)
    item = Ownership(caller, scope, key, said.document, decided=False)
    return await once(request, caller, launches.claim, item, _recorded)


@router.post(
    "/owner",
    status_code=201,
    response_model=SaleAnswered,
    responses={200: {"model": SaleAnswered}, **refuses_once("not_found")},
)
async def decide_owner(
    request: Request, said: OwnerSaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Decide whose sale it is, whatever its sources say."""
    scope, key = await _named(request, caller, said)
    item = Ownership(caller, scope, key, said.document, decided=True)
    return await once(request, caller, launches.claim, item, _recorded)


@router.post("/lookup", responses=refuses("not_found"))
async def look_up_sales(
    request: Request, said: LookupSaid, caller: Principal = requires("sales:read")
) -> SalesFound:
    """Show a sale by id or key, or the newest sales of a document: evidence, terms, movements, and why."""
    key = None if said.key is None else Key(said.key.kind, said.key.value)
    scope = (caller.programme_id, _partner(caller, said.partner_id) if key else "")
    vault = hub(request).context.vault

    def find(conn: Connection) -> list[inquiry.Inquiry]:
        rows: list[Any]
        if said.sale_id is not None:
            rows = [inquiry.standing(conn, caller.programme_id, said.sale_id)]
        elif key is not None:
            rows = [inquiry.by_key(conn, stored_keys(vault, conn, caller.programme_id), scope, key)]
        else:
            owner = stored_keys(vault, conn, caller.programme_id).blind_index(said.document.text)
            rows = queries.waiting_sales(conn, [(caller.programme_id, owner)])
        seen = [row for row in rows if row is not None and caller.sees(row["partner_id"])]
        newest = sorted(seen, key=lambda row: row["sale_id"], reverse=True)[:LOOKED_UP_AT_MOST]
        return [inquiry.inquire(conn, row) for row in newest]

    found = await hub(request).read(find)
    if not found and said.by_name:
        raise Problem("not_found")
    return SalesFound(data=[SaleFound.found(each) for each in found])


@router.get("", responses=refuses("not_found"))
async def list_sales(
    request: Request,
    state: Annotated[SaleState | None, Query()] = None,
    partner_id: Annotated[Id | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("sales:read"),
) -> Page[SaleShown]:
    """List sales, last learned first; those that were merged into others only when asked for."""
    if partner_id is not None:
        await visible_partner(request, caller, partner_id)
    place = Place(request, caller, (state, partner_id))
    query = partial(
        queries.sales_page,
        programme_id=caller.programme_id,
        partner_id=partner_id or caller.partner_id,
        state=state,
        before_id=place.after(cursor),
        limit=limit + 1,
    )
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["sale_id"], SaleShown.of)
