"""Rewards and vouchers as programs meet them: over HTTP, on either database."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from gateway.store import tables as t
from gateway.worker import run_due
from loyalty import codes
from tests.gateway.caller import ANA, BIA, Shop, code, found, open_caller

FIVE_REAIS = {"name": "R$ 5", "kind": "discount", "cost_units": 500, "amount_cents": 500, "auto_issue": True}


@dataclass
class Counter:
    """A shop whose member ANA holds 1,500 points (worth R$ 15.00), and a voucher for some of them."""

    shop: Shop
    member_id: str
    voucher: dict[str, Any]
    asked: int = 0

    @property
    def code(self) -> str:
        text: str = self.voucher["code"]
        return text

    async def verb(self, verb: str, **body: Any) -> httpx.Response:
        """Ask for one verb under a fresh Idempotency-Key."""
        self.asked += 1
        return await self.shop.caller.post(f"/v1/vouchers/{verb}", body, f"{verb}-{self.asked}")

    async def at_order(self, verb: str, order_ref: str, **more: Any) -> httpx.Response:
        """Present the code for an order of R$ 100.00."""
        body = {"code": self.code, "order_ref": order_ref, "order_cents": 10_000, **more}
        return await self.verb(verb, partner_id=self.shop.partner_id, **body)

    async def shown(self) -> dict[str, Any]:
        """Return the voucher as it stands."""
        answer = await self.shop.caller.get(f"/v1/vouchers/{self.voucher['voucher_id']}")
        shown: dict[str, Any] = answer.json()
        return shown

    async def available(self) -> int:
        """Return what the member's wallet holds."""
        units: int = (await self.shop.member(ANA))["available_units"]
        return units

    async def is_sound(self) -> None:
        """Check every promise of the ledger."""
        await self.shop.caller.world.is_sound()


async def opened(shop: Shop, units: int = 1000, **terms: Any) -> Counter:
    """Let ANA earn 1,500 points, and issue her a voucher for `units` of them under `terms`."""
    member = await shop.register(ANA)
    await shop.caller.make("/v1/sales", shop.sale(gross_cents=100_000, cpf=ANA), "earn")
    reward = await shop.caller.make("/v1/rewards", {"name": "Vale", "kind": "cashout", **terms})
    wish = {"member_id": member["member_id"], "reward_id": reward["reward_id"], "units": units}
    voucher = await shop.caller.make("/v1/vouchers", wish, "issue")
    return Counter(shop, member["member_id"], voucher)


