"""Programmes, partners and their places over HTTP: versions are added, never rewritten."""

from datetime import timedelta

import pytest

from gateway.store import tables as t
from tests.gateway.caller import Caller, code, found, open_caller

ZONES = "America/Sao_Paulo"


async def test_a_programme_is_drafted_with_its_first_key_and_activated_once(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        said = {"name": "Clube", "unit": "points", "mode": "coalition", "min_sale_cents": 500}
        made = await caller.make("/v1/programmes", said)
        admin = caller.holding(made["admin_key"]["key"])
        assert (made["programme"]["active"], made["programme"]["min_sale_cents"]) == (False, 500)
        first = await admin.post("/v1/programme/activate")
        again = await admin.post("/v1/programme/activate")
        assert first.json() == again.json()
        assert first.json()["active"] is True
        listed = (await caller.get("/v1/programmes")).json()["data"]
        assert [programme["programme_id"] for programme in listed] == [made["programme"]["programme_id"]]
        assert code(await admin.get("/v1/programmes")) == (403, "forbidden")
        assert code(await caller.get("/v1/programme")) == (403, "forbidden")


async def test_unit_and_mode_change_before_activation_and_never_after(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        made = await caller.make("/v1/programmes", {"name": "C", "unit": "points", "mode": "coalition"})
        admin = caller.holding(made["admin_key"]["key"])
        changed = await admin.patch("/v1/programme", {"unit": "cashback", "mode": "proprietary"}, 1)
        assert (changed.json()["unit"], changed.json()["mode"]) == ("cashback", "proprietary")
        await admin.post("/v1/programme/activate")
        version = (await admin.get("/v1/programme")).json()["version"]
        for fixed in ({"unit": "points"}, {"mode": "coalition"}):
            assert code(await admin.patch("/v1/programme", fixed, version)) == (409, "programme_mode_fixed")
        kept = (await admin.get("/v1/programme")).json()
        assert (kept["unit"], kept["mode"], kept["version"]) == ("cashback", "proprietary", version)
        assert (await admin.patch("/v1/programme", {"unit": "cashback"}, version)).status_code == 200


async def test_a_setting_read_before_it_changed_cannot_overwrite_it(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        shown = await shop.caller.get(f"/v1/partners/{shop.partner_id}")
        assert shown.headers["etag"] == f'"{shown.json()["version"]}"'
        for path, body in (
            (f"/v1/partners/{shop.partner_id}", {"name": "Outra"}),
            ("/v1/programme", {"late_match_days": 3}),
        ):
            version = (await shop.caller.get(path)).json()["version"]
            assert code(await shop.caller.patch(path, body)) == (428, "precondition_required")
            assert code(await shop.caller.patch(path, body, version + 1)) == (412, "precondition_failed")
            odd = await shop.caller.send("PATCH", path, body, if_match="*")
            assert code(odd) == (412, "precondition_failed")
            done = await shop.caller.patch(path, body, version)
            assert done.status_code == 200
            assert done.headers["etag"] == f'"{done.json()["version"]}"'
            assert code(await shop.caller.patch(path, body, version)) == (412, "precondition_failed")


async def test_every_change_of_a_setting_leaves_a_line_in_the_audit(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        lines = await caller.world.read(t.audit)
        actions = [line["action"] for line in sorted(lines, key=lambda line: line["audit_id"])]
        assert actions == [
            "key.created",
            "programme.created",
            "key.created",
            "partner.created",
            "rate.added",
            "store.created",
            "programme.activated",
        ]
        assert {line["subject_id"] for line in lines} >= {shop.partner_id, shop.store_id}


async def test_a_rate_from_the_past_is_refused_save_the_first_of_a_partner_without_sales(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        now, at = caller.world.clock(), f"/v1/partners/{shop.partner_id}/rates"
        past = (now - timedelta(days=40)).isoformat()
        refused = await shop.caller.post(at, {"points_per_real": "2", "valid_from": past})
        assert code(refused) == (422, "rate_backdated")
        assert len((await shop.caller.get(at)).json()["data"]) == 1
        fresh = await shop.caller.make("/v1/partners", {"name": "Nova"})
        first = f"/v1/partners/{fresh['partner_id']}/rates"
        rate = await shop.caller.make(first, {"points_per_real": "0.333333", "valid_from": past})
        assert rate["rate_micro"] == 333_333
        refused = await shop.caller.post(first, {"points_per_real": "2", "valid_from": past})
        assert code(refused) == (422, "rate_backdated")


async def test_the_first_rate_of_a_partner_with_sales_may_not_reach_back(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        fresh = (await shop.caller.make("/v1/partners", {"name": "Nova"}))["partner_id"]
        sold = await shop.caller.make("/v1/sales", shop.sale(partner_id=fresh, cpf="529.982.247-25"), "k")
        assert sold["units"] == 0
        past = (caller.world.clock() - timedelta(days=1)).isoformat()
        refused = await shop.caller.post(f"/v1/partners/{fresh}/rates", {"rate_micro": 1, "valid_from": past})
        assert code(refused) == (422, "rate_backdated")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"points_per_real": 1.5},
        {"points_per_real": "1,5"},
        {"points_per_real": "0"},
        {"points_per_real": "1", "rate_micro": 1},
        {"cashback_bps": 500},
        {"rate_micro": 1.0},
        {"rate_micro": 0},
        {"rate_micro": True},
        {"points_per_real": "1", "valid_until": "2020-01-01T00:00:00Z"},
        {"points_per_real": "1", "valid_from": "2030-01-01"},
        {"points_per_real": "1", "valid_from": "2030-01-01T00:00:00"},
        {"points_per_real": "1", "valid_from": 1_900_000_000},
        {"points_per_real": "1", "valid_from": "0001-01-01T00:00:00+14:00"},
    ],
)
async def test_a_rate_is_one_exact_number_in_the_unit_of_the_programme(
    migrated_url: str, said: dict[str, object]
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        answer = await shop.caller.post(f"/v1/partners/{shop.partner_id}/rates", said)
        assert code(answer) == (422, "invalid")
        assert len(await caller.world.read(t.rate)) == 1


async def test_cashback_is_said_in_basis_points(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller, "cashback")
        [rate] = (await shop.caller.get(f"/v1/partners/{shop.partner_id}/rates")).json()["data"]
        assert rate["rate_micro"] == 5_000_000  # 5 % of R$ 1.00 are five centavos
        await shop.register("529.982.247-25")
        sold = await shop.caller.make("/v1/sales", shop.sale(gross_cents=1999, cpf="529.982.247-25"), "k")
        assert sold["units"] == 99


async def test_a_category_gets_versions_that_begin_now_or_later(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        made = await shop.caller.make(
            "/v1/categories", {"name": "Ouro", "multiplier_milli": 2000, "valid_days": 365}
        )
        versions = f"/v1/categories/{made['category_id']}/versions"
        await shop.caller.make(versions, {"name": "Ouro", "multiplier_milli": 1500})
        past = (caller.world.clock() - timedelta(seconds=1)).isoformat()
        assert code(await shop.caller.post(versions, {"name": "Ouro", "valid_from": past})) == (
            422,
            "invalid",
        )
        assert code(await shop.caller.post("/v1/categories/cat_x/versions", {"name": "x"})) == (
            404,
            "not_found",
        )
        listed = await _all_of(shop.caller, "/v1/categories?limit=1")
        assert [version["multiplier_milli"] for version in listed] == [2000, 1500]


async def test_a_campaign_multiplies_while_it_is_open(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register("529.982.247-25")
        now = caller.world.clock()
        said = {
            "name": "Dobro",
            "multiplier_milli": 2000,
            "starts_at": now.isoformat(),
            "ends_at": (now + timedelta(days=1)).isoformat(),
        }
        made = await shop.caller.make("/v1/campaigns", said)
        sold = await shop.caller.make("/v1/sales", shop.sale(cpf="529.982.247-25"), "k1")
        caller.world.clock.advance(timedelta(days=1))
        later = await shop.caller.make("/v1/sales", shop.sale("v-2", cpf="529.982.247-25"), "k2")
        assert (sold["units"], later["units"]) == (300, 150)
        assert code(await shop.caller.post("/v1/campaigns", said)) == (422, "invalid")
        [listed] = await _all_of(shop.caller, "/v1/campaigns?limit=1")
        assert listed == made


async def test_places_are_listed_page_by_page_and_secrets_are_shown_once(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        at = f"/v1/partners/{shop.partner_id}"
        for name in ("Norte", "Sul"):
            await shop.caller.make(f"{at}/stores", {"name": name, "zone": "America/Manaus"})
        assert [s["name"] for s in await _all_of(shop.caller, f"{at}/stores?limit=2")] == [
            "Centro",
            "Norte",
            "Sul",
        ]
        merchant = {"merchant_ref": "123456789", "store_id": shop.store_id}
        assert await shop.caller.make(f"{at}/merchants", merchant) == merchant
        assert await _all_of(shop.caller, f"{at}/merchants") == [merchant]
        operator = {"store_id": shop.store_id, "name": "Zé da Silva", "operator_ref": "7"}
        added = await shop.caller.make(f"{at}/operators", operator)
        assert code(await shop.caller.post(f"{at}/operators", operator)) == (409, "conflict")
        assert await _all_of(shop.caller, f"{at}/operators") == [added]
        assert "Zé" not in repr(await caller.world.read(t.operator))
        asked = {"connector": "generic", "partner_id": shop.partner_id, "name": "PDV"}
        config = {"namespace": "loja", "secret": "a secret of thirty-two characters"}
        installed = await shop.caller.make("/v1/installations", {**asked, "config": config})
        terminal = {
            "store_id": shop.store_id,
            "installation_id": installed["installation_id"],
            "serial": "S1",
        }
        enrolled = await shop.caller.make(f"{at}/terminals", terminal)
        assert len(enrolled.pop("secret")) == 43
        assert await _all_of(shop.caller, f"{at}/terminals") == [enrolled]
        assert code(await shop.caller.post(f"{at}/terminals", terminal)) == (409, "conflict")
        revoked = await shop.caller.patch(f"{at}/terminals/{enrolled['terminal_id']}", {"active": False})
        assert revoked.json() == {**enrolled, "active": False}


async def test_an_installation_shows_its_address_and_never_its_config(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        secret = "a secret of thirty-two characters"
        asked = {"connector": "generic", "partner_id": shop.partner_id, "name": "PDV"}
        config = {"namespace": "loja", "secret": secret}
        made = await shop.caller.make("/v1/installations", {**asked, "config": config})
        assert made["delivery_url"] == f"http://hub/in/{made['installation_id']}"
        assert code(await shop.caller.post("/v1/installations", {**asked, "config": config})) == (
            409,
            "account_installed",
        )
        wrong = await shop.caller.post("/v1/installations", {**asked, "config": {"secret": secret, "x": 1}})
        assert code(wrong) == (422, "invalid")
        assert secret not in wrong.text
        strange = await shop.caller.post("/v1/installations", {**asked, "connector": "nobody"})
        assert code(strange) == (422, "invalid")
        path = f"/v1/installations/{made['installation_id']}"
        shown = await shop.caller.get(path)
        assert (shown.json()["state"], shown.json()["trust"]) == ("active", "signed")
        assert secret not in shown.text
        paused = await shop.caller.patch(path, {"state": "paused"}, 1)
        assert (paused.json()["state"], paused.headers["etag"]) == ("paused", '"2"')
        assert code(await shop.caller.patch(path, {"state": "active"}, 1)) == (412, "precondition_failed")
        [listed] = await _all_of(shop.caller, "/v1/installations")
        assert listed == paused.json()


async def test_only_the_programme_grants_trust_and_coverage(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        clerk = await shop.keyed("installations:admin", "partners:read", partner_id=shop.partner_id)
        asked: dict[str, object] = {"connector": "generic", "partner_id": shop.partner_id, "name": "PDV"}
        asked["config"] = {"namespace": "loja", "secret": "a secret of thirty-two characters"}
        for raised in ({"trust": "file"}, {"covers": True}):
            assert code(await clerk.post("/v1/installations", {**asked, **raised})) == (403, "forbidden")
        odd = await shop.caller.post("/v1/installations", {**asked, "trust": "device"})
        assert code(odd) == (422, "invalid")
        assert await caller.world.read(t.installation) == []
        assert (await clerk.post("/v1/installations", asked)).status_code == 201


async def test_a_parked_delivery_is_listed_and_tried_again(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        now = caller.world.clock()
        programme_id = (await shop.caller.get("/v1/programme")).json()["programme_id"]
        await caller.world.lay((t.delivery, {
            "programme_id": programme_id, "delivery_id": "dlv_1", "installation_id": "ins_1",
            "body_hash": "h", "received_at": now, "state": "parked", "reason": "malformed", "attempts": 1,
        }))  # fmt: skip
        [parked] = await _all_of(shop.caller, "/v1/deliveries?state=parked")
        assert (parked["delivery_id"], parked["reason"]) == ("dlv_1", "malformed")
        stranger = await shop.keyed("installations:admin", partner_id=shop.partner_id)
        assert await _all_of(stranger, "/v1/deliveries") == []
        assert code(await stranger.post("/v1/deliveries/dlv_1/retry")) == (404, "not_found")
        assert (await shop.caller.post("/v1/deliveries/dlv_1/retry")).json()["state"] == "waiting"
        assert code(await shop.caller.post("/v1/deliveries/dlv_1/retry")) == (404, "not_found")


async def test_a_cursor_is_good_for_its_own_list_alone(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        for name in ("A", "B"):
            await shop.caller.make("/v1/partners", {"name": name})
        cursor = (await shop.caller.get("/v1/partners?limit=1")).json()["next_cursor"]
        assert (await shop.caller.get(f"/v1/partners?cursor={cursor}")).status_code == 200
        for path in (
            f"/v1/campaigns?cursor={cursor}",
            f"/v1/partners?cursor={cursor[:-2]}AA",
            "/v1/partners?cursor=x",
            "/v1/partners?cursor=%C3%A9",
        ):
            assert code(await shop.caller.get(path)) == (422, "invalid")
        other = await found(caller)
        assert code(await other.caller.get(f"/v1/partners?cursor={cursor}")) == (422, "invalid")


async def _all_of(caller: Caller, path: str) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = []
    cursor = None
    while True:
        joint = "&" if "?" in path else "?"
        page = (await caller.get(path if cursor is None else f"{path}{joint}cursor={cursor}")).json()
        listed += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return listed
