"""/v1/partners: the companies of a programme, their rates and their packs."""

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import enrolment, versions
from gateway.access import Principal
from gateway.enrolment import PackBought
from gateway.http.answers import etag, expected_version, once, refuses, refuses_keyless, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.schemas import (
    COUNT_MAX,
    CnpjText,
    Id,
    Instant,
    Name,
    Said,
    Shown,
    Units,
    exactly_one,
)
from gateway.idempotency import Answer
from gateway.partners import actions, queries
from gateway.partners.actions import MICRO_OF_BPS, NewPartner, NewRate, PartnerChange
from gateway.problems import Problem
from loyalty.programme import MICRO, Funding, Unit

router = APIRouter(prefix="/v1/partners", tags=["partners"])

RATE_MAX_MICRO = COUNT_MAX


class PartnerSaid(Said):
    """A company that joins. `funding` `prepaid`: what it credits is paid from packs bought in advance."""

    name: Name
    cnpj: CnpjText | None = None
    funding: Funding = "issuance"


class PartnerPatch(Said):
    """New values for a partner."""

    name: Name | None = None
    cnpj: CnpjText | None = None

    @model_validator(mode="after")
    def _named(self) -> "PartnerPatch":
        if "name" in self.model_fields_set and self.name is None:
            raise PydanticCustomError("null", "may not be null")
        return self


class PartnerShown(Shown):
    """A partner; `pack_units` is what is left of its pack."""

    partner_id: str
    name: str
    cnpj: str | None
    funding: Funding
    pack_units: int
    created_at: datetime
    version: int


class RateSaid(Said):
    """A conversion rate, in exactly one of three writings; it holds from `valid_from` (default: now)."""

    model_config = exactly_one(("points_per_real", "cashback_bps", "rate_micro"))

    points_per_real: Annotated[
        str | None, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,6})?$", examples=["1.5"])
    ] = None
    cashback_bps: Annotated[int | None, Field(ge=1, le=10_000, description="500 is 5 %.")] = None
    rate_micro: Annotated[int | None, Field(ge=1, le=RATE_MAX_MICRO)] = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None

    @model_validator(mode="after")
    def _one(self) -> "RateSaid":
        if (
            sum(value is not None for value in (self.points_per_real, self.cashback_bps, self.rate_micro))
            != 1
        ):
            raise PydanticCustomError("one_rate", "give one rate")
        if self.micro < 1:
            raise PydanticCustomError("no_rate", "a rate is above zero")
        return self

    @property
    def micro(self) -> int:
        """Units per real in millionths."""
        if self.points_per_real is not None:
            return int(Decimal(self.points_per_real) * MICRO)
        if self.cashback_bps is not None:
            return self.cashback_bps * MICRO_OF_BPS
        return self.rate_micro or 0

    @property
    def said_in(self) -> Unit | None:
        """The unit of the writing, if it has one."""
        if self.points_per_real is not None:
            return "points"
        return "cashback" if self.cashback_bps is not None else None


class RateShown(Shown):
    """A rate as recorded: units per R$ 1.00 in millionths (units are points or centavos)."""

    rate_micro: int
    valid_from: datetime
    valid_until: datetime | None
    recorded_at: datetime


class PackSaid(Said):
    """Units bought in advance."""

    units: Units


@router.post("", status_code=201, response_model=PartnerShown, responses=refuses_once())
async def create_partner(
    request: Request, said: PartnerSaid, caller: Principal = requires("partners:write")
) -> Response:
    """Create a partner. A key that is bound to one partner may not (403)."""
    if caller.partner_id is not None:
        raise Problem("forbidden")
    item = NewPartner(caller, said.name, said.cnpj, said.funding)
    return await once(request, caller, actions.create, item, _made)


def _made(row: Any) -> Answer:
    return told(201, PartnerShown.model_validate(row))


@router.get("", responses=refuses())
async def list_partners(
    request: Request, limit: Limit = 50, cursor: Cursor = None, caller: Principal = requires("partners:read")
) -> Page[PartnerShown]:
    """List partners, oldest first."""
    place = Place(request, caller)
    query = partial(
        queries.partners,
        programme_id=caller.programme_id,
        only=caller.partner_id,
        after_id=place.after(cursor),
        limit=limit + 1,
    )
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["partner_id"], PartnerShown.model_validate)


@router.get("/{partner_id}", responses=refuses("not_found"))
async def get_partner(
    request: Request, response: Response, partner_id: Id, caller: Principal = requires("partners:read")
) -> PartnerShown:
    """Show one partner."""
    row = await visible_partner(request, caller, partner_id)
    response.headers["etag"] = etag(row["version"])
    return PartnerShown.model_validate(row)


async def visible_partner(request: Request, caller: Principal, partner_id: str) -> queries.Row:
    """Return a partner that the caller sees, or refuse with 404."""
    query = partial(queries.partner, programme_id=caller.programme_id, partner_id=partner_id)
    row = await hub(request).read(query) if caller.sees(partner_id) else None
    if row is None:
        raise Problem("not_found")
    return row


@router.patch("/{partner_id}", responses=refuses("not_found", "precondition_failed", "precondition_required"))
async def change_partner(
    request: Request,
    response: Response,
    partner_id: Id,
    said: PartnerPatch,
    caller: Principal = requires("partners:write"),
) -> PartnerShown:
    """Change a partner's name or CNPJ."""
    if not caller.sees(partner_id):
        raise Problem("not_found")
    version = expected_version(request)
    item = PartnerChange(caller, partner_id, version, said.model_dump(exclude_unset=True))
    row = await hub(request).submit(actions.change, item)
    response.headers["etag"] = etag(row["version"])
    return PartnerShown.model_validate(row)


@router.post(
    "/{partner_id}/rates", status_code=201, response_model=RateShown, responses=refuses_once("not_found")
)
async def add_rate(
    request: Request, partner_id: Id, said: RateSaid, caller: Principal = requires("partners:write")
) -> Response:
    """Add a conversion rate, never from the past (422 `rate_backdated`): sales keep what they earned.

    Only the first rate of a partner without any sale may.
    """
    if not caller.sees(partner_id):
        raise Problem("not_found")
    item = NewRate(caller, partner_id, said.micro, said.said_in, said.valid_from, said.valid_until)
    return await once(request, caller, versions.add_rate, item, _rate_made)


def _rate_made(row: Any) -> Answer:
    return told(201, RateShown.model_validate(row))


@router.get("/{partner_id}/rates", responses=refuses("not_found"))
async def list_rates(
    request: Request,
    partner_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("partners:read"),
) -> Page[RateShown]:
    """List the rates of a partner in the order they were recorded."""
    await visible_partner(request, caller, partner_id)
    place = Place(request, caller)
    seen = place.seen(cursor)
    query = partial(
        queries.rates,
        programme_id=caller.programme_id,
        partner_id=partner_id,
        seen=seen,
        limit=limit + 1,
    )
    return place.history(await hub(request).read(query), limit, seen, RateShown.model_validate)


@router.post(
    "/{partner_id}/packs",
    status_code=201,
    response_model=PartnerShown,
    responses=refuses_keyless("not_found", "conflict"),
)
async def buy_pack(
    request: Request, partner_id: Id, said: PackSaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Fill a partner's pack; credits that waited for it are released, oldest sale first."""
    item = PackBought(caller, partner_id, said.units)
    return await once(request, caller, enrolment.buy_pack, item, _made, required=True)
