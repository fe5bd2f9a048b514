"""What belongs to another programme or partner does not exist, on every route; without the scope nothing does.

The tables below name every operation, so that a new route fails here until it is placed.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from gateway.access import SCOPES, Scope
from gateway.http.api import routers
from gateway.http.guard import scopes_of
from gateway.store import tables as t
from tests.gateway.caller import ANA, BIA, CAU, CONSENT, Caller, Shop, code, found, open_caller

GENERIC = {"namespace": "loja", "secret": "a secret of thirty-two characters"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as it is called."""

    name: str
    method: str
    path: str
    scope: Scope


def operations() -> list[Operation]:
    """Return every guarded route of the API."""
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    return [
        Operation(context.name or "", method, context.path or "", scopes_of(context)[0])
        for context in iter_route_contexts(app.routes)
        if (context.path or "").startswith("/v1")
        for method in sorted(context.methods or ())
    ]


OWN_ONLY = {
    "create_programme", "list_programmes", "get_programme", "change_programme", "activate_programme",
    "create_category", "list_categories", "list_campaigns", "create_partner", "list_partners",
    "register_member", "list_installations", "list_deliveries", "create_key", "list_keys",
    "create_reward", "list_rewards", "list_coupons",
}  # fmt: skip
"""Operations that name nothing of anybody: they speak of the caller's own programme."""

OF_THE_PROGRAMME = {
    "look_up_member", "get_member", "change_member", "set_member_category", "add_dependent", "cash_out",
    "give_goodwill", "get_statement", "add_category_version", "issue_voucher", "list_vouchers",
    "look_up_voucher", "get_voucher", "reveal_voucher",
}  # fmt: skip
"""Operations on what a programme's partners share: a key that is bound to one of them may see it."""

ADMIN_ONLY = {
    "decide_owner", "create_campaign", "buy_pack", "add_category_version", "give_goodwill", "change_reward",
    "revoke_voucher",
}  # fmt: skip
"""Operations that no key bound to a partner can hold the scope for."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a shop has of everything: the ids that a stranger may try."""

    shop: Shop
    member_id: str
    sale_id: str
    category_id: str
    installation_id: str
    terminal_id: str
    operator_id: str
    key_id: str
    voucher: dict[str, Any]
    use_id: str

    @property
    def partner(self) -> dict[str, str]:
        """The partner, as a path or body names it."""
        return {"partner_id": self.shop.partner_id}

    @property
    def installed(self) -> dict[str, Any]:
        """A body that installs a connector for the shop."""
        return {"connector": "generic", **self.partner, "name": "PDV", "config": GENERIC}

    @property
    def terminal(self) -> dict[str, str]:
        """A body that enrols a terminal in the shop."""
        return {"store_id": self.shop.store_id, "installation_id": self.installation_id, "serial": "S1"}


async def _stocked(shop: Shop) -> Holdings:
    """Give the shop one of everything."""
    admin, at = shop.caller, f"/v1/partners/{shop.partner_id}"
    none = Holdings(shop, "", "", "", "", "", "", "", {}, "")
    member = await shop.register(ANA)
    sale = await admin.make("/v1/sales", shop.sale(cpf=ANA), "k")
    voucher = await admin.make(f"/v1/members/{member['member_id']}/cashouts", {"units": 10}, "c")
    order = {**none.partner, "code": voucher["code"], "order_cents": 10, "order_ref": "o", "amount_cents": 5}
    use = await admin.make("/v1/vouchers/reserve", order, "h")
    category = await admin.make("/v1/categories", {"name": "Ouro"})
    installation = await admin.make("/v1/installations", none.installed)
    installed = replace(none, installation_id=installation["installation_id"])
    terminal = await admin.make(f"{at}/terminals", installed.terminal)
    operator = {"store_id": shop.store_id, "name": "Zé", "operator_ref": "7"}
    programme_id = (await admin.get("/v1/programme")).json()["programme_id"]
    await shop.caller.world.lay((t.delivery, {
        "programme_id": programme_id, "delivery_id": "dlv_1", "installation_id": installed.installation_id,
        "body_hash": "h", "received_at": shop.caller.world.clock(), "state": "parked", "reason": "malformed",
        "attempts": 1,
    }))  # fmt: skip
    return replace(
        installed,
        member_id=member["member_id"],
        sale_id=sale["sale_id"],
        category_id=category["category_id"],
        terminal_id=terminal["terminal_id"],
        operator_id=(await admin.make(f"{at}/operators", operator))["operator_id"],
        key_id=(await admin.make("/v1/keys", {"name": "k", "scopes": ["sales:read"]}))["key_id"],
        voucher=voucher,
        use_id=use["use_id"],
    )


