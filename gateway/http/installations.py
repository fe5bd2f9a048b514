"""/v1/installations and /v1/deliveries: which connectors a partner uses, and what waits for a person.

No answer ever holds a setting of a connector: they are secrets, and go in only.
"""

import json
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from contracts.connector import Account, AnyConnector
from contracts.errors import Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.facts import Trust
from gateway.access import Principal
from gateway.asking import run
from gateway.catalogue import UnknownConnector
from gateway.http.answers import etag, expected_version, once, refuses, refuses_once, told
from gateway.http.cursors import Cursor, Limit, Page, Place
from gateway.http.guard import hub, requires
from gateway.http.partners import visible_partner
from gateway.http.schemas import Id, Instant, Name, Said, Shown
from gateway.http.sign_in import VALID, redirect_uri, state_of
from gateway.hub import Hub
from gateway.idempotency import Answer
from gateway.installations import actions, queries
from gateway.installations.actions import NewInstallation, StateChange
from gateway.installations.queries import Installed
from gateway.polls import actions as polls
from gateway.polls.actions import Backfill
from gateway.polls.queries import polls_of
from gateway.problems import FieldError, Problem, field_errors
from gateway.store import Connection
from gateway.store import tables as t
from gateway.stores.queries import owned

router = APIRouter(prefix="/v1", tags=["installations"])

State = Literal["active", "paused", "needs_attention"]


class InstallationSaid(Said):
    """A partner's use of a connector. To raise `trust` or grant `covers`, a key needs programme:admin."""

    connector: Annotated[str, Field(max_length=32, examples=["stone"])]
    partner_id: Id
    store_id: Id | None = None
    name: Name
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    trust: Trust | None = None
    covers: bool = False


class InstallationMade(Shown):
    """An installation, and the addresses that the vendor must be given; one of them for live questions."""

    installation_id: str
    delivery_url: str
    checkout_url: str | None = None


class InstallationShown(Shown):
    """An installation without its settings."""

    installation_id: str
    partner_id: str
    store_id: str | None
    connector: str
    name: str
    account_ref: str
    trust: Trust
    covers: bool
    state: State
    created_at: datetime
    version: int


class InstallationPatch(Said):
    """Paused: deliveries are refused until it is active again."""

    state: Literal["active", "paused"]


class SignInBegun(Shown):
    """Where the merchant grants access, and until when."""

    authorize_url: str
    expires_at: datetime


class BackfillSaid(Said):
    """From when until when a store is asked again."""

    from_at: Instant
    until_at: Instant

    @model_validator(mode="after")
    def _in_order(self) -> "BackfillSaid":
        if self.until_at <= self.from_at:
            raise PydanticCustomError("order", "until_at is after from_at")
        return self


class PollShown(Shown):
    """Where a store is asked next. `due_at` null: a back-fill that has ended; `read_at`: nothing was left then."""

    poll_id: str
    installation_id: str
    until_at: datetime | None
    due_at: datetime | None
    attempts: int
    reason: str | None
    read_at: datetime | None
    facts: int


class PollsShown(Shown):
    """All polls of an installation, the live one first."""

    data: list[PollShown]


class DeliveryShown(Shown):
    """A delivery that waits or is parked, without its bytes."""

    delivery_id: str
    installation_id: str
    received_at: datetime
    state: str
    reason: str | None
    attempts: int
    due_at: datetime | None


class DeliveryRetried(Shown):
    """A delivery that will be tried again at once."""

    delivery_id: str
    state: str


