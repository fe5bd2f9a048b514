"""The programmes, shops, terminals and members of the day, all made through the public API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.commands.caller import Caller, Heard
from gateway.commands.refusals import CommandRefused
from gateway.demo.cast import Cast, Company, Dice, Person, Unit
from gateway.ports import system_entropy

SINCE = "2020-01-01T00:00:00Z"
"""From when rates and members count, so that old samples can be played against a demo hub too."""


@dataclass(frozen=True, slots=True)
class Programme:
    """One programme and the key that administers it."""

    programme_id: str
    name: str
    unit: Unit
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A payment terminal."""

    terminal_id: str
    serial: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Installed:
    """One use of a connector, with what its sender needs to know."""

    installation_id: str
    connector: str
    delivery_url: str
    config: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shop:
    """A partner with one store, one terminal, its Stone account, and perhaps an online store."""

    programme: Programme
    company: Company
    partner_id: str
    store_id: str
    account_id: str
    stone: Installed
    terminal: Terminal
    online: Installed | None = None


@dataclass(slots=True)
class Town:
    """Everything that was made."""

    hub: Caller
    hub_key: str = field(repr=False)
    points: Programme
    cashback: Programme
    market: Shop
    station: Shop
    bakery: Shop
    members: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def shops(self) -> tuple[Shop, ...]:
        """All shops."""
        return (self.market, self.station, self.bakery)


async def ask(hub: Caller, key: str, method: str, path: str, body: Any = None) -> Any:
    """Return the body of an accepted answer. Refuses (`CommandRefused`) any other."""
    named = {"idempotency-key": system_entropy(12).hex()} if method == "POST" else {}
    heard = await hub.call(method, path, key, body, named)
    return must(heard, f"{method} {path}")


def must(heard: Heard, what: str) -> Any:
    """Return the body of an accepted answer, or say what was asked."""
    if not heard.accepted:
        raise CommandRefused(f"{what} answered {heard.status}: {heard.body}")
    return heard.body


async def found_town(
    hub: Caller, hub_key: str, stone_url: str, cast: Cast, dice: Dice, account: str | None
) -> Town:
    """Make two programmes with their shops and members."""
    points = await _programme(hub, hub_key, "Clube Ponte", "points", "coalition")
    cashback = await _programme(hub, hub_key, f"{cast.bakery.name} Cashback", "cashback", "proprietary")
    signed = {
        "authenticity": "rs256",
        "jwks_url": f"{stone_url}/.well-known/jwks.json",
        "base_url": stone_url,
    }
    asked = {
        "authenticity": "basic",
        "base_url": stone_url,
        "basic_user": "ponte",
        "basic_password": system_entropy(12).hex(),
        "secret_key": f"sk_demo_{system_entropy(12).hex()}",
    }
    build = _Builder(hub, dice)
    town = Town(
        hub=hub,
        hub_key=hub_key,
        points=points,
        cashback=cashback,
        market=await build.shop(
            points, cast.market, {**signed, "account_id": account or build.account()}, online=True
        ),
        station=await build.shop(points, cast.station, {**asked, "account_id": build.account()}),
        bakery=await build.shop(cashback, cast.bakery, {**signed, "account_id": build.account()}),
    )
    for programme in (points, cashback):
        for person in cast.people:
            await register(town, programme, person, since=SINCE)
        await ask(hub, programme.key, "POST", "/v1/programme/activate")
    return town


async def register(
    town: Town, programme: Programme, person: Person, since: str | None = None
) -> dict[str, Any]:
    """Make a person a member, from now on or since an earlier day."""
    said = {
        "cpf": person.cpf,
        "name": person.name,
        "consent": {"text_version": "demo-1", "channel": "counter"},
        **({"member_since": since} if since else {}),
    }
    made: dict[str, Any] = await ask(town.hub, programme.key, "POST", "/v1/members", said)
    town.members[programme.programme_id, person.cpf] = made["member_id"]
    return made


async def _programme(hub: Caller, hub_key: str, name: str, unit: Unit, mode: str) -> Programme:
    said = {"name": name, "unit": unit, "mode": mode}
    made = await ask(hub, hub_key, "POST", "/v1/programmes", said)
    return Programme(made["programme"]["programme_id"], name, unit, made["admin_key"]["key"])


@dataclass(frozen=True, slots=True)
class _Builder:
    hub: Caller
    dice: Dice

    def account(self) -> str:
        """Return the name of a Stone account."""
        return f"acc_demo{self.dice.digits(8)}"

    async def shop(
        self, programme: Programme, company: Company, config: Mapping[str, str], *, online: bool = False
    ) -> Shop:
        """Make a partner with everything it needs to sell."""
        key = programme.key
        partner = await ask(self.hub, key, "POST", "/v1/partners", {"name": company.name})
        at = f"/v1/partners/{partner['partner_id']}"
        await ask(self.hub, key, "POST", f"{at}/rates", {**company.rate, "valid_from": SINCE})
        store = await ask(self.hub, key, "POST", f"{at}/stores", {"name": f"{company.name} Centro"})
        place = {"partner_id": partner["partner_id"], "store_id": store["store_id"]}
        stone = await self._install(key, "stone", place, config)
        named = {"merchant_ref": config["account_id"], "store_id": store["store_id"]}
        await ask(self.hub, key, "POST", f"{at}/merchants", named)
        serial = f"DEMO{self.dice.digits(6)}"
        enrolled = {"store_id": store["store_id"], "installation_id": stone.installation_id, "serial": serial}
        terminal = await ask(self.hub, key, "POST", f"{at}/terminals", enrolled)
        own = {"namespace": "loja", "secret": system_entropy(24).hex()}
        return Shop(
            programme=programme,
            company=company,
            partner_id=partner["partner_id"],
            store_id=store["store_id"],
            account_id=config["account_id"],
            stone=stone,
            terminal=Terminal(terminal["terminal_id"], serial, terminal["secret"]),
            online=await self._install(key, "generic", place, own) if online else None,
        )

    async def _install(
        self, key: str, connector: str, place: Mapping[str, str], config: Mapping[str, str]
    ) -> Installed:
        said = {"connector": connector, "name": f"{connector} (demo)", "config": dict(config), **place}
        made = await ask(self.hub, key, "POST", "/v1/installations", said)
        return Installed(made["installation_id"], connector, made["delivery_url"], config)
