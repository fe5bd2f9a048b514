"""A real django-oscar shop as a process of its own, and the people who use it, through its REST API."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent / "oscar"
START_WITHIN_SECONDS = 120


class OscarShop:
    """The shop: one product at R$ 99,90, no delivery charge. `environ` says where the hub is."""

    def __init__(self, folder: Path, **environ: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._said = folder / "oscar.said"
        self.log = folder / "oscar.log"
        self._environ = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ}
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._product_url = ""

    async def start(self) -> None:
        """Start; return when it listens."""
        if not (HERE / ".venv").is_dir():
            raise RuntimeError("the Oscar shop is not installed: make test-peers installs it")
        self.process = self._run()
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not (line := self._said.read_bytes()).endswith(b"\n"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the shop did not start:\n" + self.log.read_text()[-3000:])
            await asyncio.sleep(0.05)
        said = json.loads(line)
        self.url = f"http://127.0.0.1:{said['port']}"
        self._product_url = f"{self.url}/api/products/{said['product_id']}/"

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    async def buy(self, cpf: str, quantity: int = 1, voucher: str | None = None) -> str:
        """Buy as a guest, with the CPF in the notes; return the number of the order."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as guest:
            basket = (await guest.get("/api/basket/")).json()
            await _accepted(
                guest, "/api/basket/add-product/", {"url": self._product_url, "quantity": quantity}
            )
            if voucher is not None:
                await _accepted(guest, "/ponte-voucher/", {"code": voucher})
            address = {
                "country": f"{self.url}/api/countries/BR/",
                "first_name": "Maria",
                "last_name": "S",
                "line1": "Rua 1",
                "line4": "São Paulo",
                "postcode": "01001-000",
                "notes": cpf,
            }
            order = {
                "basket": basket["url"],
                "guest_email": "maria@example.com",
                "shipping_address": address,
            }
            placed = await _accepted(guest, "/api/checkout/", order)
            number: str = placed["number"]
            return number

    async def cancel(self, number: str) -> None:
        """Cancel an order, as the merchant."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as merchant:
            await _accepted(merchant, f"/orders/{number}/cancel/", {})

    def _run(self) -> subprocess.Popen[bytes]:
        command = [str(HERE / ".venv" / "bin" / "python"), "-W", "ignore", "shop.py", str(self._folder)]
        with self.log.open("wb") as log, self._said.open("wb") as said:
            return subprocess.Popen(
                command, cwd=HERE, env=self._environ, stdout=said, stderr=log, stdin=subprocess.DEVNULL
            )


class ShopRefused(Exception):
    """The shop said no."""


async def _accepted(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(path, json=body)
    if answer.status_code >= 400:
        raise ShopRefused(f"{path} answered {answer.status_code}: {answer.text[:1000]}")
    return answer.json()
