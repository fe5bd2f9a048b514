"""/v1/programmes, /v1/programme, /v1/categories, /v1/campaigns: what is fixed, and what may change."""

from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import versions
from gateway.access import Principal
from gateway.http.answers import accepted, etag, expected_version, once, refuses, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.schemas import Days, Id, Instant, MultiplierMilli, Name, PartCents, Said, Shown, Units
from gateway.idempotency import Answer
from gateway.programmes import actions, queries
from gateway.programmes.actions import MadeProgramme, NewCampaign, NewCategory, NewProgramme, ProgrammeChange
from loyalty.programme import Activation, Mode, Shortfall, Unit

router = APIRouter(prefix="/v1", tags=["programmes"])


_zones = cache(available_timezones)  # it walks the zone files: 10 ms each time


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise PydanticCustomError("zone", "unknown zone")
    return ZoneInfo(name).key


Zone = Annotated[
    str,
    Field(max_length=64, examples=["America/Sao_Paulo"], json_schema_extra={"format": "time-zone"}),
    AfterValidator(_known_zone),
]


class Policy(Said):
    """Windows and limits; a field that is absent keeps its value.

    What changes in an active programme holds for what is sold from then on, `daily_award_units` for the days
    that begin then.
    """

    late_match_days: Annotated[int, Field(ge=0, le=3650)] = 30
    activation: Activation = "at_once"
    activation_days: Annotated[int, Field(ge=0, le=3650)] = 0
    unconfirmed_days: Annotated[int, Field(ge=0, le=3650)] = 2
    shortfall: Shortfall = "debt"
    min_sale_cents: PartCents = 0
    max_base_cents: PartCents | None = None
    max_award_units: Units | None = None
    daily_award_units: Units | None = None


class ProgrammeSaid(Policy):
    """A programme to be drafted."""

    name: Name
    unit: Unit
    mode: Mode
    zone: Zone = "America/Sao_Paulo"


class ProgrammePatch(Policy):
    """New values; `unit` and `mode` only before activation."""

    name: Annotated[Name | None, Field()] = None
    unit: Unit | None = None
    mode: Mode | None = None

    @model_validator(mode="after")
    def _no_nulls(self) -> "ProgrammePatch":
        if any(getattr(self, name) is None for name in {"name", "unit", "mode"} & self.model_fields_set):
            raise PydanticCustomError("null", "may not be null")
        return self


class ProgrammeShown(Shown):
    """A programme and its policy."""

    programme_id: str
    name: str
    unit: Unit
    mode: Mode
    zone: str
    active: bool
    late_match_days: int
    activation: Activation
    activation_days: int
    unconfirmed_days: int
    shortfall: Shortfall
    min_sale_cents: int
    max_base_cents: int | None
    max_award_units: int | None
    daily_award_units: int | None
    created_at: datetime
    version: int


class AdminKeyShown(Shown):
    """The first key of a programme: shown once."""

    key_id: str
    key: str


class ProgrammeMade(Shown):
    """A drafted programme, and the key that may change it."""

    programme: ProgrammeShown
    admin_key: AdminKeyShown


class CategorySaid(Said):
    """A category of members, or a further version of one."""

    name: Name
    multiplier_milli: MultiplierMilli = 1000
    valid_days: Days | None = None
    valid_from: Instant | None = None


class CategoryShown(Shown):
    """One version of a category."""

    category_id: str
    name: str
    multiplier_milli: int
    valid_days: int | None
    valid_from: datetime
    recorded_at: datetime


class CampaignSaid(Said):
    """A multiplier for a time: `[starts_at, ends_at)`."""

    name: Name
    partner_id: Id | None = None
    multiplier_milli: MultiplierMilli
    starts_at: Instant
    ends_at: Instant
    min_sale_cents: PartCents = 0
    max_extra_units: Units | None = None

    @model_validator(mode="after")
    def _ends_later(self) -> "CampaignSaid":
        if self.ends_at <= self.starts_at:
            raise PydanticCustomError("empty_interval", "must end after it starts")
        return self


class CampaignShown(Shown):
    """A campaign as recorded."""

    campaign_id: str
    partner_id: str | None
    name: str
    multiplier_milli: int
    starts_at: datetime
    ends_at: datetime
    min_sale_cents: int
    max_extra_units: int | None
    recorded_at: datetime


def programme_shown(row: Any) -> ProgrammeShown:
    """Return a programme as the API shows it."""
    policy = {name: getattr(row["policy"], name) for name in actions.POLICY}
    fixed = {name: row[name] for name in ("programme_id", "name", "unit", "mode", "zone", "active")}
    return ProgrammeShown(**fixed, **policy, created_at=row["created_at"], version=row["version"])


def _made(made: MadeProgramme) -> Answer:
    key = AdminKeyShown(key_id=made.admin_key.key_id, key=made.admin_key.text)
    return told(201, ProgrammeMade(programme=programme_shown(made.row), admin_key=key))


