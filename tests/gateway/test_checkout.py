"""A store asks while its shopper pays: the gift-card provider protocol over HTTP, on either database."""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, SecretStr

from contracts import Connector, giftcards
from gateway.worker import run_due
from tests.gateway.caller import ANA, BIA, Shop, code, found, open_caller

MEDIA = "application/vnd.vtex.giftcards.v1+json"
KEY, TOKEN = "loja-key", "loja-token-invented"


class TillConfig(BaseModel):
    """The two secrets of one store."""

    app_key: str
    app_token: SecretStr


till = Connector(
    slug="till",
    name="Loja que pergunta",
    config=TillConfig,
    docs="none",
    checkout=giftcards.provider(lambda config: (config.app_key, config.app_token.get_secret_value())),
)


@dataclass
class Store:
    """One store of the shop's partner, and the member ANA with 1,500 points (worth R$ 15.00)."""

    shop: Shop
    member_id: str
    address: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask one question with the store's credentials."""
        proof = {"X-PROVIDER-API-AppKey": KEY, "X-PROVIDER-API-AppToken": TOKEN}
        sent = {"content-type": MEDIA, "accept": MEDIA, "x-vtex-operation-id": "1", **proof, **headers}
        content = None if body is None else json.dumps(body).encode()
        return await self.shop.caller.http.request(method, self.address + path, content=content, headers=sent)

    async def search(self, document: str | None = None, typed: str | None = None) -> list[dict[str, Any]]:
        """Return the cards that a shopper may use."""
        body = {"client": {"document": document}, "cart": {"grandTotal": 100, "redemptionCode": typed}}
        answer = await self.ask("POST", "/giftcards/_search", body)
        assert answer.status_code == 200
        cards: list[dict[str, Any]] = answer.json()
        return cards

    async def debit(self, card: str, value: float, request_id: str, **more: Any) -> httpx.Response:
        """Place an order that is paid with a card."""
        body = {
            "operation": "Debit", "value": value, "description": "", "requestId": request_id,
            "redemptionToken": card, "orderInfo": {"orderId": f"o-{request_id}"}, **more,
        }  # fmt: skip
        return await self.ask("POST", f"/giftcards/{card}/transactions", body)

    async def turn(self, card: str, debit: str, what: str, value: float, request_id: str) -> httpx.Response:
        """Settle or cancel a part of a debit."""
        body = {"value": value, "requestId": request_id}
        return await self.ask("POST", f"/giftcards/{card}/transactions/{debit}/{what}", body)

    async def balance(self, card: str) -> Decimal | None:
        """Return what a card is worth now, `None` for one that is worth nothing."""
        answer = await self.ask("GET", f"/giftcards/{card}?ts=1")
        if answer.status_code == 404:
            return None
        return Decimal(str(answer.json()["balance"]))

    async def is_sound(self) -> None:
        """Check every promise of the ledger."""
        await self.shop.caller.world.is_sound()


async def opened(shop: Shop) -> Store:
    """Install the store and let ANA earn."""
    member = await shop.register(ANA)
    await shop.caller.make("/v1/sales", shop.sale(gross_cents=100_000, cpf=ANA), "earn")
    said = {
        "partner_id": shop.partner_id, "connector": "till", "name": "Loja",
        "config": {"app_key": KEY, "app_token": TOKEN},
    }  # fmt: skip
    made = await shop.caller.make("/v1/installations", said)
    return Store(shop, member["member_id"], made["checkout_url"].removeprefix("http://hub"))


async def voucher(store: Store, units: int = 1000) -> dict[str, Any]:
    """Issue a voucher; `card` is how the store calls it."""
    at = f"/v1/members/{store.member_id}/cashouts"
    made = await store.shop.caller.make(at, {"units": units}, "cash")
    [card] = await store.search(typed=made["code"])
    return {**made, "card": card["id"]}


