"""/v1/keys: API keys that programs call with; a key grants no more than it holds itself."""

import json
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from gateway.access import Principal, Scope
from gateway.http.answers import once, refuses, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.schemas import Id, Instant, Name, Said, Shown
from gateway.idempotency import Answer
from gateway.keys import actions, queries
from gateway.keys.actions import MadeKey, NewKey, Revocation
from gateway.partners.queries import partner
from gateway.problems import FieldError, Problem

router = APIRouter(prefix="/v1/keys", tags=["keys"])


class KeySaid(Said):
    """A key to be made; `partner_id` binds it to one partner."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=32)]
    partner_id: Id | None = None
    expires_at: Instant | None = None

    @field_validator("scopes")
    @classmethod
    def _each_once(cls, scopes: list[Scope]) -> list[Scope]:
        if len(set(scopes)) != len(scopes):
            raise PydanticCustomError("repeated", "each scope once")
        return scopes


class KeyMade(Shown):
    """A made key: `key` is shown this once."""

    key_id: str
    key: str
    created_at: datetime


class KeyShown(Shown):
    """A key without its secret."""

    key_id: str
    name: str
    scopes: list[Scope]
    partner_id: str | None
    active: bool
    created_at: datetime
    expires_at: datetime | None


class KeyRevoked(Shown):
    """A key that counts no more."""

    key_id: str
    active: bool


@router.post("", status_code=201, response_model=KeyMade, responses=refuses_once("not_found"))
async def create_key(request: Request, said: KeySaid, caller: Principal = requires("keys:admin")) -> Response:
    """Make a key with scopes that the caller holds (else 403), for its own partner or one that it sees."""
    scopes = frozenset(said.scopes)
    partner_id = caller.partner_id if said.partner_id is None else said.partner_id
    if partner_id is not None:
        query = partial(partner, programme_id=caller.programme_id, partner_id=partner_id)
        if not caller.sees(partner_id) or await hub(request).read(query) is None:
            raise Problem("not_found")
    if not scopes <= caller.scopes:
        raise Problem("forbidden")
    if said.expires_at is not None and said.expires_at <= hub(request).context.clock():
        raise Problem("invalid", errors=[FieldError("#/expires_at", "Deve estar no futuro.")])
    item = NewKey(caller, caller.programme_id, said.name, scopes, partner_id, said.expires_at)
    return await once(request, caller, actions.create, item, _made)


def _made(made: MadeKey) -> Answer:
    return told(201, KeyMade(key_id=made.key_id, key=made.text, created_at=made.created_at))


@router.get("", responses=refuses())
async def list_keys(
    request: Request, limit: Limit = 50, cursor: Cursor = None, caller: Principal = requires("keys:admin")
) -> Page[KeyShown]:
    """List keys without their secrets, newest first."""
    place = Place(request, caller)
    query = partial(
        queries.keys,
        programme_id=caller.programme_id,
        partner_id=caller.partner_id,
        before_id=place.after(cursor),
        limit=limit + 1,
    )
    return place.page(await hub(request).read(query), limit, lambda row: row["key_id"], _shown)


def _shown(row: Any) -> KeyShown:
    return KeyShown.model_validate({**row, "scopes": json.loads(row["scopes"])})


@router.post("/{key_id}/revoke", responses=refuses("not_found"))
async def revoke_key(request: Request, key_id: Id, caller: Principal = requires("keys:admin")) -> KeyRevoked:
    """End a key at once and for ever."""
    await hub(request).submit(actions.revoke, Revocation(caller, key_id))
    return KeyRevoked(key_id=key_id, active=False)
