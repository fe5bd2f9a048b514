"""What a generated request is given so that the hub can say yes: identities that exist, people it knows, signatures.

Everything is found by the name of a field or parameter, so that a new route is played without a word about it here.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

from hypothesis import strategies as st
from stdnum.br import cnpj, cpf

from contracts.signatures import HmacFields
from tests.gateway.caller import CONSENT, Caller, Shop, found
from tests.gateway.world import GENERIC_SECRET, NAMESPACE, NOW

Json = dict[str, Any]

SYSTEM = HmacFields((GENERIC_SECRET.encode(),))
SHOPIFY = {"shop": "loja.myshopify.com", "client_id": "loja1234", "client_secret": GENERIC_SECRET}
RICH = 10**9
WORTH_CENTS = 100_000
ANSWER = "ponte://pay-response?code=0&success=true&amount={cents}&atk={atk}"


def cpf_of(number: int) -> str:
    """Return the CPF that begins with these nine digits."""
    body = f"{number:09}"
    return body + str(cpf._calc_check_digits(body))


def cnpj_of(number: int) -> str:
    """Return the CNPJ that begins with these twelve digits."""
    body = f"{number:012}"
    return body + str(cnpj.calc_check_digits(body))


CPFS = st.integers(1, 10**9 - 2).map(cpf_of).filter(lambda text: len(set(text)) > 1)
CNPJS = st.integers(1, 10**12 - 2).map(cnpj_of)
ZONES = st.sampled_from(["America/Sao_Paulo", "America/Manaus", "America/Noronha", "America/Rio_Branco"])

Chosen = Callable[[Random], Any]


def _between(least: int, most: int) -> Chosen:
    return lambda chance: chance.randint(least, most)


def _days(least: int, most: int) -> Chosen:
    return lambda chance: (NOW + timedelta(days=chance.randint(least, most))).isoformat()


def _any_of(*choices: Any) -> Chosen:
    return lambda chance: chance.choice(choices)


CENTS, SMALL, PAST, SOON, LATER = (
    _between(10_000, 10**6), _between(0, 1000), _days(-30, -1), _days(1, 99), _days(100, 300)
)  # fmt: skip

FIGURES: Final[Mapping[str, Chosen]] = {
    **dict.fromkeys(("gross_cents", "order_cents"), CENTS),
    **dict.fromkeys(("discount_cents", "shipping_cents", "fees_cents", "paid_with_loyalty_cents"), SMALL),
    **dict.fromkeys(("amount_cents", "units", "least_units"), _between(1, 100)),
    **dict.fromkeys(("most_units", "cost_units"), _between(1000, 10**6)),
    **dict.fromkeys(("sold_at", "returned_at", "member_since"), PAST),
    "from_at": _days(-60, -31),
    "until_at": _days(-30, -1),
    **dict.fromkeys(("starts_at", "valid_from", "opens_at"), SOON),
    **dict.fromkeys(("ends_at", "valid_until", "closes_at", "expires_at"), LATER),
    "scopes": lambda chance: chance.sample(
        ["partners:read", "members:read", "sales:read"], chance.randint(1, 3)
    ),
    "connector": _any_of("generic"),
    "trust": _any_of("signed", "declared"),
    "unit": _any_of("points"),
    "mode": _any_of("coalition"),
}
"""Values that the schema allows more of than sense does."""

Made = Awaitable[Any]


@dataclass
class Cast:
    """A programme with one of everything. `one(name)` is the standing one, `another(name)` a new one."""

    shop: Shop
    system_id: str
    device_id: str
    device: HmacFields
    standing: dict[str, Any] = field(default_factory=dict)
    made: int = 0
    chance: Random = field(default_factory=lambda: Random(1))

    @classmethod
    async def gather(cls, caller: Caller) -> "Cast":
        """Found a programme and everything that stands in it."""
        shop = await found(caller, funding="prepaid")
        installations = "/v1/installations"
        said = {"partner_id": shop.partner_id, "store_id": shop.store_id, "name": "Loja"}
        generic = {
            "connector": "generic",
            "config": {"namespace": NAMESPACE, "secret": GENERIC_SECRET},
            **said,
        }
        system = (await shop.caller.make(installations, generic))["installation_id"]
        stone = {"connector": "stone", "config": {"account_id": f"acc_{shop.partner_id[4:20]}"}, **said}
        ours = (await shop.caller.make(installations, stone))["installation_id"]
        enrolled = {"store_id": shop.store_id, "installation_id": ours, "serial": "T1"}
        terminal = await shop.caller.make(f"/v1/partners/{shop.partner_id}/terminals", enrolled)
        cast = cls(shop, system, terminal["terminal_id"], HmacFields((terminal["secret"].encode(),)))
        cast.standing |= {"partner_id": shop.partner_id, "store_id": shop.store_id, "installation_id": system}
        store = {"connector": "shopify", "config": SHOPIFY, **said, "name": "Loja virtual"}
        signing = (await shop.caller.make(installations, store))["installation_id"]
        cast.standing |= {"terminals_at": ours, "shop_at": signing}
        await cast.post(f"/v1/partners/{shop.partner_id}/packs", {"units": RICH})
        return cast

    @property
    def number(self) -> int:
        """A number that was not used before in this programme."""
        self.made += 1
        return self.made

    def ref(self) -> str:
        """Return a name that nobody bears yet."""
        return f"ref-{self.number}"

    async def one(self, name: str) -> Any:
        """Return the standing thing of this name."""
        if name not in self.standing:
            self.standing[name] = await self.another(name)
        return self.standing[name]

    async def another(self, name: str) -> Any:
        """Make a thing of this name that nothing else uses."""
        return await MAKERS[name](self)

    async def post(self, path: str, body: Any = None) -> Json:
        """Return what a POST that must succeed answers."""
        answer = await self.shop.caller.post(path, body, self.ref())
        assert answer.is_success, (path, answer.text)
        said: Json = answer.json()
        return said

    def proof(self, scheme: HmacFields, key_id: str, body: bytes) -> dict[str, str]:
        """Return the headers that prove `body`."""
        names = {"x-ponte-key": key_id, "x-ponte-nonce": self.ref()}
        return scheme.sign(body, self.shop.caller.world.clock(), names)

    async def deliver(self, body: bytes) -> Json:
        """Deliver bytes, signed by the generic system."""
        path, proof = f"/in/{self.system_id}", self.proof(SYSTEM, NAMESPACE, body)
        answer = await self.shop.caller.http.post(path, content=body, headers=proof)
        assert answer.is_success, answer.text
        said: Json = answer.json()
        return said

    def payment(self, cents: int = WORTH_CENTS) -> Json:
        """Return what a payment says that nobody told before."""
        now = self.shop.caller.world.clock().isoformat()
        return {
            "about": "payment", "keys": [["stone:atk", str(51 * 10**12 + self.number)]], "method": "credit",
            "captured_cents": cents, "sold_at": now, "as_of": now,
        }  # fmt: skip


async def _member(cast: Cast) -> str:
    member = await cast.shop.register(cpf_of(cast.number))
    await cast.post(f"/v1/members/{member['member_id']}/goodwill", {"units": RICH})
    return str(member["member_id"])


async def _known_cpf(cast: Cast) -> str:
    document = cpf_of(900_000_000 + cast.number)
    cast.standing["member_id"] = (await cast.shop.register(document))["member_id"]
    await cast.post(f"/v1/members/{cast.standing['member_id']}/goodwill", {"units": RICH})
    return document


async def _known_cnpj(cast: Cast) -> str:
    document = cnpj_of(cast.number)
    await cast.post("/v1/members", {"cnpj": document, "consent": CONSENT})
    return document


async def _category(cast: Cast) -> Any:
    return (await cast.post("/v1/categories", {"name": "Ouro"}))["category_id"]


async def _reward(cast: Cast) -> Any:
    said = {"name": "Vale", "kind": "discount", "cost_units": 1, "amount_cents": WORTH_CENTS}
    return (await cast.post("/v1/rewards", said))["reward_id"]


async def _voucher(cast: Cast) -> Json:
    await cast.one("cpf")  # its holder
    said = {"member_id": await cast.one("member_id"), "reward_id": await cast.one("reward_id")}
    return await cast.post("/v1/vouchers", said)


async def _use(cast: Cast) -> str:
    said = {
        "code": (await _voucher(cast))["code"],
        "partner_id": cast.shop.partner_id,
        "order_ref": cast.ref(),
    }
    used = await cast.post("/v1/vouchers/reserve", {**said, "order_cents": 10**6, "amount_cents": 1000})
    return str(used["use_id"])


async def _spent_use(cast: Cast) -> str:
    use_id = await _use(cast)
    await cast.post("/v1/vouchers/commit", {"use_id": use_id})
    return use_id


async def _sale(cast: Cast) -> str:
    return str((await cast.deliver(json.dumps({"facts": [cast.payment()]}).encode()))["sales"][0]["sale_id"])


async def _key(cast: Cast) -> Json:
    payment = cast.payment()
    await cast.deliver(json.dumps({"facts": [payment]}).encode())
    kind, value = payment["keys"][0]
    return {"kind": kind, "value": value}


async def _launch_ref(cast: Cast) -> str:
    said = cast.shop.sale(cast.ref(), WORTH_CENTS, cpf=await cast.one("cpf"))
    await cast.post("/v1/sales", said)
    return str(said["launch_ref"])


async def _reservation(cast: Cast) -> str:
    body = json.dumps({"cpf": await cast.one("cpf")}).encode()
    proof = {**cast.proof(cast.device, cast.device_id, body), "content-type": "application/json"}
    answer = await cast.shop.caller.http.post("/v1/terminal/reservations", content=body, headers=proof)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["reservation"])


async def _terminal(cast: Cast) -> Any:
    said = {"store_id": cast.shop.store_id, "installation_id": cast.standing["terminals_at"]}
    path = f"/v1/partners/{cast.shop.partner_id}/terminals"
    return (await cast.post(path, {**said, "serial": cast.ref()}))["terminal_id"]


async def _operator(cast: Cast) -> Any:
    return (await _made_operator(cast))["operator_id"]


async def _operator_ref(cast: Cast) -> Any:
    return (await _made_operator(cast))["operator_ref"]


async def _made_operator(cast: Cast) -> Json:
    said = {"store_id": cast.shop.store_id, "name": "Caixa", "operator_ref": cast.ref()}
    return await cast.post(f"/v1/partners/{cast.shop.partner_id}/operators", said)


async def _installation(cast: Cast) -> Any:
    said = {
        "connector": "generic",
        "partner_id": cast.shop.partner_id,
        "name": cast.ref(),
        "config": _config(cast),
    }
    return (await cast.post("/v1/installations", said))["installation_id"]


def _config(cast: Cast) -> Json:
    return {"namespace": cast.ref(), "secret": GENERIC_SECRET}


async def _answer(cast: Cast) -> str:
    return ANSWER.format(cents=WORTH_CENTS, atk=51 * 10**12 + cast.number)


async def _parked(cast: Cast) -> Any:
    return (await cast.deliver(f"no json {cast.number}".encode()))["delivery_id"]


async def _api_key(cast: Cast) -> Any:
    return (await cast.post("/v1/keys", {"name": "key", "scopes": ["sales:read"]}))["key_id"]


async def _said(value: Any) -> Any:
    return value


async def _of_voucher(cast: Cast, name: str) -> Any:
    return (await _voucher(cast))[name]


async def _qr(cast: Cast) -> Any:
    revealing = f"/v1/vouchers/{(await _voucher(cast))['voucher_id']}/reveal"
    return (await cast.post(revealing, {"cpf": await cast.one("cpf")}))["qr"]


MAKERS: Final[Mapping[str, Callable[[Cast], Made]]] = {
    "member_id": _member,
    "cpf": _known_cpf,
    "cnpj": _known_cnpj,
    "category_id": _category,
    "reward_id": _reward,
    "voucher_id": lambda cast: _of_voucher(cast, "voucher_id"),
    "code": lambda cast: _of_voucher(cast, "code"),
    "keypad_code": lambda cast: _of_voucher(cast, "keypad_code"),
    "qr": _qr,
    "use_id": _use,
    "spent_use_id": _spent_use,
    "sale_id": _sale,
    "key": _key,
    "launch_ref": _launch_ref,
    "reservation": _reservation,
    "terminal_id": _terminal,
    "operator_id": _operator,
    "operator_ref": _operator_ref,
    "installation_id": _installation,
    "delivery_id": _parked,
    "key_id": _api_key,
    "answer": _answer,
    "config": lambda cast: _said(_config(cast)),
    **{
        name: lambda cast: _said(cast.ref())
        for name in (
            "return_ref",
            "rollback_ref",
            "order_ref",
            "merchant_ref",
            "serial",
            "coined_ref",
        )
    },
    "coined_cpf": lambda cast: _said(cpf_of(cast.number)),
    "coined_cnpj": lambda cast: _said(cnpj_of(cast.number)),
}
"""How each thing comes to be, by the name under which requests ask for it."""

STANDING: Final = frozenset(
    {
        "partner_id",
        "store_id",
        "terminals_at",
        "category_id",
        "reward_id",
        "cpf",
        "cnpj",
        "sale_id",
        "launch_ref",
        "operator_ref",
    }
)
"""Things that no request uses up; of everything else a request that writes gets its own."""

COINED: Final[Mapping[tuple[str, str], str]] = {
    ("launch_sale", "launch_ref"): "coined_ref",
    ("add_operator", "operator_ref"): "coined_ref",
    ("register_member", "cpf"): "coined_cpf",
    ("register_member", "cnpj"): "coined_cnpj",
    ("add_dependent", "cpf"): "coined_cpf",
    ("add_dependent", "cnpj"): "coined_cnpj",
    ("begin_sign_in", "installation_id"): "shop_at",
    ("begin_backfill", "installation_id"): "shop_at",
    ("enrol_terminal", "installation_id"): "terminals_at",
    ("install_connector", "name"): "coined_ref",
    ("roll_back_use", "use_id"): "spent_use_id",
    ("terminal_give_back", "use_id"): "spent_use_id",
}
"""Where a name means something else than it does everywhere: an operation that brings the thing into being."""


@dataclass(frozen=True, slots=True)
class Real:
    """Puts real values into one request."""

    cast: Cast
    operation_id: str
    writes: bool
    fields: set[str]
    of_a_person: bool

    async def body(self, said: Any) -> Any:
        """Return a whole body with what its fields need of each other."""
        if self.operation_id == "deliver":  # its bytes are the vendor's: the document does not say them
            return {"facts": [self.cast.payment()]}
        made = await self.all_of(said)
        if not isinstance(made, dict):
            return made
        if "keypad_code" in self.fields or ("cnpj" in made and self.of_a_person):
            made |= {"cpf": await self.cast.one("cpf"), **({"cnpj": None} if "cnpj" in made else {})}
        if made.get("cashback_bps") is not None:  # the programme counts points
            made["rate_micro"] = made.pop("cashback_bps")
        if "config" in self.fields:
            made["config"] = _config(self.cast)
        if {"kind", "cost_units"} <= self.fields:  # only a cash-out has no price
            price = {name: FIGURES[name](self.cast.chance) for name in ("cost_units", "amount_cents")}
            made |= {**price, "auto_issue": False}
        if "partner_id" in self.fields:
            made["partner_id"] = self.cast.shop.partner_id
        return made

    async def all_of(self, said: Any) -> Any:
        """Return `said` with each known name's value replaced; a null stays."""
        if isinstance(said, float) and said.is_integer():
            return int(said)  # JSON Schema calls 1.0 an integer; the API takes none for money
        if isinstance(said, list):
            return [await self.all_of(value) for value in said]
        if not isinstance(said, dict):
            return said
        return {name: await self.named(name, value) for name, value in said.items()}

    async def named(self, name: str, value: Any) -> Any:
        """Return a real value for a field, or what there is of it in `value`."""
        if value is None:
            return None
        coined = COINED.get((self.operation_id, name), name)
        if coined in FIGURES:
            return FIGURES[coined](self.cast.chance)
        if coined in MAKERS or coined in self.cast.standing:
            lasting = coined in STANDING or coined not in MAKERS or not self.writes
            return await (self.cast.one(coined) if lasting else self.cast.another(coined))
        return await self.all_of(value)