Named: TypeAlias = dict[str, tuple[dict[str, str], Any]]
"""By operation: the ids in its path, and a body that names what is somebody's."""


async def _bodies(shop: Shop) -> Named:
    """Return a call of each operation that names something of a stocked shop."""
    held = await _stocked(shop)
    return _partner_calls(held) | _member_calls(held) | _sale_calls(held) | _voucher_calls(held)


def _partner_calls(held: Holdings) -> Named:
    partner = held.partner
    store_id = held.shop.store_id
    terminal, operator = {"terminal_id": held.terminal_id}, {"operator_id": held.operator_id}
    said = {"store_id": store_id, "name": "Zé", "operator_ref": "8"}
    installation = {"installation_id": held.installation_id}
    return {
        "get_partner": (partner, None),
        "change_partner": (partner, {"name": "x"}),
        "add_rate": (partner, {"rate_micro": 1}),
        "list_rates": (partner, None),
        "buy_pack": (partner, {"units": 1}),
        "create_store": (partner, {"name": "x"}),
        "list_stores": (partner, None),
        "name_merchant": (partner, {"merchant_ref": "1", "store_id": store_id}),
        "list_merchants": (partner, None),
        "enrol_terminal": (partner, {**held.terminal, "serial": "S2"}),
        "list_terminals": (partner, None),
        "change_terminal": (partner | terminal, {"active": False}),
        "add_operator": (partner, said),
        "list_operators": (partner, None),
        "change_operator": (partner | operator, {"active": False}),
        "install_connector": ({}, {**held.installed, "name": "Outro"}),
        "get_installation": (installation, None),
        "change_installation": (installation, {"state": "paused"}),
        "begin_sign_in": (installation, None),
        "list_polls": (installation, None),
        "begin_backfill": (
            installation,
            {"from_at": "2026-01-01T00:00:00Z", "until_at": "2026-02-01T00:00:00Z"},
        ),
        "retry_delivery": ({"delivery_id": "dlv_1"}, None),
        "revoke_key": ({"key_id": held.key_id}, None),
    }


def _member_calls(held: Holdings) -> Named:
    one = {"member_id": held.member_id}
    return {
        "add_category_version": ({"category_id": held.category_id}, {"name": "Ouro"}),
        "look_up_member": ({}, {"cpf": ANA}),
        "get_member": (one, None),
        "change_member": (one, {"blocked": True}),
        "set_member_category": (one, {"category_id": held.category_id}),
        "add_dependent": (one, {"cpf": CAU}),
        "cash_out": (one, {"units": 1}),
        "give_goodwill": (one, {"units": 1}),
        "get_statement": (one, None),
    }


def _sale_calls(held: Holdings) -> Named:
    launch = {"kind": f"launch:{held.shop.partner_id}", "value": "v-1"}
    sale = {"sale_id": held.sale_id}
    campaign = {"name": "x", "multiplier_milli": 2000, "starts_at": "2090-01-01T00:00:00Z"}
    return {
        "create_campaign": ({}, {**campaign, **held.partner, "ends_at": "2091-01-01T00:00:00Z"}),
        "launch_sale": ({}, held.shop.sale("v-9")),
        "return_sale": ({}, {**sale, "return_ref": "d", "amount_cents": 1}),
        "claim_sale": ({}, {**held.partner, "key": launch, "cpf": BIA}),
        "decide_owner": ({}, {**sale, "cpf": BIA}),
        "look_up_sales": ({}, sale),
        "list_sales": ({"query": f"?partner_id={held.shop.partner_id}"}, None),
    }


def _voucher_calls(held: Holdings) -> Named:
    voucher, use = held.voucher, {"use_id": held.use_id}
    reward, one = {"reward_id": voucher["reward_id"]}, {"voucher_id": voucher["voucher_id"]}
    order = {**held.partner, "code": voucher["code"], "order_cents": 10}
    return {
        "change_reward": (reward, {"honoured": False}),
        "issue_voucher": ({}, {**reward, "member_id": held.member_id, "units": 1}),
        "list_vouchers": ({"member_id": held.member_id}, None),
        "look_up_voucher": ({}, {"code": voucher["code"], "cpf": ANA}),
        "get_voucher": (one, None),
        "reveal_voucher": (one, {"cpf": ANA}),
        "quote_voucher": ({}, order),
        "reserve_voucher": ({}, {**order, "order_ref": "o-2"}),
        "redeem_voucher": ({}, {**order, "order_ref": "o-3"}),
        "commit_use": ({}, use),
        "release_use": ({}, use),
        "roll_back_use": ({}, use),
        "revoke_voucher": (one, None),
    }


