"""The main job against a real Vendure store: buy, earn, cash out, pay with the voucher, refund, cancel.

The shopper and the merchant use the store's own APIs, the store and the hub speak HTTP through proxies that
may lose, double and hold back what passes. After every step the ledger is verified.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.peers.hub_of_the_story import StoryHub, becomes
from tests.peers.proxy import BAD, CHATTY, HONEST, LOSSY, Mischief, Proxy
from tests.peers.vendure_questions import StoreRefused
from tests.peers.vendure_store import VendureStore

T = TypeVar("T")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MARIA, JOSE = "529.982.247-25", "111.444.777-35"
SECRET = "the secret that store and hub share"
HEALS_WITHIN_SECONDS = 150
DEAF = Mischief(lost=100)


@dataclass(frozen=True, slots=True)
class Scene:
    """A hub, a store, and the proxies between them."""

    hub: StoryHub
    store: VendureStore
    nudges: Proxy
    questions: Proxy
    checkout: Proxy

    async def balance_becomes(self, member_id: str, units: int) -> None:
        """Wait until a member may spend exactly so much, then verify the ledger."""
        await becomes(units, lambda: self.hub.balance(member_id), HEALS_WITHIN_SECONDS, self.hub)
        await self.hub.verify()

    async def coupons_become(self, *codes: str) -> None:
        """Wait until the store shows exactly these codes, then verify the ledger."""
        await becomes(set(codes), self.store.coupon_codes, HEALS_WITHIN_SECONDS, self.hub)
        await self.hub.verify()

    async def voucher_becomes(self, voucher_id: str, *, free_cents: int, spent_cents: int) -> None:
        """Wait until a voucher stands so, then verify the ledger."""

        async def stands() -> tuple[int, int]:
            voucher = await self.hub.voucher(voucher_id)
            return voucher["free_cents"], voucher["spent_cents"]

        await becomes((free_cents, spent_cents), stands, HEALS_WITHIN_SECONDS, self.hub)
        await self.hub.verify()


@dataclass(frozen=True, slots=True)
class Network:
    """What happens to nudges (store to hub), questions (hub to store) and checkouts (store to hub)."""

    nudges: Mischief = HONEST
    questions: Mischief = HONEST
    checkouts: Mischief = HONEST


@contextlib.asynccontextmanager
async def scene(folder: Path, network: Network, seed: int = 7) -> AsyncIterator[Scene]:
    """Start everything, make hub and store known to each other, and stop everything."""
    async with (
        Proxy(network.nudges, seed).running() as nudges,
        Proxy(network.questions, seed, asks=True).running() as questions,
        Proxy(network.checkouts, seed, asks=True).running() as checkout,
    ):
        hub, store = StoryHub(folder / "hub"), VendureStore(folder, nudges.url, SECRET)
        play = Scene(hub, store, nudges, questions, checkout)
        try:
            await hub.start()
            await store.start()
            await introduce(play)
            yield play
        finally:
            await store.stop()
            await hub.stop()


async def introduce(play: Scene) -> None:
    """Install the store in the hub, and the hub's cards in the store's checkout."""
    play.questions.target, play.checkout.target = play.store.url, play.hub.url
    config = {
        "store_url": play.questions.url,
        "namespace": "loja",
        "api_key": play.store.api_key,
        "webhook_secret": SECRET,
        "language": "en",
    }
    play.nudges.target = (await play.hub.install("vendure", config))["delivery_url"]
    keys = {"app_key": "the store", "app_token": SECRET}
    cards = await play.hub.install("giftcards", keys)
    service_url = f"{play.checkout.url}/checkout/{cards['installation_id']}"
    await play.store.accept_gift_cards(service_url, keys["app_key"], keys["app_token"])


async def insisting(step: Callable[[], Awaitable[T]]) -> T:
    """Return what `step` returns at last: whoever sees a network error tries again, as people do."""
    for _ in range(9):
        with contextlib.suppress(StoreRefused):
            return await step()
    return await step()


async def the_story(play: Scene) -> None:
    """Maria buys, cashes out twice, pays with both vouchers in two ways; the merchant refunds and cancels."""
    hub, store = play.hub, play.store
    maria, cashout = await hub.enrol(MARIA), await hub.offer_cashout()

    first = await store.shopper(MARIA).buy(4)  # R$ 399,60 of goods, R$ 15,00 of delivery
    await play.balance_becomes(maria, 3996)

    typed = await hub.cash_out(maria, cashout, 1500)
    await play.balance_becomes(maria, 2496)
    await play.coupons_become(typed["code"])

    second = await store.shopper("52998224725").buy(1, typed["code"])  # R$ 99,90, of which R$ 15,00 by coupon
    await play.balance_becomes(maria, 2496 + 849)
    await play.voucher_becomes(typed["voucher_id"], free_cents=0, spent_cents=1500)
    await play.coupons_become()
    with pytest.raises(StoreRefused, match="COUPON_CODE_INVALID"):
        await store.shopper(JOSE).buy(1, typed["code"])

    asked = await hub.cash_out(maria, cashout, 1000)
    await play.balance_becomes(maria, 2345)
    shopper = store.shopper(MARIA)
    third = (await shopper.fill(1))[
        "code"
    ]  # R$ 99,90 and R$ 15,00, of which R$ 10,00 by the provider protocol
    await insisting(lambda: shopper.pay("ponte", redemptionCode=asked["code"]))
    await play.voucher_becomes(asked["voucher_id"], free_cents=0, spent_cents=0)
    await shopper.pay()
    await insisting(lambda: store.settle(third))
    await play.balance_becomes(maria, 2345 + 899)
    await play.voucher_becomes(asked["voucher_id"], free_cents=0, spent_cents=1000)

    await store.refund(first, 50_00)  # of R$ 414,60: the goods keep 364,60 / 414,60
    await play.balance_becomes(maria, 2345 + 899 - (3996 - 3514))
    await store.refund(third, 50_00)  # of R$ 104,90 in money: the goods keep 54,90 / 104,90
    await play.balance_becomes(maria, 2345 - (3996 - 3514) + 470)
    await insisting(lambda: store.refund(third, 10_00, method="ponte"))
    await play.voucher_becomes(asked["voucher_id"], free_cents=1000, spent_cents=0)

    await store.cancel(third)
    await play.balance_becomes(maria, 2345 - (3996 - 3514))
    await store.cancel(second)
    await play.balance_becomes(maria, 2345 - (3996 - 3514) - 849)
    await play.voucher_becomes(typed["voucher_id"], free_cents=1500, spent_cents=0)
    await play.coupons_become(typed["code"], asked["code"])


async def test_a_shopper_earns_cashes_out_and_pays_with_the_voucher(tmp_path: Path) -> None:
    async with scene(tmp_path, Network()) as play:
        await the_story(play)

        await play.nudges.quiet()
        assert set(play.nudges.seen) == {"doubled", "lost", "held_back", "answered_202"}


async def test_a_network_that_doubles_reorders_and_loses_changes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, Network(BAD, LOSSY, CHATTY)) as play:
        await the_story(play)

        assert all(play.nudges.seen[mischief] for mischief in ("doubled", "held_back", "lost"))


async def test_with_every_nudge_lost_the_poll_alone_finds_sale_refund_and_cancel(tmp_path: Path) -> None:
    async with scene(tmp_path, Network(nudges=DEAF)) as play:
        maria = await play.hub.enrol(MARIA)

        order = await play.store.shopper(MARIA).buy(2)
        await play.balance_becomes(maria, 1998)
        await play.store.refund(order, 50_00)
        await play.balance_becomes(maria, 1532)
        await play.store.cancel(order)
        await play.balance_becomes(maria, 0)

        assert "answered_202" not in play.nudges.seen


async def test_of_six_shoppers_with_one_code_one_gets_it_and_who_names_no_cpf_earns_nothing(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, Network()) as play:
        maria, cashout = await play.hub.enrol(MARIA), await play.hub.offer_cashout()
        await play.store.shopper(MARIA).buy(2)
        await play.balance_becomes(maria, 1998)
        issued = await play.hub.cash_out(maria, cashout, 1500)
        await play.coupons_become(issued["code"])

        orders = await asyncio.gather(*(_bought(play.store, issued["code"]) for _ in range(6)))

        assert sum(order is not None and order["totalWithTax"] == 99_90 for order in orders) == 1
        await play.voucher_becomes(issued["voucher_id"], free_cents=0, spent_cents=1500)
        await play.balance_becomes(maria, 498)


async def _bought(store: VendureStore, code: str) -> dict[str, Any] | None:
    """Return the order of a shopper without a CPF who typed `code`, if the store let it through."""
    shopper = store.shopper(None)
    try:
        await shopper.fill(1, code)
        return await shopper.pay()
    except StoreRefused:
        return None
