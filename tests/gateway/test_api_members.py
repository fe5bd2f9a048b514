"""Members over HTTP: known by mask, credited for what waited, paid out as far as they have."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.store import tables as t
from tests.gateway.caller import ANA, BIA, CAU, CONSENT, Caller, Shop, code, found, open_caller

CNPJ = "11.222.333/0001-81"


async def test_a_member_is_found_by_any_writing_and_shown_as_a_mask(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        made = await shop.register(ANA, name="Ana Souza", phone="+55 11 99999-0000")
        assert made["document_mask"] == "***.982.247-**"
        for writing in (ANA, "52998224725", " 529 982 247 25 "):
            answer = await shop.caller.post("/v1/members/lookup", {"cpf": writing})
            assert answer.json() == made
            assert answer.headers["etag"] == '"1"'
            assert "52998224725" not in answer.text
        assert (await shop.caller.get(f"/v1/members/{made['member_id']}")).json() == made
        company = await shop.caller.make("/v1/members", {"cnpj": CNPJ, "consent": CONSENT})
        assert company["document_mask"] == "**.222.333/****-**"


async def test_nothing_personal_lies_open_in_the_tables(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        body = {"cpf": ANA, "name": "Ana Souza", "phone": "+55 11 99999-0000", "consent": CONSENT}
        made = await shop.caller.make("/v1/members", body, "once")
        dependent = {"cpf": BIA, "name": "Bia Souza"}
        await shop.caller.make(f"/v1/members/{made['member_id']}/dependents", dependent, "twice")
        await shop.caller.make("/v1/sales", shop.sale(cpf=CAU), "thrice")
        kept = ""
        for table in t.metadata.sorted_tables:
            kept += repr(await caller.world.read(table))
        for secret in ("52998224725", ANA, "11144477735", "39053344705", "Souza", "99999"):
            assert secret not in kept


async def test_consent_is_kept_with_its_text_and_channel(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        made = await shop.register(ANA)
        lines = await caller.world.read(t.audit, subject_id=made["member_id"])
        assert "member.consented 2026-01 counter" in {line["action"] for line in lines}
        refused = await shop.caller.post("/v1/members", {"cpf": BIA})
        assert code(refused) == (422, "invalid")


async def test_a_document_belongs_to_one_wallet(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        ana = await shop.register(ANA)
        bia = await shop.register(BIA)
        again = await shop.caller.post("/v1/members", {"cpf": "52998224725", "consent": CONSENT})
        assert code(again) == (409, "member_exists")
        taken = await shop.caller.post(f"/v1/members/{ana['member_id']}/dependents", {"cpf": BIA})
        assert code(taken) == (409, "member_exists")
        assert len(await caller.world.read(t.identity)) == 2
        assert bia["dependents"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"cpf": "529.982.247-26"},
        {"cpf": CNPJ},
        {"cnpj": ANA},
        {"cpf": ANA, "cnpj": CNPJ},
        {"cpf": 52998224725},
        {"cpf": "１１１４４４７７７３５"},
        {},
        {"cpf": ANA, "nickname": "Aninha"},
        {"cpf": ANA, "name": "a\nb"},
        {"cpf": ANA, "phone": "call me"},
        {"cpf": ANA, "category_id": "cat_unknown"},
        {"cpf": ANA, "member_since": "2999-01-01T00:00:00Z"},
    ],
)
async def test_what_names_nobody_is_refused_and_not_repeated(migrated_url: str, said: dict[str, Any]) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        answer = await shop.caller.post("/v1/members", {**said, "consent": CONSENT})
        assert code(answer) == (422, "invalid")
        assert not any(str(value) in answer.text for value in said.values())
        assert await caller.world.read(t.member) == []


async def test_registering_credits_the_sales_that_waited(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        waiting = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        assert (waiting["state"], waiting["units"]) == ("unmatched", 0)
        caller.world.clock.advance(timedelta(days=3))
        assert (await shop.register(ANA))["available_units"] == 150
        assert (await _sale(shop, waiting["sale_id"]))["state"] == "credited"


async def test_a_cpf_that_registers_too_late_is_not_credited(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        old = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        caller.world.clock.advance(timedelta(days=31))
        assert (await shop.register(ANA))["available_units"] == 0
        assert (await _sale(shop, old["sale_id"]))["reason"] == "late_match_expired"


async def test_only_an_admin_imports_members_with_a_past(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        past = (caller.world.clock() - timedelta(days=100)).isoformat()
        clerk = await shop.keyed("members:write")
        body = {"cpf": ANA, "member_since": past, "consent": CONSENT}
        assert code(await clerk.post("/v1/members", body)) == (403, "forbidden")
        assert (await shop.register(ANA, member_since=past))["member_since"][:10] == past[:10]


async def test_what_a_dependent_buys_credits_the_holder(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        ana = await shop.register(ANA)
        await shop.caller.make("/v1/sales", shop.sale(cpf=BIA), "k1")
        path = f"/v1/members/{ana['member_id']}/dependents"
        after = await shop.caller.make(path, {"cpf": BIA, "name": "Bia"})
        assert (after["available_units"], [d["name"] for d in after["dependents"]]) == (150, ["Bia"])
        assert (await shop.member(BIA))["member_id"] == ana["member_id"]


async def test_a_category_counts_from_now_on(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        gold = (await shop.caller.make("/v1/categories", {"name": "Ouro", "multiplier_milli": 3000}))[
            "category_id"
        ]
        ana = await shop.register(ANA)
        before = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        caller.world.clock.advance(timedelta(hours=1))
        path = f"/v1/members/{ana['member_id']}/category"
        assert (await shop.caller.post(path, {"category_id": gold})).json()["category_id"] == gold
        after = await shop.caller.make("/v1/sales", shop.sale("v-2", cpf=ANA), "k2")
        assert (before["units"], after["units"]) == (150, 450)
        assert code(await shop.caller.post(path, {"category_id": "cat_x"})) == (422, "invalid")
        assert code(await shop.caller.post("/v1/members/mem_x/category", {"category_id": gold})) == (
            404,
            "not_found",
        )


async def test_a_member_changes_by_version_and_null_clears(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        ana = await shop.register(ANA, name="Ana", phone="11 99999-0000")
        path = f"/v1/members/{ana['member_id']}"
        changed = await shop.caller.patch(path, {"name": "Ana Lima", "phone": None, "blocked": True}, 1)
        assert (changed.json()["name"], changed.json()["phone"], changed.json()["blocked"]) == (
            "Ana Lima",
            None,
            True,
        )
        assert code(await shop.caller.patch(path, {"name": "x"}, 1)) == (412, "precondition_failed")
        assert code(await shop.caller.patch(path, {"name": "x"})) == (428, "precondition_required")
        assert code(await shop.caller.patch("/v1/members/mem_x", {"name": "x"}, 1)) == (404, "not_found")


async def test_a_cashout_becomes_a_numbered_voucher(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        path = f"/v1/members/{(await shop.register(ANA))['member_id']}/cashouts"
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        first = await shop.caller.make(path, {"units": 40}, "c1")
        second = await shop.caller.make(path, {"units": 60}, "c2")
        assert (first["units"], first["display_number"], second["display_number"]) == (40, 1, 2)
        assert (await shop.member(ANA))["available_units"] == 50
        assert await _outstanding(caller) == {first["voucher_id"]: 40, second["voucher_id"]: 60}


async def test_a_refused_cashout_leaves_the_books_as_they_were(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        ana = await shop.register(ANA)
        path = f"/v1/members/{ana['member_id']}"
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        before = await caller.world.read(t.posting)
        for n, units in enumerate((151, 10**10 - 1)):
            refused = await shop.caller.post(f"{path}/cashouts", {"units": units}, f"c{n}")
            assert code(refused) == (422, "insufficient_balance")
        await shop.caller.patch(path, {"blocked": True}, 1)
        blocked = await shop.caller.post(f"{path}/cashouts", {"units": 1}, "c3")
        assert code(blocked) == (422, "redemption_blocked")
        stranger = await shop.caller.post("/v1/members/mem_x/cashouts", {"units": 1}, "c4")
        assert code(stranger) == (404, "not_found")
        for odd in (0, -1, 10**10, 1.0, "1"):
            assert (
                await shop.caller.post(f"{path}/cashouts", {"units": odd}, f"odd{odd}")
            ).status_code == 422
        assert await caller.world.read(t.posting) == before
        assert await caller.world.read(t.voucher) == []


async def test_a_refund_of_spent_points_leaves_a_debt_that_goodwill_repays(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        path = f"/v1/members/{(await shop.register(ANA))['member_id']}"
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        await shop.caller.make(f"{path}/cashouts", {"units": 150}, "c1")
        back = {"partner_id": shop.partner_id, "launch_ref": "v-1", "return_ref": "d-1", "amount_cents": 4000}
        await shop.caller.make("/v1/sales/returns", back, "r1")
        assert (await shop.member(ANA))["debt_units"] == -60
        refused = await shop.caller.post(f"{path}/cashouts", {"units": 1}, "c2")
        assert code(refused) == (422, "debt_outstanding")
        given = await shop.caller.make(f"{path}/goodwill", {"units": 70, "valid_days": 1}, "g1")
        assert (given["available_units"], given["debt_units"]) == (10, 0)


async def test_a_statement_reads_the_same_whole_or_in_pages(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        path = f"/v1/members/{(await shop.register(ANA))['member_id']}"
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        await shop.caller.make(f"{path}/cashouts", {"units": 40}, "c1")
        await shop.caller.make(f"{path}/goodwill", {"units": 5}, "g1")
        whole = (await shop.caller.get(f"{path}/statement")).json()
        assert [(line["text"], line["units"], line["balance_after"]) for line in whole["data"]] == [
            ("Bônus do programa", 5, 115),
            ("Resgate de pontos", -40, 110),
            ("Crédito da compra de R$ 100,00 na Padaria", 150, 150),
        ]
        paged: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await shop.caller.get(f"{path}/statement?limit=1{cursor and f'&cursor={cursor}'}")).json()
            paged += page["data"]
            cursor = page["next_cursor"]
        assert paged == whole["data"]
        bound = await shop.keyed("members:read", partner_id=shop.partner_id)
        [own] = (await bound.get(f"{path}/statement")).json()["data"]
        assert (own["units"], own["balance_after"]) == (150, None)


async def test_a_pack_pays_what_its_partner_credits_and_holds_what_it_cannot(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller, funding="prepaid")
        await shop.register(ANA)
        first = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        caller.world.clock.advance(timedelta(minutes=5))
        second = await shop.caller.make("/v1/sales", shop.sale("v-2", cpf=ANA), "k2")
        assert [sale["reason"] for sale in (first, second)] == ["pack_exhausted"] * 2
        packs = f"/v1/partners/{shop.partner_id}/packs"
        assert code(await shop.caller.post(packs, {"units": 200})) == (400, "idempotency_key_missing")
        bought = await shop.caller.make(packs, {"units": 200}, "p1")
        assert bought["pack_units"] == 50
        states = [(await _sale(shop, sale["sale_id"]))["state"] for sale in (first, second)]
        assert states == ["credited", "held"]
        assert (await shop.caller.make(packs, {"units": 100}, "p2"))["pack_units"] == 0
        assert (await shop.member(ANA))["available_units"] == 300


async def test_a_partner_without_packs_cannot_buy_one(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        refused = await shop.caller.post(f"/v1/partners/{shop.partner_id}/packs", {"units": 1}, "p1")
        assert code(refused) == (409, "conflict")
        assert await caller.world.read(t.movement) == []


async def _sale(shop: Shop, sale_id: str) -> dict[str, Any]:
    answer = await shop.caller.post("/v1/sales/lookup", {"sale_id": sale_id})
    [sale] = answer.json()["data"]
    found: dict[str, Any] = sale
    return found


async def _outstanding(caller: Caller) -> dict[str, int]:
    return {
        row["account_ref"]: row["units"] for row in await caller.world.read(t.balance, account="outstanding")
    }
