"""/v1/coupons: vouchers as stores show them, and what they could not be told."""

from datetime import datetime
from functools import partial
from typing import Literal, TypeAlias

from fastapi import APIRouter, Request

from gateway.access import Principal
from gateway.coupons import queries
from gateway.http.answers import refuses
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.schemas import Shown

router = APIRouter(prefix="/v1/coupons", tags=["vouchers"])

CouponState: TypeAlias = Literal["absent", "published", "revoked", "unknown", "stale", "refused"]


class CouponShown(Shown):
    """A voucher in one store: what the hub wants there, what the store is known to have, and what failed."""

    voucher_id: str
    installation_id: str
    wanted: Literal["published", "revoked"]
    state: CouponState
    amount_cents: int | None
    reason: str | None
    attempts: int
    due_at: datetime | None
    changed_at: datetime | None


@router.get("", responses=refuses("invalid"))
async def list_coupons(
    request: Request,
    state: CouponState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("vouchers:read"),
) -> Page[CouponShown]:
    """List coupons, those in one `state` if given; `refused` ones wait for a person."""
    place = Place(request, caller, (state,))
    query = partial(
        queries.coupons,
        programme_id=caller.programme_id,
        partner_id=caller.partner_id,
        state=state,
        after=place.after(cursor),
        limit=limit + 1,
    )
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["at"], CouponShown.model_validate)