@router.post(
    "/installations",
    status_code=201,
    response_model=InstallationMade,
    responses=refuses_once("not_found", "conflict"),
)
async def install_connector(
    request: Request, said: InstallationSaid, caller: Principal = requires("installations:admin")
) -> Response:
    """Install a connector for a partner, once its credentials have proved which account they open."""
    await visible_partner(request, caller, said.partner_id)
    await _visible_store(request, caller, said)
    connector = _connector(hub(request), said.connector)
    config = _config(connector, said.config)
    item = NewInstallation(
        programme_id=caller.programme_id,
        partner_id=said.partner_id,
        store_id=said.store_id,
        connector=connector.slug,
        name=said.name,
        config=json.dumps(said.config).encode(),
        account_ref=await _account(hub(request), connector, config, said),
        trust=_trust(caller, connector, said),
        covers=said.covers,
        state="active" if connector.sign_in is None else "needs_attention",
    )
    address = str(request.base_url)

    def made(installation_id: str) -> Answer:
        return told(
            201,
            InstallationMade(
                installation_id=installation_id,
                delivery_url=f"{address}in/{installation_id}",
                checkout_url=f"{address}checkout/{installation_id}" if connector.checkout else None,
            ),
        )

    return await once(request, caller, actions.install, item, made)


async def _visible_store(request: Request, caller: Principal, said: InstallationSaid) -> None:
    def find(conn: Connection) -> bool:
        owner = (caller.programme_id, said.partner_id)
        return said.store_id is None or bool(owned(conn, t.store, t.store.c.store_id, owner, said.store_id))

    if not await hub(request).read(find):
        raise Problem("not_found")


def _connector(hub: Hub, slug: str) -> AnyConnector:
    try:
        return hub.context.catalogue.get(slug)
    except UnknownConnector:
        raise Problem("invalid", errors=[FieldError("#/connector", "Conector desconhecido.")]) from None


def _config(connector: AnyConnector, said: dict[str, Any]) -> Any:
    try:
        return connector.config.model_validate_json(json.dumps(said))
    except ValidationError as error:
        faults = [{**fault, "loc": ("config", *fault["loc"])} for fault in error.errors()]
        raise Problem("invalid", errors=field_errors(faults)) from None


def _trust(caller: Principal, connector: AnyConnector, said: InstallationSaid) -> Trust:
    """Return the trust granted: by default the first that the connector lists; more needs programme:admin."""
    default = cast("Trust", connector.trusts[0])
    if (said.covers or said.trust not in (None, default)) and not caller.may("programme:admin"):
        raise Problem("forbidden")
    if said.trust is not None and said.trust not in connector.trusts:
        raise Problem(
            "invalid", errors=[FieldError("#/trust", "Esta integração não pode ter esta confiança.")]
        )
    return said.trust or default


async def _account(hub: Hub, connector: AnyConnector, config: Any, said: InstallationSaid) -> str:
    """Return the vendor account that the credentials open; without a `check`, partner and name stand for it."""
    if connector.check is None or connector.sign_in is not None:
        # Where a merchant signs in, nobody has yet.
        return f"{said.partner_id}/{said.name}"
    try:
        account: Account = await run(hub, connector, config, connector.check)
    except RetryLater as later:
        raise Problem.busy(later.after_seconds) from None
    except (SignInAgain, VendorRefused, Malformed):
        detail = "O fornecedor não aceitou estas credenciais."
        raise Problem("invalid", errors=[FieldError("#/config", detail)]) from None
    return account.ref


@router.get("/installations", responses=refuses())
async def list_installations(
    request: Request,
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("installations:admin"),
) -> Page[InstallationShown]:
    """List installations, oldest first."""
    place = Place(request, caller)
    query = partial(
        queries.installations,
        programme_id=caller.programme_id,
        partner_id=caller.partner_id,
        after_id=place.after(cursor),
        limit=limit + 1,
    )
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["installation_id"], InstallationShown.model_validate)


@router.get("/installations/{installation_id}", responses=refuses("not_found"))
async def get_installation(
    request: Request,
    response: Response,
    installation_id: Id,
    caller: Principal = requires("installations:admin"),
) -> InstallationShown:
    """Show one installation."""
    query = partial(
        queries.installation,
        programme_id=caller.programme_id,
        partner_id=caller.partner_id,
        installation_id=installation_id,
    )
    row = await hub(request).read(query)
    if row is None:
        raise Problem("not_found")
    response.headers["etag"] = etag(row["version"])
    return InstallationShown.model_validate(row)


