"""A real Vendure store as a process of its own, and the two people who use it: a merchant and a shopper.

Everything goes through the store's own Admin and Shop APIs; nothing here knows the hub.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx

from tests.peers import vendure_questions as ask
from tests.peers.vendure_questions import Caller, Json
from tests.peers.vendure_stock import key_for_the_hub, named, operation, stock

HERE = Path(__file__).parent / "vendure"
PLUGIN = Path(__file__).parents[2] / "adapters" / "ecommerce" / "vendure" / "plugin"
PASSWORD = "the superadmin of this store alone"
START_WITHIN_SECONDS = 90


class VendureStore:
    """The store: started empty, then stocked with one product at R$ 99,90 and delivery at R$ 15,00."""

    def __init__(self, folder: Path, hub_url: str, hub_secret: str) -> None:
        self.log = folder / "vendure.log"
        self._said = folder / "vendure.said"
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "VENDURE_DISABLE_TELEMETRY": "true",
            "PEER_PASSWORD": PASSWORD,
            "HUB_URL": hub_url,
            "HUB_SECRET": hub_secret,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.variant_id = ""
        self.shipping_id = ""
        self.api_key = ""
        self.http = httpx.AsyncClient(timeout=30)
        self.admin: Caller

    async def start(self) -> None:
        """Install the shipped plug-in as a merchant would, start, log in and stock the store."""
        if not (HERE / "node_modules" / "@vendure").is_dir():
            raise RuntimeError("the Vendure store is not installed: make test-peers installs it")
        _copy_whole(PLUGIN, HERE / "node_modules" / "ponte-vendure")
        self.process = self._run()
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not (listening := [line for line in self._lines() if line.startswith('{"port"')]):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the store did not start:\n" + "\n".join(self._lines()[-30:]))
            await asyncio.sleep(0.05)
        self.url = f"http://127.0.0.1:{json.loads(listening[0])['port']}"
        self.admin = Caller(self.http, f"{self.url}/admin-api")
        await self.admin(ask.LOGIN, user="superadmin", password=PASSWORD)
        self.variant_id, self.shipping_id = await stock(self.admin)
        self.api_key = await key_for_the_hub(self.admin)

    async def stop(self) -> None:
        """Stop it; its database was in memory."""
        await self.http.aclose()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def shopper(self, cpf: str | None) -> "Shopper":
        """Return a new guest with an empty cart."""
        return Shopper(self, cpf)

    async def order(self, code: str) -> Json:
        """Return an order as the merchant sees it."""
        found = await self.admin(ask.ORDER_BY_CODE, code=code)
        order: Json = found["items"][0]
        return order

    async def refund(self, code: str, amount_cents: int, *, method: str = "dummy") -> None:
        """Give so much of one payment back, and settle it."""
        order = await self.order(code)
        payment = next(p for p in order["payments"] if p["method"] == method and p["state"] == "Settled")
        asked = {"paymentId": payment["id"], "amount": amount_cents, "reason": "devolução"}
        # Deprecated fields, and yet the store's database refuses a refund without them.
        refund = await self.admin(ask.REFUND, input={**asked, "lines": [], "shipping": 0, "adjustment": 0})
        if refund["state"] == "Pending":
            await self.admin(ask.SETTLE_REFUND, input={"id": refund["id"], "transactionId": "t-1"})

    async def cancel(self, code: str) -> None:
        """Cancel the whole order, delivery included."""
        order = await self.order(code)
        await self.admin(ask.CANCEL, input={"orderId": order["id"], "cancelShipping": True})

    async def settle(self, code: str) -> None:
        """Settle what is only authorised, as a merchant does when the order is invoiced."""
        for payment in (await self.order(code))["payments"]:
            if payment["state"] == "Authorized":
                await self.admin(ask.SETTLE_PAYMENT, id=payment["id"])

    async def coupon_codes(self) -> set[str]:
        """Return the codes of the promotions that the store holds now."""
        return {p["couponCode"] for p in (await self.admin(ask.PROMOTIONS))["items"]}

    async def accept_gift_cards(self, service_url: str, app_key: str, app_token: str) -> None:
        """Add the means of payment that asks the hub."""
        given = {"serviceUrl": service_url, "appKey": app_key, "appToken": app_token}
        await self.admin(
            ask.CREATE_PAYMENT_METHOD,
            input={
                "code": "ponte",
                "enabled": True,
                "handler": operation("ponte-gift-card", **given),
                "translations": named("Voucher"),
            },
        )

    def _run(self) -> subprocess.Popen[bytes]:
        command = ["node", str(HERE / "server.mjs")]
        with self.log.open("wb") as log, self._said.open("wb") as said:
            return subprocess.Popen(
                command, cwd=HERE, env=self._environ, stdout=said, stderr=log, stdin=subprocess.DEVNULL
            )

    def _lines(self) -> list[str]:
        return (self._said.read_text() + self.log.read_text()).splitlines()


class Shopper:
    """A guest who fills a cart and pays. Without a CPF the field stays empty."""

    def __init__(self, store: VendureStore, cpf: str | None) -> None:
        self._store = store
        self._cpf = cpf
        self._shop = Caller(store.http, f"{store.url}/shop-api")

    async def fill(self, quantity: int = 1, coupon: str | None = None) -> Json:
        """Put goods into the cart, type the coupon, give name, address and CPF; return the order."""
        shop = self._shop
        await shop(ask.ADD_ITEM, variant=self._store.variant_id, quantity=quantity)
        if coupon is not None:
            await shop(ask.APPLY_COUPON, code=coupon)
        customer = {
            "emailAddress": f"{os.urandom(6).hex()}@example.com",
            "firstName": "Maria",
            "lastName": "S",
        }
        await shop(ask.SET_CUSTOMER, input=customer)
        await shop(
            ask.SET_ADDRESS, input={"streetLine1": "Rua 1", "countryCode": "BR", "fullName": "Maria S"}
        )
        await shop(ask.SET_SHIPPING, id=[self._store.shipping_id])
        if self._cpf is not None:
            await shop(ask.SET_FIELDS, input={"customFields": {"cpf": self._cpf}})
        order: Json = await shop(ask.TRANSITION, state="ArrangingPayment")
        return order

    async def pay(self, method: str = "dummy", **metadata: str) -> Json:
        """Pay what is left; return the order. A declined payment is `StoreRefused`."""
        order: Json = await self._shop(ask.PAY, input={"method": method, "metadata": metadata})
        return order

    async def buy(self, quantity: int = 1, coupon: str | None = None) -> str:
        """Fill a cart, pay by card and return the code of the order."""
        await self.fill(quantity, coupon)
        code: str = (await self.pay())["code"]
        return code


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a folder of files so that a store which starts at this moment never reads half of one."""
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        spare = target / f"{file.name}.{os.getpid()}"
        shutil.copy(file, spare)
        spare.replace(target / file.name)
