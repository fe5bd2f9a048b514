"""A key proves itself, nothing else does; a route that asks for nothing is never served."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st

from gateway import access
from gateway.access import HUB_SCOPES, PROGRAMME_SCOPES, SCOPES, Credential, Principal
from gateway.http.api import build_api, routers
from gateway.http.guard import UnguardedRoute, check_scopes, requires, scopes_of
from gateway.http.openapi import LANES
from gateway.keys import actions as keys
from gateway.keys.actions import NewKey
from gateway.ports import system_entropy
from gateway.privacy import Vault
from gateway.problems import Problem
from gateway.store import tables as t
from tests.gateway.caller import code, found, open_caller
from tests.gateway.world import open_world

KEY_ID = "key_" + "0" * 26
NOW = datetime(2026, 3, 30, tzinfo=UTC)
VAULT = Vault(bytes(range(32)), system_entropy)
secrets = st.binary(min_size=32, max_size=32)


@given(secrets)
def test_a_key_text_is_read_back_as_its_id_and_secret(secret_bytes: bytes) -> None:
    text, secret = access.new_key(KEY_ID, secret_bytes)
    assert access.presented(text) == (KEY_ID, secret)
    assert text.startswith("ponte_")
    assert len(text) == len("ponte_") + 26 + 1 + 43 + 6


@given(secrets, st.data())
def test_one_wrong_symbol_is_told_apart_without_asking_the_database(
    secret_bytes: bytes, data: st.DataObject
) -> None:
    text, _ = access.new_key(KEY_ID, secret_bytes)
    place = data.draw(st.integers(len("ponte_"), len(text) - 1))
    other = data.draw(st.sampled_from("0aZ_é").filter(lambda symbol: symbol != text[place]))
    assert access.presented(text[:place] + other + text[place + 1 :]) is None


@pytest.mark.parametrize(
    "text", ["", "ponte", "ponte_", "ponte__", "ponte_a_b", "Basic x", "ponte_" + "x" * 500]
)
def test_what_is_no_key_is_no_key(text: str) -> None:
    assert access.presented(text) is None


def test_two_secrets_have_two_hashes_and_two_hubs_hash_differently() -> None:
    other = Vault(bytes(32), system_entropy)
    hashes = {access.secret_hash(VAULT, "a"), access.secret_hash(VAULT, "b"), access.secret_hash(other, "a")}
    assert len(hashes) == 3


def test_a_number_that_needs_more_digits_is_refused() -> None:
    assert access.base62(61, 1) == "z"
    with pytest.raises(ValueError, match="more digits"):
        access.base62(62, 1)


@pytest.mark.parametrize(
    ("active", "expires_at", "secret", "admitted"),
    [
        (True, None, "s", True),
        (True, NOW + timedelta(seconds=1), "s", True),
        (True, NOW, "s", False),
        (False, None, "s", False),
        (True, None, "t", False),
    ],
)
def test_a_key_counts_while_it_is_active_unexpired_and_right(
    *, active: bool, expires_at: datetime | None, secret: str, admitted: bool
) -> None:
    principal = Principal("prg_1", KEY_ID, frozenset({"sales:read"}))
    known = Credential(principal, access.secret_hash(VAULT, "s"), active, expires_at)
    assert known.admits(access.secret_hash(VAULT, secret), NOW) is admitted


def test_the_hash_of_a_key_stands_in_no_repr() -> None:
    known = Credential(Principal("prg_1", KEY_ID, frozenset()), b"keyed-hash", active=True, expires_at=None)
    assert "keyed-hash" not in repr(known)
    assert "ponte_x" not in repr(keys.MadeKey(KEY_ID, "ponte_x", NOW))


def test_a_route_without_a_scope_stops_the_start() -> None:
    router = APIRouter(prefix="/v1")

    @router.get("/open")
    def leaky() -> str:
        return "everything"

    @router.get("/guarded")
    def guarded(_caller: Principal = requires("sales:read")) -> str:  # noqa: B008 -- FastAPI's way
        return "something"

    app = FastAPI()
    app.include_router(router)
    with pytest.raises(UnguardedRoute, match=r"GET /v1/open$"):
        check_scopes(app)


def test_a_guarded_application_starts() -> None:
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    check_scopes(app)
    declared = [
        scopes_of(context) for context in iter_route_contexts(app.routes) if "/v1" in (context.path or "")
    ]
    assert len(declared) > 40
    assert {len(scopes) for scopes in declared} == {1}


def test_the_api_document_names_each_operation_after_its_function() -> None:
    document = build_api().openapi()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"launch_sale", "register_member", "cash_out", "create_key"} <= set(names)
    assert document["openapi"].startswith("3.1")
    lanes = {lane.name for lane in LANES}
    assert {name for name in names if name not in lanes} == {
        operation["operationId"] for operation in operations if "api_key" in str(operation["security"])
    }
    for operation in operations:
        if operation["operationId"] in lanes:
            continue
        [[scope]] = operation["security"][0].values()
        assert scope in SCOPES
        assert {"401", "403"} <= operation["responses"].keys(), operation["operationId"]


async def test_a_secret_is_stored_nowhere(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        await found(caller)
        shown = access.presented(caller.key)
        assert shown is not None
        for table in (t.api_key, t.idempotency, t.audit):
            assert shown.secret not in repr(await caller.world.read(table))


@pytest.mark.parametrize(
    ("programme_id", "partner_id", "scopes"),
    [
        ("", None, PROGRAMME_SCOPES),
        ("prg_1", None, HUB_SCOPES),
        ("prg_1", "par_1", frozenset({"programme:admin"})),
    ],
)
async def test_a_key_beyond_its_reach_is_not_made(
    migrated_url: str, programme_id: str, partner_id: str | None, scopes: frozenset[access.Scope]
) -> None:
    async with open_world(migrated_url) as world:
        with pytest.raises(Problem, match="forbidden"):
            await world.hub.submit(
                keys.create, NewKey(keys.FROM_OUTSIDE, programme_id, "k", scopes, partner_id)
            )
        assert await world.read(t.api_key) == []


async def test_a_revoked_key_is_refused_at_once_though_it_was_remembered(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        made = await shop.caller.make("/v1/keys", {"name": "loja", "scopes": ["sales:read"]})
        mine = shop.caller.holding(made["key"])
        assert (await mine.get("/v1/sales")).status_code == 200
        assert caller.world.hub.context.memory.peek("", ("key", made["key_id"])) is not None
        assert (await shop.caller.post(f"/v1/keys/{made['key_id']}/revoke")).status_code == 200
        assert code(await mine.get("/v1/sales")) == (401, "unauthenticated")


async def test_an_expired_key_is_refused(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        soon = (caller.world.clock() + timedelta(hours=1)).isoformat()
        made = await shop.caller.make("/v1/keys", {"name": "k", "scopes": ["sales:read"], "expires_at": soon})
        mine = shop.caller.holding(made["key"])
        assert (await mine.get("/v1/sales")).status_code == 200
        caller.world.clock.advance(timedelta(hours=1))
        assert code(await mine.get("/v1/sales")) == (401, "unauthenticated")


async def test_a_key_grants_no_more_than_it_holds(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        clerk = await shop.keyed("keys:admin", "sales:read")
        refused = await clerk.post("/v1/keys", {"name": "k", "scopes": ["sales:write"]})
        assert code(refused) == (403, "forbidden")
        bound = await shop.keyed("keys:admin", "sales:read", partner_id=shop.partner_id)
        own = await bound.make("/v1/keys", {"name": "k", "scopes": ["sales:read"]})
        shown = (await bound.get("/v1/keys")).json()["data"]
        assert {key["partner_id"] for key in shown} == {shop.partner_id}
        assert own["key_id"] in {key["key_id"] for key in shown}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic cG9udGU6eA==", "Bearer ponte_" + "0" * 76]
)
async def test_whoever_shows_no_key_of_ours_is_refused_alike(migrated_url: str, header: str) -> None:
    async with open_caller(migrated_url) as caller:
        answer = await caller.holding("").send("GET", "/v1/sales", authorization=header)
        assert code(answer) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