@router.patch(
    "/installations/{installation_id}",
    responses=refuses("not_found", "precondition_failed", "precondition_required"),
)
async def change_installation(
    request: Request,
    response: Response,
    installation_id: Id,
    said: InstallationPatch,
    caller: Principal = requires("installations:admin"),
) -> InstallationShown:
    """Pause an installation, or let it go on."""
    item = StateChange(caller, installation_id, expected_version(request), said.state)
    row = await hub(request).submit(actions.change_state, item)
    response.headers["etag"] = etag(row["version"])
    return InstallationShown.model_validate(row)


@router.post("/installations/{installation_id}/sign-in", responses=refuses("not_found"))
async def begin_sign_in(
    request: Request, installation_id: Id, caller: Principal = requires("installations:admin")
) -> SignInBegun:
    """Begin an OAuth sign-in: the merchant opens `authorize_url` within half an hour and comes back here."""
    installed = await _own(request, caller, installation_id)
    sign_in = installed.connector.sign_in
    if sign_in is None:
        raise Problem("not_found")
    now, vault = hub(request).context.clock(), hub(request).context.vault
    state, back = state_of(vault, installation_id, now), redirect_uri(str(request.base_url))
    return SignInBegun(authorize_url=sign_in.authorize(state, back, installed.config), expires_at=now + VALID)


@router.get("/installations/{installation_id}/polls", responses=refuses("not_found"))
async def list_polls(
    request: Request, installation_id: Id, caller: Principal = requires("installations:admin")
) -> PollsShown:
    """Show where an installation's store was last asked what changed, its back-fills too."""
    await _own(request, caller, installation_id)
    query = partial(polls_of, programme_id=caller.programme_id, installation_id=installation_id)
    return PollsShown(data=[PollShown.model_validate(row) for row in await hub(request).read(query)])


@router.post(
    "/installations/{installation_id}/backfills",
    status_code=201,
    response_model=PollShown,
    responses=refuses_once("not_found"),
)
async def begin_backfill(
    request: Request,
    installation_id: Id,
    said: BackfillSaid,
    caller: Principal = requires("installations:admin"),
) -> Response:
    """Ask a store again what changed from `from_at` until `until_at`; what is known already stays as it is."""
    installed = await _own(request, caller, installation_id)
    if installed.connector.poll is None:
        raise Problem("not_found")
    cursor = installed.connector.poll.start(said.from_at)
    item = Backfill(caller.programme_id, installation_id, cursor, said.until_at)
    return await once(request, caller, polls.backfill, item, _begun)


def _begun(row: Any) -> Answer:
    return told(201, PollShown.model_validate(row))


async def _own(request: Request, caller: Principal, installation_id: str) -> Installed:
    """Return an installation that the caller may manage."""
    installed = await hub(request).installed(installation_id)
    if installed is None or installed.programme_id != caller.programme_id:
        raise Problem("not_found")
    if not caller.sees(installed.partner_id):
        raise Problem("not_found")
    return installed


@router.get("/deliveries", responses=refuses())
async def list_deliveries(
    request: Request,
    state: Annotated[Literal["parked", "waiting"], Query()] = "parked",
    limit: Limit = 50,
    cursor: Cursor = None,
    caller: Principal = requires("installations:admin"),
) -> Page[DeliveryShown]:
    """List deliveries that are parked or wait, newest first."""
    place = Place(request, caller, (state,))
    query = partial(
        queries.deliveries,
        programme_id=caller.programme_id,
        state=state,
        partner_id=caller.partner_id,
        before_id=place.after(cursor),
        limit=limit + 1,
    )
    rows = await hub(request).read(query)
    return place.page(rows, limit, lambda row: row["delivery_id"], DeliveryShown.model_validate)


@router.post("/deliveries/{delivery_id}/retry", responses=refuses("not_found"))
async def retry_delivery(
    request: Request, delivery_id: Id, caller: Principal = requires("installations:admin")
) -> DeliveryRetried:
    """Try a parked delivery again at once."""
    if not await hub(request).submit(actions.retry, (caller.programme_id, caller.partner_id, delivery_id)):
        raise Problem("not_found")
    return DeliveryRetried(delivery_id=delivery_id, state="waiting")