@router.post(
    "/programmes",
    status_code=201,
    response_model=ProgrammeMade,
    responses=refuses_once(),
)
async def create_programme(
    request: Request, said: ProgrammeSaid, caller: Principal = requires("hub:admin")
) -> Response:
    """Draft a programme and make its first key. Nothing earns before `activate_programme`."""
    policy = said.model_dump(include=set(actions.POLICY), exclude_unset=True)
    item = NewProgramme(caller, said.name, said.unit, said.mode, said.zone, policy)
    return await once(request, caller, actions.create, item, _made)


@router.get("/programmes", responses=refuses())
async def list_programmes(
    request: Request, limit: Limit = 50, cursor: Cursor = None, caller: Principal = requires("hub:admin")
) -> Page[ProgrammeShown]:
    """List the programmes of this hub, oldest first."""
    place = Place(request, caller)
    after = place.after(cursor)
    rows = await hub(request).read(partial(queries.programmes, after_id=after, limit=limit + 1))
    return place.page(rows, limit, lambda row: row["programme_id"], programme_shown)


@router.get("/programme", responses=refuses())
async def get_programme(
    request: Request, response: Response, caller: Principal = requires("partners:read")
) -> ProgrammeShown:
    """Show the programme that this key belongs to."""
    row = await hub(request).read(partial(queries.programme_row, programme_id=caller.programme_id))
    response.headers["etag"] = etag(row["version"])
    return programme_shown(row)


@router.patch(
    "/programme",
    responses=refuses("conflict", "precondition_failed", "precondition_required"),
)
async def change_programme(
    request: Request,
    response: Response,
    said: ProgrammePatch,
    caller: Principal = requires("programme:admin"),
) -> ProgrammeShown:
    """Change name or policy; unit and mode only before activation (409 `programme_mode_fixed`)."""
    item = ProgrammeChange(caller, expected_version(request), said.model_dump(exclude_unset=True))
    outcome: Any = await hub(request).submit(versions.change_programme, item)
    row = accepted(outcome)
    response.headers["etag"] = etag(row["version"])
    return programme_shown(row)


@router.post("/programme/activate", responses=refuses())
async def activate_programme(
    request: Request, response: Response, caller: Principal = requires("programme:admin")
) -> ProgrammeShown:
    """Let sales earn, those too that were told while it was a draft. Unit and mode are fixed for ever."""
    row = await hub(request).submit(versions.activate, caller)
    response.headers["etag"] = etag(row["version"])
    return programme_shown(row)


@router.post("/categories", status_code=201, response_model=CategoryShown, responses=refuses_once())
async def create_category(
    request: Request, said: CategorySaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Create a category of members: its multiplier, and how long what they earn is valid."""
    return await once(request, caller, versions.set_category, _category(caller, None, said), _category_made)


@router.post(
    "/categories/{category_id}/versions",
    status_code=201,
    response_model=CategoryShown,
    responses=refuses_once("not_found"),
)
async def add_category_version(
    request: Request, category_id: Id, said: CategorySaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Add a version of a category, valid from now on or later; sales before keep the version of their time."""
    item = _category(caller, category_id, said)
    return await once(request, caller, versions.set_category, item, _category_made)


def _category(caller: Principal, category_id: str | None, said: CategorySaid) -> NewCategory:
    return NewCategory(
        caller, category_id, said.name, said.multiplier_milli, said.valid_days, said.valid_from
    )


def _category_made(row: Any) -> Answer:
    return told(201, CategoryShown.model_validate(row))


@router.get("/categories", responses=refuses())
async def list_categories(
    request: Request, limit: Limit = 50, cursor: Cursor = None, caller: Principal = requires("partners:read")
) -> Page[CategoryShown]:
    """List the versions of all categories in the order they were recorded."""
    place = Place(request, caller)
    seen = place.seen(cursor)
    query = partial(queries.categories, programme_id=caller.programme_id, seen=seen, limit=limit + 1)
    return place.history(await hub(request).read(query), limit, seen, CategoryShown.model_validate)


@router.post("/campaigns", status_code=201, response_model=CampaignShown, responses=refuses_once("not_found"))
async def create_campaign(
    request: Request, said: CampaignSaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Add a campaign that begins now or later. Of several open at once the best multiplier applies."""
    item = NewCampaign(by=caller, **{name: getattr(said, name) for name in CampaignSaid.model_fields})
    return await once(request, caller, versions.add_campaign, item, _campaign_made)


def _campaign_made(row: Any) -> Answer:
    return told(201, CampaignShown.model_validate(row))


@router.get("/campaigns", responses=refuses())
async def list_campaigns(
    request: Request, limit: Limit = 50, cursor: Cursor = None, caller: Principal = requires("partners:read")
) -> Page[CampaignShown]:
    """List campaigns, oldest first."""
    place = Place(request, caller)
    after = place.after(cursor)
    query = partial(queries.campaigns, programme_id=caller.programme_id, after_id=after, limit=limit + 1)
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["campaign_id"], CampaignShown.model_validate)
