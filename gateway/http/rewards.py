"""/v1/rewards: what a programme's members may redeem."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.access import Principal
from gateway.http.answers import etag, expected_version, once, refuses, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.schemas import (
    COUNT_MAX,
    AmountCents,
    Days,
    Id,
    Instant,
    Name,
    PartCents,
    Said,
    Shown,
    Units,
)
from gateway.idempotency import Answer
from gateway.rewards import actions, queries
from gateway.rewards.actions import NewReward, RewardChange
from loyalty.rewards import OnExpiry, Remainder, RewardKind

router = APIRouter(prefix="/v1/rewards", tags=["rewards"])

Count = Annotated[int, Field(ge=1, le=COUNT_MAX)]


class Terms(Said):
    """What may be said of a reward at any time; it counts for vouchers issued from then on.

    `honoured` false is the kill switch: no voucher of the reward is accepted any more, also none issued
    before.
    """

    cost_units: Annotated[Units | None, Field(description="Price; not for a cash-out.")] = None
    amount_cents: Annotated[AmountCents | None, Field(description="Worth; not for a cash-out.")] = None
    unit_millicents: Annotated[
        Count | None, Field(description="Worth of one unit cashed out, in thousandths of a centavo.")
    ] = None
    least_units: Units | None = None
    most_units: Units | None = None
    stock: Count | None = None
    per_member: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    valid_days: Days | None = None
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    minimum_cents: PartCents | None = None
    combinable: bool | None = None
    remainder: Remainder | None = None
    on_expiry: OnExpiry | None = None
    partner_id: Id | None = None
    auto_issue: bool | None = None
    active: bool | None = None
    honoured: bool | None = None

    def terms(self) -> dict[str, Any]:
        """Return what was said; a null stands for no limit where there may be none."""
        said = self.model_dump(include=set(queries.TERMS), exclude_unset=True)
        return {name: value for name, value in said.items() if value is not None or name in _MAY_BE_NULL}


_MAY_BE_NULL = frozenset(
    {"most_units", "stock", "per_member", "valid_days", "opens_at", "closes_at", "partner_id"}
)


class RewardSaid(Terms):
    """A reward to be offered. A `cashout` lets the member choose how many units."""

    name: Name
    kind: RewardKind


class RewardPatch(Terms):
    """New values for a reward; its kind stays."""

    name: Name | None = None

    @model_validator(mode="after")
    def _named(self) -> "RewardPatch":
        if "name" in self.model_fields_set and self.name is None:
            raise PydanticCustomError("null", "may not be null")
        return self


class RewardShown(Shown):
    """A reward; `issued` counts its vouchers that were not revoked."""

    reward_id: str
    name: str
    kind: RewardKind
    cost_units: int
    amount_cents: int
    unit_millicents: int
    least_units: int
    most_units: int | None
    stock: int | None
    per_member: int | None
    valid_days: int | None
    opens_at: datetime | None
    closes_at: datetime | None
    minimum_cents: int
    combinable: bool
    remainder: Remainder
    on_expiry: OnExpiry
    partner_id: str | None
    auto_issue: bool
    active: bool
    honoured: bool
    issued: int
    version: int


@router.post("", status_code=201, response_model=RewardShown, responses=refuses_once())
async def create_reward(
    request: Request, said: RewardSaid, caller: Principal = requires("programme:admin")
) -> Response:
    """Offer a reward; value is only ever taken from what a member earned."""
    item = NewReward(caller, said.name, said.kind, said.terms())
    return await once(request, caller, actions.create, item, _made)


def _made(row: Any) -> Answer:
    return told(201, RewardShown.model_validate(row))


@router.get("", responses=refuses())
async def list_rewards(
    request: Request, limit: Limit = 50, cursor: Cursor = None, caller: Principal = requires("vouchers:read")
) -> Page[RewardShown]:
    """List rewards, oldest first."""
    place = Place(request, caller)
    query = partial(
        queries.rewards, programme_id=caller.programme_id, after_id=place.after(cursor), limit=limit + 1
    )
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["reward_id"], RewardShown.model_validate)


@router.patch("/{reward_id}", responses=refuses("not_found", "precondition_failed", "precondition_required"))
async def change_reward(
    request: Request,
    response: Response,
    reward_id: Id,
    said: RewardPatch,
    caller: Principal = requires("programme:admin"),
) -> RewardShown:
    """Change a reward for vouchers issued from now on, or switch all of them off (`honoured`)."""
    values = said.terms() | ({"name": said.name} if said.name is not None else {})
    item = RewardChange(caller, reward_id, expected_version(request), values)
    row = await hub(request).submit(actions.change, item)
    response.headers["etag"] = etag(row["version"])
    return RewardShown.model_validate(row)
