"""Sales told by name over HTTP: once is enough, differently is refused, and every figure can be explained."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from contracts.facts import Customer, DocumentEvidence, Key, PaymentEvidence, Tender
from gateway.store import tables as t
from tests.gateway.caller import ANA, BIA, CAU, Caller, Shop, code, found, open_caller

UNPAID = {"gross_cents": 1000, "discount_cents": 1001}


async def test_a_launch_told_again_is_a_duplicate_and_told_differently_a_conflict(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        made = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        again = await shop.caller.post("/v1/sales", shop.sale(cpf=ANA), "k2")
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert again.json()["sale_id"] == made["sale_id"]
        before = await caller.world.read(t.posting)
        other = await shop.caller.post("/v1/sales", shop.sale(cpf=ANA, gross_cents=20_000), "k3")
        assert code(other) == (409, "launch_conflict")
        assert other.json()["first"]["sale_id"] == made["sale_id"]
        assert await caller.world.read(t.posting) == before


async def test_the_same_launch_by_another_key_is_still_the_same_launch(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        till = await shop.keyed("sales:write", partner_id=shop.partner_id)
        said = shop.sale()
        await shop.caller.make("/v1/sales", said, "k1")
        again = await till.post("/v1/sales", {**said, "partner_id": None}, "k1")
        assert (again.status_code, again.json()["duplicate"]) == (200, True)


async def test_of_many_that_tell_one_reference_at_once_one_is_recorded(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        statuses: list[int] = []

        async def tell(n: int) -> None:
            said = shop.sale(gross_cents=10_000 if n % 2 else 20_000, cpf=ANA)
            statuses.append((await shop.caller.post("/v1/sales", said, f"k{n}")).status_code)

        async with anyio.create_task_group() as tasks:
            for n in range(20):
                tasks.start_soon(tell, n)
        assert sorted(statuses) == [200] * 9 + [201] + [409] * 10
        assert (await shop.member(ANA))["available_units"] in {150, 300}
        assert len(await caller.world.read(t.sale)) == 1


@pytest.mark.parametrize(
    "said",
    [
        UNPAID,
        {"gross_cents": 0},
        {"gross_cents": 10**10},
        {"gross_cents": 100.0},
        {"gross_cents": "100"},
        {"gross_cents": True},
        {"launch_ref": "a b"},
        {"launch_ref": ""},
        {"launch_ref": "x" * 129},
        {"sold_at": "2026-03-30T12:00:00"},
        {"kind": "fiscal"},
        {"cpf": "000.000.000-00"},
        {"cpf": ANA, "cnpj": "11.222.333/0001-81"},
        {"store_id": "sto_unknown"},
        {"operator_ref": "nobody"},
        {"payments": [{"amount_cents": 1, "keys": [{"kind": "Bad Kind", "value": "1"}]}]},
        {"trust": "file"},
        {"partner_id": None},
    ],
)
async def test_a_malformed_launch_is_refused_and_writes_nothing(
    migrated_url: str, said: dict[str, Any]
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        answer = await shop.caller.post("/v1/sales", shop.sale() | said, "k1")
        assert code(answer) == (422, "invalid")
        assert await caller.world.read(t.evidence) == []


async def test_a_sale_from_the_future_is_refused(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        soon = (caller.world.clock() + timedelta(minutes=11)).isoformat()
        assert code(await shop.caller.post("/v1/sales", shop.sale(sold_at=soon), "k1")) == (
            422,
            "future_sale",
        )
        assert await caller.world.read(t.sale) == []


async def test_a_revoked_operator_launches_nothing(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        at = f"/v1/partners/{shop.partner_id}/operators"
        said = {"store_id": shop.store_id, "name": "Zé", "operator_ref": "7"}
        operator_id = (await shop.caller.make(at, said))["operator_id"]
        assert (await shop.caller.make("/v1/sales", shop.sale(operator_ref="7"), "k1"))["duplicate"] is False
        await shop.caller.patch(f"{at}/{operator_id}", {"active": False})
        refused = await shop.caller.post("/v1/sales", shop.sale("v-2", operator_ref="7"), "k2")
        assert code(refused) == (422, "invalid")


async def test_an_order_and_its_payment_from_the_terminal_are_one_sale(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        atk = {"kind": "stone:atk", "value": "51000000000017"}
        paid = await _pay(caller, shop, Key(**atk), 10_000)
        tender = {"keys": [atk], "method": "credit", "amount_cents": 10_000}
        told = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA, payments=[tender]), "k1")
        assert (told["sale_id"], told["units"]) == (paid, 150)


async def test_returns_add_up_to_nothing_and_not_beyond(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        sale = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        units = []
        for n, amount_cents in enumerate((3333, 3333, 3334)):
            body = {"sale_id": sale["sale_id"], "return_ref": f"d-{n}", "amount_cents": amount_cents}
            caller.world.clock.advance(timedelta(minutes=1))
            units.append((await shop.caller.make("/v1/sales/returns", body, f"r{n}"))["units"])
            again = await shop.caller.post("/v1/sales/returns", body, f"again{n}")
            assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert units == [100, 50, 0]
        kept = await caller.world.read(t.posting)
        more = {"sale_id": sale["sale_id"], "return_ref": "d-9", "amount_cents": 1}
        assert code(await shop.caller.post("/v1/sales/returns", more, "r9")) == (422, "return_exceeds_sale")
        other = {"sale_id": sale["sale_id"], "return_ref": "d-0", "amount_cents": 1}
        assert code(await shop.caller.post("/v1/sales/returns", other, "r8")) == (409, "launch_conflict")
        assert await caller.world.read(t.posting) == kept


async def test_concurrent_returns_never_give_back_more_than_was_paid(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        statuses: list[int] = []

        async def give_back(n: int) -> None:
            name = {"partner_id": shop.partner_id, "launch_ref": "v-1"}
            body = {**name, "return_ref": f"d-{n}", "amount_cents": 2_500}
            statuses.append((await shop.caller.post("/v1/sales/returns", body, f"r{n}")).status_code)

        async with anyio.create_task_group() as tasks:
            for n in range(10):
                tasks.start_soon(give_back, n)
        assert sorted(statuses) == [201] * 4 + [422] * 6
        assert (await shop.member(ANA))["available_units"] == 0


async def test_a_return_may_name_the_payment_itself(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        key = Key("stone:atk", "51000000000017")
        await _pay(caller, shop, key, 10_000)
        await shop.caller.make("/v1/sales/claims", _claim(shop, key, ANA))
        body = {"key": key._asdict(), "partner_id": shop.partner_id, "return_ref": "d-1"}
        back = await shop.caller.make("/v1/sales/returns", {**body, "amount_cents": 10_000}, "r1")
        assert (back["units"], back["reason"]) == (0, "given_back")
        more = await shop.caller.post(
            "/v1/sales/returns", {**body, "return_ref": "d-2", "amount_cents": 1}, "r2"
        )
        assert code(more) == (422, "return_exceeds_sale")


async def test_a_return_of_what_only_a_device_said_does_not_confirm_it(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        key = Key("stone:atk", "51000000000017")
        sale_id = await _pay(caller, shop, key, 10_000, "device")
        await shop.caller.make("/v1/sales/claims", _claim(shop, key, ANA))
        body = {"sale_id": sale_id, "return_ref": "d-1", "amount_cents": 4_000}
        back = await shop.caller.make("/v1/sales/returns", body, "r1")
        assert (back["state"], back["units"], back["pending_units"]) == ("pending", 90, 90)
        assert (await _sale(shop, sale_id))["confirmed"] is False


async def test_the_first_claim_stands(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        key = Key("stone:atk", "51000000000017")
        await _pay(caller, shop, key, 10_000)
        await shop.register(ANA)
        first = await shop.caller.make("/v1/sales/claims", _claim(shop, key, ANA))
        assert first["units"] == 150
        again = await shop.caller.post("/v1/sales/claims", _claim(shop, key, ANA))
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert code(await shop.caller.post("/v1/sales/claims", _claim(shop, key, BIA))) == (
            409,
            "already_claimed",
        )
        unknown = _claim(shop, Key("stone:atk", "9"), BIA)
        assert code(await shop.caller.post("/v1/sales/claims", unknown)) == (404, "sale_unknown")
        assert len(await caller.world.read(t.claim)) == 1


async def test_of_many_claims_at_once_one_is_accepted(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        key = Key("stone:atk", "51000000000017")
        await _pay(caller, shop, key, 10_000)
        statuses: list[int] = []

        async def claim(cpf: str) -> None:
            statuses.append((await shop.caller.post("/v1/sales/claims", _claim(shop, key, cpf))).status_code)

        async with anyio.create_task_group() as tasks:
            for cpf in (ANA, BIA, CAU):
                tasks.start_soon(claim, cpf)
        assert sorted(statuses) == [201, 409, 409]
        assert len(await caller.world.read(t.claim)) == 1


async def test_an_operator_decides_and_the_credit_moves(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        await shop.register(BIA)
        sale = await shop.caller.make("/v1/sales", shop.sale(cpf=ANA), "k1")
        caller.world.clock.advance(timedelta(minutes=1))
        body = {"sale_id": sale["sale_id"], "cpf": BIA}
        decided = await shop.caller.make("/v1/sales/owner", body)
        assert decided["member_id"] == (await shop.member(BIA))["member_id"]
        held = [(await shop.member(cpf))["available_units"] for cpf in (ANA, BIA)]
        assert held == [0, 150]
        assert (await shop.caller.post("/v1/sales/owner", body)).json()["duplicate"] is True
        clerk = await shop.keyed("sales:write")
        assert code(await clerk.post("/v1/sales/owner", body)) == (403, "forbidden")


@pytest.mark.parametrize("invoice_first", [False, True])
async def test_a_decision_for_whom_the_evidence_names_already_is_kept_and_stands(
    migrated_url: str, *, invoice_first: bool
) -> None:
    """R0 and R9: it outranks the invoice that comes later, and clears the conflict that came before."""
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        await shop.register(BIA)
        now, atk = caller.world.clock(), Key("stone:atk", "51000000000017")
        card = PaymentEvidence(
            keys=(atk,), captured_cents=10_000, customer=Customer(document=ANA), sold_at=now, as_of=now
        )
        invoice = DocumentEvidence(
            keys=(Key("nfe:chave", "3" * 44),), links=(atk,), kind="fiscal", gross_cents=10_000,
            customer=Customer(document=BIA), sold_at=now, as_of=now,
        )  # fmt: skip
        owner = BIA if invoice_first else ANA
        sale_id = await shop.hear(card)
        if invoice_first:
            await shop.hear(invoice)
        decided = await shop.caller.post("/v1/sales/owner", {"sale_id": sale_id, "cpf": owner})
        assert (decided.status_code, decided.json()["duplicate"]) == (201, False)
        await shop.hear(invoice)
        sale = await _sale(shop, sale_id)
        assert sale["member_mask"] == (await shop.member(owner))["document_mask"]
        assert "owner_conflict" not in sale["flags"]
        assert "sale.owner_decided" in {row["action"] for row in await caller.world.read(t.audit)}


async def test_a_merge_of_three_wallets_stands_in_the_statement_of_each(migrated_url: str) -> None:
    """Two card sales of two people turn out to be one order of a third (R10)."""
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        now, atks = caller.world.clock(), [Key("stone:atk", f"5100000000001{n}") for n in range(2)]
        for cpf in (ANA, BIA, CAU):
            await shop.register(cpf)
        for cpf, atk in zip((ANA, BIA), atks, strict=True):
            buyer = Customer(document=cpf)
            card = PaymentEvidence(keys=(atk,), captured_cents=10_000, customer=buyer, sold_at=now, as_of=now)
            await shop.hear(card)
        order = DocumentEvidence(
            keys=(Key("order:loja", "77"),), kind="order", gross_cents=20_000, customer=Customer(document=CAU),
            tenders=tuple(Tender(keys=(atk,), amount_cents=10_000) for atk in atks), sold_at=now, as_of=now,
        )  # fmt: skip
        await shop.hear(order)
        for cpf, units in ((ANA, 0), (BIA, 0), (CAU, 300)):
            member = await shop.member(cpf)
            told = (await shop.caller.get(f"/v1/members/{member['member_id']}/statement")).json()["data"]
            assert member["available_units"] == units
            assert sum(line["units"] for line in told) == units, told
        kinds = [row["kind"] for row in await caller.world.read(t.movement)]
        assert sorted(kinds) == ["accrual", "accrual", "merged", "merged"]


async def test_a_looked_up_sale_says_why_it_scored(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        told = await shop.caller.make("/v1/sales", shop.sale(gross_cents=4_590, cpf=ANA), "k1")
        sale = await _sale(shop, told["sale_id"])
        assert (sale["member_mask"], sale["base_cents"], sale["kept_cents"]) == (
            "***.982.247-**",
            4_590,
            4_590,
        )
        [award] = sale["awards"]
        assert award["units"] == 68
        assert "45,90" in award["explanation"]
        assert "1,5" in award["explanation"]
        assert award["terms"]["rate_micro"] == 1_500_000
        assert [(m["kind"], m["units"]) for m in sale["movements"]] == [("accrual", 68)]
        assert [(e["about"], e["trust"], e["amount_cents"]) for e in sale["evidence"]] == [
            ("manual", "signed", 4_590)
        ]
        by_key = {"key": {"kind": f"launch:{shop.partner_id}", "value": "v-1"}, "partner_id": shop.partner_id}
        assert (await shop.caller.post("/v1/sales/lookup", by_key)).json()["data"] == [sale]
        assert (await shop.caller.post("/v1/sales/lookup", {"cpf": ANA})).json()["data"] == [sale]


async def test_a_looked_up_sale_says_why_it_did_not_score(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        told = await shop.caller.make("/v1/sales", shop.sale(), "k1")
        sale = await _sale(shop, told["sale_id"])
        assert (sale["reason"], sale["reason_text"]) == ("no_cpf", "A compra não tem CPF informado.")
        nobody = await shop.caller.post("/v1/sales/lookup", {"cpf": BIA})
        assert (nobody.status_code, nobody.json()) == (200, {"data": []})
        assert code(await shop.caller.post("/v1/sales/lookup", {"sale_id": "sal_x"})) == (404, "not_found")


async def test_a_sale_that_was_merged_is_found_under_its_old_id(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        one, two = Key("stone:atk", "51000000000017"), Key("pagarme:charge", "ch_1")
        first = await _pay(caller, shop, one, 10_000)
        second = await _pay(caller, shop, two, 10_000)
        assert first != second
        await _pay(caller, shop, one, 10_000, "signed", two)
        assert (await _sale(shop, second))["sale_id"] == first
        merged = (await shop.caller.get("/v1/sales?state=merged")).json()["data"]
        assert [(sale["sale_id"], sale["merged_into"]) for sale in merged] == [(second, first)]
        assert [sale["sale_id"] for sale in (await shop.caller.get("/v1/sales")).json()["data"]] == [first]


async def test_sales_are_listed_last_learned_first_and_filtered(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        await shop.register(ANA)
        made = [
            (await shop.caller.make("/v1/sales", shop.sale(f"v-{n}", cpf=cpf), f"k{n}"))["sale_id"]
            for n, cpf in enumerate((ANA, None, ANA))
        ]
        listed: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await shop.caller.get(f"/v1/sales?limit=2{cursor and f'&cursor={cursor}'}")).json()
            listed += [sale["sale_id"] for sale in page["data"]]
            cursor = page["next_cursor"]
        assert listed == made[::-1]
        credited = (await shop.caller.get("/v1/sales?state=credited")).json()["data"]
        assert [sale["sale_id"] for sale in credited] == [made[2], made[0]]
        assert code(await shop.caller.get("/v1/sales?state=nonsense")) == (422, "invalid")


async def _pay(
    caller: Caller, shop: Shop, key: Key, captured_cents: int, trust: Any = "signed", *more: Key
) -> str:
    now = caller.world.clock()
    said = PaymentEvidence(keys=(key, *more), captured_cents=captured_cents, sold_at=now, as_of=now)
    return await shop.hear(said, trust)


def _claim(shop: Shop, key: Key, cpf: str) -> dict[str, Any]:
    return {"key": key._asdict(), "partner_id": shop.partner_id, "cpf": cpf}


async def _sale(shop: Shop, sale_id: str) -> dict[str, Any]:
    [sale] = (await shop.caller.post("/v1/sales/lookup", {"sale_id": sale_id})).json()["data"]
    found: dict[str, Any] = sale
    return found