async def test_a_voucher_takes_units_and_shows_its_codes_once(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        issued = counter.voucher
        assert (issued["units"], issued["free_cents"], issued["state"]) == (1000, 1000, "issued")
        assert codes.read_code(issued["code"])
        assert codes.read_keypad_code(issued["keypad_code"])
        assert await counter.available() == 500
        shown = await counter.shown()
        assert "code" not in shown
        assert shown["code_tail"] == issued["code"][-4:]
        listed = await counter.shop.caller.get(f"/v1/members/{counter.member_id}/vouchers")
        assert [row["voucher_id"] for row in listed.json()["data"]] == [issued["voucher_id"]]
        await counter.is_sound()


async def test_a_quote_promises_nothing_and_agrees_with_the_reservation(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        asked = {"code": counter.code.lower(), "partner_id": counter.shop.partner_id, "order_cents": 700}
        quoted = await counter.shop.caller.post("/v1/vouchers/quote", asked)
        assert quoted.status_code == 200
        assert quoted.json()["discount_cents"] == 700
        assert (await counter.shown())["held_cents"] == 0
        held = (await counter.verb("reserve", **asked, order_ref="o-1")).json()
        assert (held["amount_cents"], held["state"]) == (700, "held")


async def test_reserve_commit_and_a_repeated_commit(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        held = await counter.at_order("reserve", "o-1")
        assert held.status_code == 201
        assert (await counter.shown())["state"] == "reserved"
        paid = await counter.verb("commit", use_id=held.json()["use_id"])
        assert (paid.status_code, paid.json()["spent_cents"]) == (200, 1000)
        again = await counter.verb("commit", use_id=held.json()["use_id"])
        assert (again.status_code, again.json()["repeated"]) == (200, True)
        assert (await counter.shown())["state"] == "committed"
        late = await counter.verb("release", use_id=held.json()["use_id"])
        assert code(late) == (409, "use_committed")
        await counter.is_sound()


async def test_of_two_orders_at_once_exactly_one_gets_the_voucher(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        answers = await asyncio.gather(*(counter.at_order("redeem", f"o-{n}") for n in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7
        assert {code(answer)[1] for answer in answers if answer.status_code == 422} == {
            "voucher_not_accepted"
        }
        await counter.is_sound()


async def test_the_same_order_is_served_once_under_any_key(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        first = (await counter.at_order("redeem", "o-1", amount_cents=400)).json()
        again = await counter.at_order("redeem", "o-1", amount_cents=400)
        assert (again.status_code, again.json()["repeated"]) == (200, True)
        assert again.json()["use_id"] == first["use_id"]
        assert code(await counter.at_order("redeem", "o-1", amount_cents=500)) == (
            422,
            "voucher_not_accepted",
        )
        assert (await counter.shown())["free_cents"] == 600


async def test_a_reservation_ends_by_itself_and_a_late_commit_is_told_so(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        held = (await counter.at_order("reserve", "o-1", ttl_seconds=60)).json()
        caller.world.clock.advance(timedelta(seconds=60))
        late = await counter.verb("commit", use_id=held["use_id"])
        assert code(late) == (409, "use_released")
        await run_due(caller.world.hub)
        assert (await counter.shown())["state"] == "issued"
        assert (await counter.at_order("redeem", "o-2")).status_code == 201
        await counter.is_sound()


async def test_a_rollback_gives_back_in_parts_and_never_more_than_was_spent(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        use_id = (await counter.at_order("redeem", "o-1")).json()["use_id"]
        part = {"use_id": use_id, "amount_cents": 300, "rollback_ref": "r-1"}
        assert (await counter.verb("rollback", **part)).json()["spent_cents"] == 700
        again = await counter.verb("rollback", **part)
        assert (again.json()["repeated"], again.json()["spent_cents"]) == (True, 700)
        assert code(await counter.verb("rollback", use_id=use_id, amount_cents=701)) == (
            422,
            "rollback_exceeds_use",
        )
        assert (await counter.verb("rollback", use_id=use_id)).json()["state"] == "rolled_back"
        assert (await counter.shown())["free_cents"] == 1000
        await counter.is_sound()


async def test_what_remains_follows_the_terms_of_the_reward(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        for remainder, (free, lapsed, back) in {
            "keep": (600, 0, 500), "forfeit": (0, 600, 500), "wallet": (0, 0, 1100),
        }.items():  # fmt: skip
            counter = await opened(await found(caller), remainder=remainder)
            assert (await counter.at_order("redeem", "o-1", amount_cents=400)).status_code == 201
            shown = await counter.shown()
            assert (shown["free_cents"], shown["lapsed_cents"]) == (free, lapsed)
            assert await counter.available() == back
            await counter.is_sound()


async def test_an_expired_voucher_returns_or_lapses_and_is_no_longer_accepted(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        for on_expiry, back in {"return": 1500, "breakage": 500}.items():
            counter = await opened(await found(caller), valid_days=10, on_expiry=on_expiry)
            caller.world.clock.advance(timedelta(days=10))
            assert code(await counter.at_order("redeem", "o-1")) == (422, "voucher_not_accepted")
            await run_due(caller.world.hub)
            assert (await counter.shown())["state"] == "expired"
            assert await counter.available() == back
            await counter.is_sound()


async def test_a_commit_undone_after_expiry_returns_to_the_wallet(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller), valid_days=10)
        use_id = (await counter.at_order("redeem", "o-1")).json()["use_id"]
        caller.world.clock.advance(timedelta(days=11))
        assert (await counter.verb("rollback", use_id=use_id)).status_code == 200
        assert await counter.available() == 1500
        await counter.is_sound()


async def test_every_wrong_presentation_hears_the_same_words(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller), minimum_cents=5_000)
        other = await found(caller)
        await counter.shop.register(BIA)
        mine = {"partner_id": counter.shop.partner_id, "order_cents": 10_000}
        unknown = codes.written(codes.new_code(caller.world.hub.context.vault.entropy))
        theirs = {"code": counter.code, "partner_id": other.partner_id, "order_cents": 10_000}
        answers = [
            await counter.verb("quote", code=unknown, **mine),
            await counter.verb("quote", code=counter.code, **{**mine, "order_cents": 4_999}),
            await counter.verb("quote", code=counter.code, cpf=BIA, **mine),
            await other.caller.post("/v1/vouchers/quote", theirs),
        ]
        assert {answer.status_code for answer in answers} == {422}
        bodies = [{**answer.json(), "request_id": ""} for answer in answers]
        assert all(body == bodies[0] for body in bodies)
        assert bodies[0]["code"] == "voucher_not_accepted"


async def test_the_holder_s_document_opens_the_true_reason(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller), minimum_cents=5_000)
        asked = {"code": counter.code, "cpf": ANA, "partner_id": counter.shop.partner_id}
        assert code(await counter.verb("quote", **asked, order_cents=4_999)) == (422, "order_below_minimum")
        found_it = await counter.verb("lookup", code=counter.code, cpf=ANA)
        assert found_it.json()["voucher_id"] == counter.voucher["voucher_id"]
        assert code(await counter.verb("lookup", code=counter.code)) == (404, "not_found")


async def test_a_keypad_code_needs_the_document(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        asked = {"keypad_code": counter.voucher["keypad_code"], "partner_id": counter.shop.partner_id}
        assert code(await counter.verb("quote", **asked, order_cents=100)) == (422, "invalid")
        assert (await counter.verb("quote", **asked, order_cents=100, cpf=ANA)).status_code == 200


async def test_the_kill_switch_stops_what_was_issued(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        reward = f"/v1/rewards/{counter.voucher['reward_id']}"
        assert (await counter.shop.caller.patch(reward, {"honoured": False}, 1)).status_code == 200
        assert code(await counter.at_order("redeem", "o-1")) == (422, "voucher_not_accepted")
        assert (await counter.shop.caller.patch(reward, {"honoured": True}, 2)).status_code == 200
        assert (await counter.at_order("redeem", "o-1")).status_code == 201


async def test_stock_limits_and_closing_times_are_kept(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        counter = await opened(shop, units=100, stock=2, per_member=2)
        wish = {"member_id": counter.member_id, "reward_id": counter.voucher["reward_id"], "units": 100}
        await shop.caller.make("/v1/vouchers", wish, "second")
        assert code(await shop.caller.post("/v1/vouchers", wish, "third")) == (422, "reward_out_of_stock")
        mug = {"name": "Caneca", "kind": "product", "cost_units": 200, "amount_cents": 3_000, "per_member": 1}
        product = await shop.caller.make("/v1/rewards", mug)
        asked = {"member_id": counter.member_id, "reward_id": product["reward_id"]}
        assert (await shop.caller.make("/v1/vouchers", asked, "mug"))["free_cents"] == 3_000
        assert code(await shop.caller.post("/v1/vouchers", asked, "mug-2")) == (422, "reward_limit_reached")
        assert await counter.available() == 1100


async def test_a_revoked_voucher_returns_to_the_wallet(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        held = (await counter.at_order("reserve", "o-1", amount_cents=400)).json()
        at = f"/v1/vouchers/{counter.voucher['voucher_id']}/revoke"
        assert (await counter.shop.caller.post(at, once="revoke")).status_code == 200
        assert await counter.available() == 1100
        assert (await counter.verb("release", use_id=held["use_id"])).status_code == 200
        assert await counter.available() == 1500
        [reward] = (await counter.shop.caller.get("/v1/rewards")).json()["data"]
        assert reward["issued"] == 0
        await counter.is_sound()


async def test_a_key_of_one_partner_touches_only_what_that_partner_honours(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        made = await counter.shop.caller.make("/v1/partners", {"name": "Outra"})
        other = await counter.shop.keyed("vouchers:write", partner_id=made["partner_id"])
        held = (await counter.at_order("reserve", "o-1", amount_cents=400)).json()
        assert code(await other.post("/v1/vouchers/commit", {"use_id": held["use_id"]}, "a")) == (
            404,
            "use_unknown",
        )
        asked = {"code": counter.code, "partner_id": counter.shop.partner_id, "order_cents": 100}
        assert code(await other.post("/v1/vouchers/quote", asked)) == (404, "not_found")


async def test_a_stolen_database_holds_no_code(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        await counter.at_order("redeem", "o-1", amount_cents=400)
        bare = [counter.code.replace("-", ""), counter.voucher["keypad_code"].replace("-", "")]
        kept = ""
        for table in t.metadata.sorted_tables:
            kept += repr(await caller.world.read(table))
        for text in (counter.code, counter.voucher["keypad_code"], *bare):
            assert text not in kept
            assert text.encode().hex() not in kept


async def test_a_code_is_shown_again_to_whoever_names_its_holder(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        await counter.shop.register(BIA)
        at = f"/v1/vouchers/{counter.voucher['voucher_id']}/reveal"
        assert (await counter.shop.caller.post(at, {"cpf": ANA})).json()["code"] == counter.code
        assert code(await counter.shop.caller.post(at, {"cpf": BIA})) == (404, "not_found")


async def test_a_reward_is_issued_by_itself_once_the_balance_affords_it(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        reward = await shop.caller.make("/v1/rewards", FIVE_REAIS)
        member = await shop.register(ANA)
        await shop.caller.make("/v1/sales", shop.sale("v-1", gross_cents=30_000, cpf=ANA), "one")
        at = f"/v1/members/{member['member_id']}/vouchers"
        assert (await shop.caller.get(at)).json()["data"] == []
        await shop.caller.make("/v1/sales", shop.sale("v-2", gross_cents=50_000, cpf=ANA), "two")
        issued = (await shop.caller.get(at)).json()["data"]
        assert [row["reward_id"] for row in issued] == [reward["reward_id"]] * 2
        assert (await shop.member(ANA))["available_units"] == 200
        await shop.caller.make("/v1/sales", shop.sale("v-3", gross_cents=40_000, cpf=BIA), "three")
        late = await shop.register(BIA)
        assert late["available_units"] == 100
        gift = {"units": 450, "reason": "aniversario"}
        given = await shop.caller.make(f"/v1/members/{late['member_id']}/goodwill", gift, "gift")
        assert given["available_units"] == 50


async def test_no_voucher_is_worth_more_than_a_sale_can_be(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        member = await shop.register(ANA)
        await shop.caller.make("/v1/sales", shop.sale(gross_cents=100_000, cpf=ANA), "earn")
        await shop.caller.make(
            "/v1/rewards", {"name": "Vale", "kind": "cashout", "unit_millicents": 9_999_999_999}
        )
        at = f"/v1/members/{member['member_id']}/cashouts"
        assert code(await shop.caller.post(at, {"units": 1_001}, "a")) == (422, "cashout_too_large")
        assert (await shop.caller.post(at, {"units": 1}, "b")).status_code == 201


async def test_what_becomes_available_by_the_clock_may_buy_a_reward_too(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        version = (await shop.caller.get("/v1/programme")).json()["version"]
        waits = {"activation": "after_days", "activation_days": 2}
        assert (await shop.caller.patch("/v1/programme", waits, version)).status_code == 200
        await shop.caller.make("/v1/rewards", FIVE_REAIS)
        at = f"/v1/members/{(await shop.register(ANA))['member_id']}/vouchers"
        await shop.caller.make("/v1/sales", shop.sale("v-1", gross_cents=50_000, cpf=ANA), "one")
        assert (await shop.member(ANA))["pending_units"] == 750
        assert (await shop.caller.get(at)).json()["data"] == []
        caller.world.clock.advance(timedelta(days=3))
        assert await run_due(caller.world.hub) == 1
        assert len((await shop.caller.get(at)).json()["data"]) == 1
        assert (await shop.member(ANA))["available_units"] == 250


async def test_a_statement_speaks_of_the_wallet_whatever_became_of_the_voucher(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        use_id = (await counter.at_order("reserve", "o-1", amount_cents=400)).json()["use_id"]
        assert (await counter.verb("release", use_id=use_id)).status_code == 200
        assert (await counter.at_order("redeem", "o-2", amount_cents=400)).status_code == 201
        answer = await counter.shop.caller.get(f"/v1/members/{counter.member_id}/statement")
        lines = [(line["text"], line["units"], line["balance_after"]) for line in answer.json()["data"]]
        assert lines == [
            ("Resgate de pontos", -1000, 500),
            ("Crédito da compra de R$ 1.000,00 na Padaria", 1500, 1500),
        ]


async def test_what_is_asked_beyond_the_order_takes_the_order_and_holds_nothing_more(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        for verb in ("reserve", "redeem"):
            first = await counter.at_order(verb, verb, order_cents=300, amount_cents=400)
            again = await counter.at_order(verb, verb, order_cents=300, amount_cents=400)
            assert (first.status_code, first.json()["amount_cents"]) == (201, 300)
            assert (again.json()["use_id"], again.json()["repeated"]) == (first.json()["use_id"], True)
        shown = await counter.shown()
        assert (shown["free_cents"], shown["held_cents"], shown["spent_cents"]) == (400, 300, 300)
        await counter.is_sound()


async def test_a_voucher_of_one_partner_is_nothing_to_a_key_of_another(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        counter = await opened(shop, partner_id=shop.partner_id)
        made = await shop.caller.make("/v1/partners", {"name": "Outra"})
        other = await shop.keyed("vouchers:read", "vouchers:write", partner_id=made["partner_id"])
        at = f"/v1/vouchers/{counter.voucher['voucher_id']}"
        assert code(await other.get(at)) == (404, "not_found")
        assert code(await other.post(f"{at}/reveal", {"cpf": ANA})) == (404, "not_found")
        typed = {"code": counter.code, "cpf": ANA}
        assert (await shop.caller.post("/v1/vouchers/lookup", typed)).status_code == 200
        assert code(await other.post("/v1/vouchers/lookup", typed)) == (404, "not_found")
