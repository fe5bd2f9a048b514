"""/v1/partners/{partner_id}/...: stores, the names vendors give them, terminals, operators."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.access import Principal
from gateway.http.answers import once, refuses, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.partners import visible_partner
from gateway.http.programmes import Zone
from gateway.http.schemas import CnpjText, Id, Name, Ref, Said, Shown
from gateway.idempotency import Answer
from gateway.problems import Problem
from gateway.programmes.queries import stored_keys
from gateway.stores import actions, queries
from gateway.stores.actions import (
    Activity,
    EnrolledTerminal,
    MerchantName,
    NewOperator,
    NewStore,
    NewTerminal,
)

router = APIRouter(prefix="/v1/partners/{partner_id}", tags=["stores"])


class StoreSaid(Said):
    """A place of a partner; `zone` is the local time of its terminals."""

    name: Name
    cnpj: CnpjText | None = None
    zone: Zone = "America/Sao_Paulo"


class StoreShown(Shown):
    """A store."""

    store_id: str
    name: str
    cnpj: str | None
    zone: str
    created_at: datetime


class MerchantSaid(Said):
    """The name that a vendor gives a store: a StoneCode, an account id."""

    merchant_ref: Ref
    store_id: Id


class MerchantShown(Shown):
    """A mapped name."""

    merchant_ref: str
    store_id: str


class TerminalSaid(Said):
    """A payment terminal to be enrolled; the installation's connector speaks for it."""

    store_id: Id
    installation_id: Id
    serial: Ref


class TerminalShown(Shown):
    """A terminal without its secret."""

    terminal_id: str
    store_id: str
    installation_id: str
    serial: str
    active: bool
    created_at: datetime


class TerminalMade(TerminalShown):
    """An enrolled terminal: `secret` signs its requests and is shown this once."""

    secret: str


class OperatorSaid(Said):
    """Someone who works at a till."""

    store_id: Id
    name: Name
    operator_ref: Ref


class OperatorShown(Shown):
    """An operator."""

    operator_id: str
    store_id: str
    name: str
    operator_ref: str
    active: bool
    created_at: datetime


class ActivitySaid(Said):
    """Whether a terminal or operator counts."""

    active: bool


def _seen(caller: Principal, partner_id: str) -> None:
    if not caller.sees(partner_id):
        raise Problem("not_found")


@router.post("/stores", status_code=201, response_model=StoreShown, responses=refuses_once("not_found"))
async def create_store(
    request: Request, partner_id: Id, said: StoreSaid, caller: Principal = requires("partners:write")
) -> Response:
    """Create a store of a partner."""
    _seen(caller, partner_id)
    item = NewStore(caller, partner_id, said.name, said.cnpj, said.zone)
    return await once(request, caller, actions.create, item, _answer(StoreShown))


@router.get("/stores", responses=refuses("not_found"))
async def list_stores(
    request: Request,
    partner_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("partners:read"),
) -> Page[StoreShown]:
    """List the stores of a partner, oldest first."""
    await visible_partner(request, caller, partner_id)
    place, owner = Place(request, caller), (caller.programme_id, partner_id)
    query = partial(queries.stores, owner=owner, after_id=place.after(cursor), limit=limit + 1)
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["store_id"], StoreShown.model_validate)


@router.post("/merchants", status_code=201, response_model=MerchantShown, responses=refuses_once("not_found"))
async def name_merchant(
    request: Request, partner_id: Id, said: MerchantSaid, caller: Principal = requires("partners:write")
) -> Response:
    """Say which store a vendor's establishment is. What was received before keeps its store."""
    _seen(caller, partner_id)
    item = MerchantName(caller, partner_id, said.merchant_ref, said.store_id)
    return await once(request, caller, actions.name_merchant, item, _answer(MerchantShown))


@router.get("/merchants", responses=refuses("not_found"))
async def list_merchants(
    request: Request,
    partner_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("partners:read"),
) -> Page[MerchantShown]:
    """List the vendors' names of a partner's stores, by name."""
    await visible_partner(request, caller, partner_id)
    place, owner = Place(request, caller), (caller.programme_id, partner_id)
    query = partial(queries.merchants, owner=owner, after_ref=place.after(cursor), limit=limit + 1)
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["merchant_ref"], MerchantShown.model_validate)


