"""A hub as its operator runs it: a process of its own, reached by HTTP alone, with one cashback programme.

Nothing here decides anything; what a test learns, it learns from the hub's own API or from `ponte`.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from gateway.commands.caller import Caller
from gateway.commands.ledger import verified
from gateway.demo.town import ask
from gateway.settings import Settings
from tests.faults.children import HubProcess
from tests.gateway.world import MASTER_KEY

Json: TypeAlias = dict[str, Any]

EXAMPLES = Path(__file__).parents[2] / "examples/connectors"
SINCE = "2020-01-01T00:00:00Z"
CASHBACK_BPS = 1000
"""Ten percent: R$ 99,90 of goods are 999 units, which are centavos."""


class StoryHub:
    """One hub, one programme, one partner with one store."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        url = f"sqlite:///{folder / 'hub.sqlite'}"
        self._settings = Settings(data_dir=folder, database_url=url, master_key=MASTER_KEY)
        self._process = HubProcess(
            folder,
            f"sqlite:///{folder / 'hub.sqlite'}",
            PONTE_ALLOW_ADDRESSES="127.0.0.1",
            PONTE_MODE="sandbox",
            PONTE_CONNECTORS_DIR=str(EXAMPLES),
        )
        self._caller: Caller | None = None
        self._key = ""
        self._place: Json = {}

    async def start(self) -> None:
        """Start it, found the programme, open the shop."""
        code, said = self._process.command("keys", "create", "--scope", "hub:admin", "--json")
        assert code == 0, said
        hub_key = json.loads(said)["key"]
        await self._process.start()
        self._caller = Caller(self.url)
        programme = {"name": "Clube", "unit": "cashback", "mode": "proprietary"}
        made = await self._ask("POST", "/v1/programmes", programme, hub_key)
        self._key = made["admin_key"]["key"]
        partner = await self.post("/v1/partners", {"name": "Loja"})
        at = f"/v1/partners/{partner['partner_id']}"
        await self.post(f"{at}/rates", {"cashback_bps": CASHBACK_BPS, "valid_from": SINCE})
        store = await self.post(f"{at}/stores", {"name": "Loja na internet"})
        self._place = {"partner_id": partner["partner_id"], "store_id": store["store_id"]}
        await self.post("/v1/programme/activate")

    async def stop(self) -> None:
        """Stop it in good order."""
        if self._caller is not None:
            await self._caller.aclose()
            self._process.stop()
        self._process.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._process.port}"

    @property
    def log(self) -> str:
        """Return what the hub wrote so far."""
        return self._process.log.read_text()

    async def post(self, path: str, body: Json | None = None) -> Any:
        """Return the accepted answer to a POST of the programme's administrator."""
        return await self._ask("POST", path, body)

    async def get(self, path: str) -> Any:
        """Return the accepted answer to a GET."""
        return await self._ask("GET", path)

    async def install(self, connector: str, config: Json) -> Json:
        """Install a connector for the store and return its id and address."""
        said = {"connector": connector, "name": connector, "config": config, **self._place}
        made: Json = await self.post("/v1/installations", said)
        return made

    async def till_key(self) -> str:
        """Return an API key of the partner that may honour vouchers and nothing else."""
        said = {"name": "loja", "scopes": ["vouchers:write"], "partner_id": self._place["partner_id"]}
        made = await self.post("/v1/keys", said)
        key: str = made["key"]
        return key

    async def enrol(self, cpf: str) -> str:
        """Register a member and return its id."""
        consent = {"text_version": "v1", "channel": "counter"}
        made = await self.post("/v1/members", {"cpf": cpf, "consent": consent, "member_since": SINCE})
        member_id: str = made["member_id"]
        return member_id

    async def balance(self, member_id: str) -> int:
        """Return what a member may spend now."""
        shown = await self.get(f"/v1/members/{member_id}")
        available: int = shown["available_units"]
        return available

    async def offer_cashout(self) -> str:
        """Offer "sacar cashback": one centavo for one unit."""
        reward = await self.post("/v1/rewards", {"name": "Sacar cashback", "kind": "cashout"})
        reward_id: str = reward["reward_id"]
        return reward_id

    async def cash_out(self, member_id: str, reward_id: str, units: int) -> Json:
        """Turn units into a voucher and return it with its code."""
        said = {"member_id": member_id, "reward_id": reward_id, "units": units}
        issued: Json = await self.post("/v1/vouchers", said)
        return issued

    async def voucher(self, voucher_id: str) -> Json:
        """Return a voucher as the operator sees it."""
        shown: Json = await self.get(f"/v1/vouchers/{voucher_id}")
        return shown

    async def _ask(self, method: str, path: str, body: Json | None = None, key: str | None = None) -> Any:
        assert self._caller is not None, "the hub was not started"
        return await ask(self._caller, key or self._key, method, path, body)

    async def verify(self) -> None:
        """Fail unless every promise of the ledger is kept and every sale derives again (`ponte ledger verify`)."""
        report = await verified(self._settings)
        assert report.sound, report.breaches


async def becomes(
    wanted: Any, read: Callable[[], Awaitable[Any]], within_seconds: float = 30, hub: StoryHub | None = None
) -> None:
    """Return as soon as `read` answers `wanted`; fail with its last answer when time is up."""
    deadline = time.monotonic() + within_seconds
    while (found := await read()) != wanted:
        log = hub.log[-3000:] if hub is not None else ""
        assert time.monotonic() < deadline, f"{found} instead of {wanted}\n{log}"
        await asyncio.sleep(0.1)