async def _call(caller: Caller, operation: Operation, ids: dict[str, str], body: Any) -> tuple[int, str]:
    """Return status and code of one call that is complete in every other respect."""
    path = operation.path
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    headers = {"if_match": '"1"'} if operation.method == "PATCH" else {}
    answer = await caller.send(operation.method, path + ids.get("query", ""), body, operation.name, **headers)
    return (answer.status_code, "") if answer.status_code < 400 else code(answer)


async def _everything(shop: Shop) -> str:
    """Return all rows that belong to the shop's programme, save the answers kept for re-senders."""
    programme_id = (await shop.caller.get("/v1/programme")).json()["programme_id"]
    tables = [table for table in t.metadata.sorted_tables if table.name != "idempotency"]
    return repr(
        [sorted(map(repr, await shop.caller.world.read(e, programme_id=programme_id))) for e in tables]
    )


async def test_every_operation_is_placed(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        named = await _bodies(await found(caller))
    names = {operation.name for operation in operations()}
    assert names == OWN_ONLY | named.keys()
    assert not OWN_ONLY & named.keys()
    assert named.keys() >= OF_THE_PROGRAMME | ADMIN_ONLY


async def test_what_belongs_to_another_programme_does_not_exist(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        victim, stranger = await found(caller), await found(caller)
        bodies = await _bodies(victim)
        before = await _everything(victim)
        for operation in operations():
            if operation.name in bodies:
                heard = await _call(stranger.caller, operation, *bodies[operation.name])
                assert heard[0] == 404, (operation.name, heard)
        listed = (await stranger.caller.get("/v1/sales")).json()["data"]
        assert listed == []
        assert await _everything(victim) == before


async def test_what_belongs_to_another_partner_does_not_exist_for_a_bound_key(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        victim = await found(caller)
        bodies = await _bodies(victim)
        other = (await victim.caller.make("/v1/partners", {"name": "Vizinho"}))["partner_id"]
        scopes = [scope for scope in SCOPES if scope not in {"hub:admin", "programme:admin"}]
        bound = await victim.keyed(*scopes, partner_id=other)
        before = await _everything(victim)
        for operation in operations():
            if operation.name in bodies and operation.name not in OF_THE_PROGRAMME | ADMIN_ONLY:
                heard = await _call(bound, operation, *bodies[operation.name])
                assert heard[0] == 404, (operation.name, heard)
        for path in ("/v1/sales", "/v1/installations", "/v1/deliveries"):
            assert (await bound.get(path)).json()["data"] == [], path
        partners = (await bound.get("/v1/partners")).json()["data"]
        assert [partner["partner_id"] for partner in partners] == [other]
        assert await _everything(victim) == before


async def test_a_bound_key_that_looks_up_a_cpf_sees_its_own_sales_alone(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        other = (await shop.caller.make("/v1/partners", {"name": "Vizinho"}))["partner_id"]
        mine = await shop.caller.make("/v1/sales", shop.sale(partner_id=other, cpf=ANA), "k2")
        bound = await shop.keyed("sales:read", partner_id=other)
        seen = (await bound.post("/v1/sales/lookup", {"cpf": ANA})).json()["data"]
        assert [sale["sale_id"] for sale in seen] == [mine["sale_id"]]


async def test_nothing_is_done_or_shown_without_the_scope(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        bodies = await _bodies(shop)
        programme_scopes = [scope for scope in SCOPES if scope != "hub:admin"]
        lacking = {
            scope: shop.caller
            if scope == "hub:admin"
            else await shop.keyed(*[other for other in programme_scopes if other != scope])
            for scope in SCOPES
        }
        before = await _everything(shop)
        for operation in operations():
            ids, body = bodies.get(operation.name, ({}, {"cpf": ANA, "consent": CONSENT}))
            heard = await _call(lacking[operation.scope], operation, ids, body)
            assert heard == (403, "forbidden"), operation.name
            assert await _call(caller.holding(""), operation, ids, body) == (401, "unauthenticated")
        assert await _everything(shop) == before


@pytest.mark.parametrize("scope", ["ledger:read"])
def test_every_scope_opens_something_or_is_kept_for_later(scope: Scope) -> None:
    assert {operation.scope for operation in operations()} | {scope} == set(SCOPES)