@router.post(
    "/terminals",
    status_code=201,
    response_model=TerminalMade,
    responses=refuses_once("not_found", "conflict"),
)
async def enrol_terminal(
    request: Request, partner_id: Id, said: TerminalSaid, caller: Principal = requires("partners:write")
) -> Response:
    """Enrol a payment terminal; the answer holds the secret that signs its requests, once."""
    _seen(caller, partner_id)
    item = NewTerminal(caller, partner_id, said.store_id, said.installation_id, said.serial)
    return await once(request, caller, actions.enrol, item, _enrolled)


def _enrolled(made: EnrolledTerminal) -> Answer:
    return told(201, TerminalMade.model_validate({**made.row, "secret": made.secret}))


@router.get("/terminals", responses=refuses("not_found"))
async def list_terminals(
    request: Request,
    partner_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("partners:read"),
) -> Page[TerminalShown]:
    """List the terminals of a partner, oldest first."""
    await visible_partner(request, caller, partner_id)
    place, owner = Place(request, caller), (caller.programme_id, partner_id)
    query = partial(queries.terminals, owner=owner, after_id=place.after(cursor), limit=limit + 1)
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["terminal_id"], TerminalShown.model_validate)


@router.patch("/terminals/{terminal_id}", responses=refuses("not_found"))
async def change_terminal(
    request: Request,
    partner_id: Id,
    terminal_id: Id,
    said: ActivitySaid,
    caller: Principal = requires("partners:write"),
) -> TerminalShown:
    """Revoke one terminal, or let it back in."""
    _seen(caller, partner_id)
    item = Activity(caller, partner_id, terminal_id, said.active)
    return TerminalShown.model_validate(await hub(request).submit(actions.set_terminal, item))


@router.post(
    "/operators",
    status_code=201,
    response_model=OperatorShown,
    responses=refuses_once("not_found", "conflict"),
)
async def add_operator(
    request: Request, partner_id: Id, said: OperatorSaid, caller: Principal = requires("partners:write")
) -> Response:
    """Add someone who works at a till."""
    _seen(caller, partner_id)
    item = NewOperator(caller, partner_id, said.store_id, said.name, said.operator_ref)
    answer = _answer(OperatorShown)
    return await once(
        request, caller, actions.add_operator, item, lambda row: answer({**row, "name": said.name})
    )


@router.get("/operators", responses=refuses("not_found"))
async def list_operators(
    request: Request,
    partner_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("partners:read"),
) -> Page[OperatorShown]:
    """List the operators of a partner, oldest first."""
    await visible_partner(request, caller, partner_id)
    place, owner = Place(request, caller), (caller.programme_id, partner_id)
    after, vault = place.after(cursor), hub(request).context.vault
    rows = await hub(request).read(
        lambda conn: queries.operators(
            conn, stored_keys(vault, conn, caller.programme_id), owner, after, limit + 1
        )
    )
    return place.page(rows, limit, lambda row: row["operator_id"], OperatorShown.model_validate)


@router.patch("/operators/{operator_id}", responses=refuses("not_found"))
async def change_operator(
    request: Request,
    partner_id: Id,
    operator_id: Id,
    said: ActivitySaid,
    caller: Principal = requires("partners:write"),
) -> OperatorShown:
    """Let an operator launch sales, or not."""
    _seen(caller, partner_id)
    item = Activity(caller, partner_id, operator_id, said.active)
    row = await hub(request).submit(actions.set_operator, item)
    vault = hub(request).context.vault
    shown = await hub(request).read(
        lambda conn: queries.operator_of(stored_keys(vault, conn, caller.programme_id), row)
    )
    return OperatorShown.model_validate(shown)


def _answer(model: type[Shown]) -> Callable[[Any], Answer]:
    return lambda row: told(201, model.model_validate(row))