async def test_a_stranger_hears_an_empty_401_and_an_impostor_an_empty_403(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        path = f"{store.address}/giftcards/_search"
        absent = await caller.http.post(path, content=b"{}")
        wrong = await store.ask("POST", "/giftcards/_search", {}, **{"X-PROVIDER-API-AppToken": "x"})
        assert (absent.status_code, absent.content) == (401, b"")
        assert (wrong.status_code, wrong.content) == (403, b"")


async def test_a_balance_is_a_card_of_the_document_and_of_no_other(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        await store.shop.register(BIA)
        [card] = await store.search(document=ANA)
        assert (card["balance"], card["caption"]) == (15.0, "Saldo do programa de fidelidade")
        assert await store.search(document=BIA) == []
        assert await store.search(document="123") == []
        assert await store.search() == []


async def test_paying_with_the_balance_takes_it_at_once_and_a_cancel_brings_it_back(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        [card] = await store.search(document=ANA)
        answer = await store.debit(card["id"], 4.5, "r-1")
        assert answer.status_code == 200
        debit = answer.json()["id"]
        again = await store.debit(card["id"], 4.5, "r-1")
        assert again.json()["id"] == debit
        assert await store.balance(card["id"]) == Decimal("10.5")
        assert (await store.turn(card["id"], debit, "settlements", 3.0, "s-1")).json()["value"] == 3.0
        assert (await store.turn(card["id"], debit, "settlements", 3.0, "s-1")).json()["value"] == 3.0
        assert (await store.turn(card["id"], debit, "cancellations", 2.0, "c-1")).json()["value"] == 2.0
        assert await store.balance(card["id"]) == Decimal("12.5")
        at = f"/giftcards/{card['id']}/transactions/{debit}"
        settled = (await store.ask("GET", f"{at}/settlements")).json()
        cancelled = (await store.ask("GET", f"{at}/cancellations")).json()
        assert [row["value"] for row in settled] == [3.0]
        assert [row["value"] for row in cancelled] == [2.0]
        assert (await store.turn(card["id"], debit, "cancellations", 2.5, "c-2")).status_code == 200
        assert await store.balance(card["id"]) == Decimal(15)
        await store.is_sound()


async def test_a_voucher_is_a_card_of_its_code(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        made = await voucher(store)
        [card] = await store.search(typed=made["code"].lower())
        assert (card["id"], card["balance"]) == (made["card"], 10.0)
        shown = (await store.ask("GET", f"/giftcards/{card['id']}")).json()
        assert shown["redemptionCode"].endswith(made["code"].replace("-", "")[-4:])
        assert made["code"].replace("-", "") not in json.dumps(shown)
        typo = made["code"][:-1] + ("2" if made["code"][-1] != "2" else "3")
        assert await store.search(typed=typo) == []
        answer = await store.debit(card["id"], 10, "r-1", redemptionCode=made["code"])
        assert answer.status_code == 200
        assert await store.search(typed=made["code"]) == []
        wrong = await store.debit(card["id"], 1, "r-2")
        assert wrong.status_code == 400
        await store.is_sound()


async def test_what_one_store_debited_no_other_store_sees(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        made = await voucher(store)
        debit = (await store.debit(made["card"], 4, "r-1")).json()["id"]
        said = {
            "partner_id": store.shop.partner_id, "connector": "till", "name": "Outra",
            "config": {"app_key": KEY, "app_token": TOKEN},
        }  # fmt: skip
        url = (await store.shop.caller.make("/v1/installations", said))["checkout_url"]
        other = Store(store.shop, store.member_id, url.removeprefix("http://hub"))
        at = f"/giftcards/{made['card']}/transactions"
        assert [row["id"] for row in (await store.ask("GET", at)).json()] == [debit]
        assert (await other.ask("GET", at)).json() == []
        assert (await other.ask("GET", f"{at}/{debit}")).status_code == 404
        assert (await other.turn(made["card"], debit, "cancellations", 1, "c")).status_code == 404


async def test_the_authorization_and_the_debit_are_read_back(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        made = await voucher(store)
        debit = (await store.debit(made["card"], 4, "r-1")).json()["id"]
        at = f"/giftcards/{made['card']}/transactions/{debit}"
        seen = (await store.ask("GET", at)).json()
        assert (seen["value"], seen["operation"], seen["requestId"]) == (4.0, "Debit", "r-1")
        assert (await store.ask("GET", f"{at}/authorization")).json()["value"] == 4.0


async def test_what_the_hub_does_not_serve_and_nonsense_are_refused(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        made = await voucher(store)
        assert (await store.ask("POST", "/giftcards", {"caption": "x"})).status_code == 400
        credit = await store.debit(made["card"], 1, "r-1", operation="Credit")
        assert credit.status_code == 400
        for value in (0.001, -1, True, "1", 10**15):
            answer = await store.debit(made["card"], value, "r-2")  # type: ignore[arg-type]
            assert answer.status_code == 400
        assert (await store.debit("vou_none", 1, "r-3")).status_code == 400
        bare, _, signature = made["card"].partition(".")
        neighbour = bare[:-1] + ("1" if bare.endswith("0") else "0")
        for guessed in (bare, f"{bare}.", f"{neighbour}.{signature}", f"{store.member_id}.{signature}"):
            assert (await store.debit(guessed, 1, f"g-{guessed[-4:]}")).status_code == 400
            assert (await store.ask("GET", f"/giftcards/{guessed}")).status_code == 404
        assert (await store.ask("GET", "/giftcards/vou_none")).status_code == 404
        assert (await store.ask("PUT", "/giftcards/x")).status_code == 400
        await store.is_sound()


async def test_one_voucher_raced_for_by_every_door_is_spent_once(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        made = await voucher(store)
        body = {
            "code": made["code"], "order_cents": 10_000, "partner_id": store.shop.partner_id,
        }  # fmt: skip

        async def by_api(n: int) -> bool:
            order = {**body, "order_ref": f"o-{n}"}
            answer = await store.shop.caller.post("/v1/vouchers/redeem", order, f"k-{n}")
            assert answer.status_code == 201 or code(answer) == (422, "voucher_not_accepted")
            return answer.status_code == 201

        async def by_protocol(n: int) -> bool:
            answer = await store.debit(made["card"], 10, f"r-{n}")
            assert answer.status_code in {200, 400}
            return answer.status_code == 200

        won = await asyncio.gather(*(by(n) for n in range(16) for by in (by_api, by_protocol)))
        assert won.count(True) == 1
        await store.is_sound()


async def test_what_is_drawn_from_the_balance_has_no_terms_of_its_own(migrated_url: str) -> None:
    """Its rest is balance again, whatever the reward says of a voucher's rest, and however late."""
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        harsh = {"remainder": "forfeit", "on_expiry": "breakage", "valid_days": 1}
        await store.shop.caller.make("/v1/rewards", {"name": "Vale", "kind": "cashout", **harsh})
        [card] = await store.search(document=ANA)
        paid = (await store.debit(card["id"], 10.0, "r-1")).json()["id"]
        await store.turn(card["id"], paid, "settlements", 4.0, "s-1")
        await store.turn(card["id"], paid, "cancellations", 6.0, "c-1")
        assert await store.balance(card["id"]) == Decimal(11)
        late = (await store.debit(card["id"], 5.0, "r-2")).json()["id"]
        caller.world.clock.advance(timedelta(days=3))
        await run_due(caller.world.hub)
        await store.turn(card["id"], late, "cancellations", 5.0, "c-2")
        assert await store.balance(card["id"]) == Decimal(11)
        await store.is_sound()


@pytest.mark.parametrize("verb", ["release", "commit", "rollback"])
async def test_what_an_operator_undoes_of_a_balance_payment_is_balance_again(
    migrated_url: str, verb: str
) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        [card] = await store.search(document=ANA)
        use_id = (await store.debit(card["id"], 10.0, "r-1")).json()["id"]
        if verb == "rollback":
            await store.turn(card["id"], use_id, "settlements", 10.0, "s-1")
        part = {} if verb == "release" else {"amount_cents": 300}
        more = {"rollback_ref": "x"} if verb == "rollback" else {}
        answer = await store.shop.caller.post(f"/v1/vouchers/{verb}", {"use_id": use_id, **part, **more}, "k")
        assert answer.status_code == 200, answer.text
        left = {"release": Decimal(15), "commit": Decimal(12), "rollback": Decimal(8)}[verb]
        assert await store.balance(card["id"]) == left
        await store.is_sound()


async def test_nothing_asked_is_refused_and_no_error_of_ours(migrated_url: str) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        made = await voucher(store)
        [card] = await store.search(document=ANA)
        for each in (card["id"], made["card"]):
            assert (await store.debit(each, 0, f"none-{each}")).status_code == 400
            paid = (await store.debit(each, 2.0, f"some-{each}")).json()["id"]
            for what in ("settlements", "cancellations"):
                assert (await store.turn(each, paid, what, 0, f"{what}-{each}")).status_code == 400
        await store.is_sound()


@pytest.mark.parametrize(
    "terms",
    [{"honoured": False}, {"opens_at": "2040-01-01T00:00:00Z"}, {"per_member": 1}, {"minimum_cents": 5_000}],
)
async def test_a_balance_that_cannot_be_debited_is_no_card(migrated_url: str, terms: dict[str, Any]) -> None:
    async with open_caller(migrated_url, till) as caller:
        store = await opened(await found(caller))
        await store.shop.caller.make("/v1/rewards", {"name": "Vale", "kind": "cashout", **terms})
        if "per_member" in terms:
            [card] = await store.search(document=ANA)
            assert (await store.debit(card["id"], 1.0, "r-1")).status_code == 200
        assert await store.search(document=ANA) == []
