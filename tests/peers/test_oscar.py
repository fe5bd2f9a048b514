"""A django-oscar shop that tells its orders to a connector in one file, and honours vouchers by the hub's own API."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.hub_of_the_story import StoryHub, becomes
from tests.peers.oscar_shop import OscarShop, ShopRefused

MARIA = "529.982.247-25"


@dataclass(frozen=True, slots=True)
class Scene:
    """A hub and a shop."""

    hub: StoryHub
    shop: OscarShop

    async def balance_becomes(self, member_id: str, units: int) -> None:
        """Wait until a member may spend exactly so much, then verify the ledger."""
        await becomes(units, lambda: self.hub.balance(member_id), hub=self.hub)
        await self.hub.verify()


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Start both, the hub first: the shop must be told where it is."""
    hub, secret = StoryHub(folder / "hub"), secrets.token_hex(16)
    await hub.start()
    try:
        installed = await hub.install("oscar", {"shop": "oscar", "secret": secret})
        shop = OscarShop(
            folder / "shop",
            HUB_URL=hub.url,
            HUB_DELIVERY_URL=installed["delivery_url"],
            HUB_SECRET=secret,
            HUB_KEY=await hub.till_key(),
        )
        try:
            await shop.start()
            yield Scene(hub, shop)
        finally:
            shop.stop()
    finally:
        await hub.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_shopper_earns_pays_with_a_voucher_and_gets_it_back_when_the_order_is_cancelled(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as play:
        maria, cashout = await play.hub.enrol(MARIA), await play.hub.offer_cashout()

        await play.shop.buy(MARIA, 2)  # R$ 199,80
        await play.balance_becomes(maria, 1998)

        issued = await play.hub.cash_out(maria, cashout, 1500)
        await play.balance_becomes(maria, 498)

        order = await play.shop.buy("52998224725", 1, issued["code"])  # R$ 84,90 and the voucher of R$ 15,00
        await play.balance_becomes(maria, 498 + 849)
        assert (await play.hub.voucher(issued["voucher_id"]))["spent_cents"] == 1500

        with pytest.raises(ShopRefused, match="406"):
            await play.shop.buy(MARIA, 1, issued["code"])
        await play.balance_becomes(maria, 498 + 849)

        await play.shop.cancel(order)
        await play.balance_becomes(maria, 498)
        given_back = await play.hub.voucher(issued["voucher_id"])
        assert (given_back["spent_cents"], given_back["free_cents"]) == (0, 1500)
