"""The day itself: scenes played against a hub through HTTP, in an order that the seed decides.

A scene tells what it does, reckons what must follow, and reads back what did.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from contracts.money import brl
from contracts.signatures import Basic, HmacFields
from gateway.demo.cast import Cast, Dice, Person, Unit
from gateway.demo.reckoning import Check, Purchase, Purse
from gateway.demo.stone import Acquirer, Payment, message
from gateway.demo.town import Installed, Programme, Shop, Town, ask, must, register
from gateway.ports import SettableClock, system_entropy
from loyalty.statement import shown

WAIT_SECONDS: Final = 8
SCENE_MINUTES: Final = (28, 46)


@dataclass(slots=True)
class Scene:
    """One event of the day: what was told, and every figure that was compared."""

    at: datetime
    title: str
    told: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    slip: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """Add a sentence."""
        self.told.append(text)

    def check(self, what: str, expected: object, read: object) -> None:
        """Compare a figure."""
        self.checks.append(Check(what, expected, read))


@dataclass(slots=True)
class Story:
    """A day in the town; `scenes` grows as it is played."""

    town: Town
    cast: Cast
    dice: Dice
    acquirer: Acquirer
    clock: SettableClock
    scenes: list[Scene] = field(default_factory=list)
    purses: dict[tuple[str, str], Purse] = field(default_factory=dict)

    async def play(self) -> None:
        """Play every scene."""
        for number in self.dice.order(len(SCENES)):
            title, act = SCENES[number]
            self.clock.advance(timedelta(minutes=self.dice.minutes(*SCENE_MINUTES)))
            scene = Scene(self.clock(), title)
            self.scenes.append(scene)
            await act(self, scene)

    @property
    def checks(self) -> list[Check]:
        """Every figure that was compared."""
        return [check for scene in self.scenes for check in scene.checks]

    # ------------------------------------------------------------------ what people and machines do

    def pay(self, shop: Shop, amount_cents: int, reservation: str | None = None) -> Payment:
        """Return a payment that the acquirer has just approved."""
        self.clock.advance(timedelta(minutes=1))
        return Payment(
            charge_id=f"ch_demo{self.dice.digits(12)}",
            atk=self.dice.digits(14),
            order_id=f"or_demo{self.dice.digits(12)}",
            amount_cents=amount_cents,
            paid_at=self.clock(),
            serial=shop.terminal.serial,
            reservation=reservation,
        )

    async def webhook(self, shop: Shop, event: str, charge: Mapping[str, Any], told_at: datetime) -> Any:
        """Send what the acquirer says of a charge; return the hub's answer."""
        body = message(shop.account_id, event, charge, told_at)
        self.acquirer.charges[charge["id"]] = charge
        self.clock.advance(timedelta(seconds=5))
        heard = await self.town.hub.send("POST", _path(shop.stone), body, self.proof(shop, body))
        return must(heard, event)

    def proof(self, shop: Shop, body: bytes) -> Mapping[str, str]:
        """Return the headers with which a webhook of this shop's account proves itself."""
        config = shop.stone.config
        if config["authenticity"] == "basic":
            return Basic(config["basic_user"], config["basic_password"]).sign()
        return self.acquirer.sign(body)

    async def paid(self, shop: Shop, payment: Payment) -> Any:
        """Send the webhook of a payment."""
        return await self.webhook(shop, "charge.paid", payment.charge(), payment.paid_at)

    async def reserve(self, shop: Shop, person: Person, amount_cents: int) -> str:
        """Type a CPF at the terminal before the payment; return the number that the payment will carry."""
        said = {"cpf": person.cpf, "amount_cents": amount_cents}
        answer = await self._device(shop, "/v1/terminal/reservations", said)
        return str(answer["reservation"])

    async def report(self, shop: Shop, payment: Payment, cpf: str | None = None, code: str = "0") -> Any:
        """Let the terminal tell the result of a payment; return what the hub answers, slip included."""
        said = {"answer": payment.answer(code), "reservation": payment.reservation, "cpf": cpf}
        said = {name: value for name, value in said.items() if value is not None}
        return await self._device(shop, "/v1/terminal/results", said)

    async def _device(self, shop: Shop, path: str, said: Mapping[str, Any]) -> Any:
        body = json.dumps(said).encode()
        heard = await self.town.hub.send(
            "POST", path, body, self._signed(shop.terminal.terminal_id, shop.terminal.secret, body)
        )
        return must(heard, path)

    async def state(self, system: Installed, facts: list[dict[str, Any]]) -> Any:
        """Let a system of the shop's own state facts, signed."""
        body = json.dumps({"facts": facts}).encode()
        headers = self._signed(system.installation_id, system.config["secret"], body)
        return must(await self.town.hub.send("POST", _path(system), body, headers), "generic")

    def _signed(self, name: str, secret: str, body: bytes) -> Mapping[str, str]:
        fields = {"x-ponte-key": name, "x-ponte-nonce": system_entropy(16).hex()}
        return HmacFields((secret.encode(),)).sign(body, self.clock(), fields)

    # ------------------------------------------------------------------ what is read back

    def bought(self, shop: Shop, person: Person, kept_cents: int, *, confirmed: bool = True) -> Purchase:
        """Note a purchase in the story's own reckoning."""
        purchase = Purchase(kept_cents, shop.company.rate_micro, confirmed)
        self.purse(shop.programme, person).purchases.append(purchase)
        return purchase

    def purse(self, programme: Programme, person: Person) -> Purse:
        """Return what the story knows of somebody's money in a programme."""
        return self.purses.setdefault((programme.programme_id, person.cpf), Purse())

    async def member(self, programme: Programme, person: Person) -> Any:
        """Return a member as the API shows it."""
        return await ask(self.town.hub, programme.key, "POST", "/v1/members/lookup", {"cpf": person.cpf})

    async def balance(self, scene: Scene, programme: Programme, person: Person) -> Mapping[str, int]:
        """Compare somebody's whole balance with the reckoning; return what was read."""
        read = await self.member(programme, person)
        for name, expected in self.purse(programme, person).figures.items():
            scene.check(f"{person.name}: {name}", expected, read[name])
        return {name: read[name] for name in self.purse(programme, person).figures}

    async def sale(self, shop: Shop, payment: Payment) -> Any:
        """Return the sale of a payment as the API explains it."""
        asked = {"key": {"kind": "stone:atk", "value": payment.atk}, "partner_id": shop.partner_id}
        found = await ask(self.town.hub, shop.programme.key, "POST", "/v1/sales/lookup", asked)
        return found["data"][0]

    async def drained(self, programme: Programme) -> None:
        """Return when no delivery waits for the worker to ask the acquirer."""
        async with asyncio.timeout(WAIT_SECONDS):
            path = "/v1/deliveries?state=waiting"
            while (await ask(self.town.hub, programme.key, "GET", path))["data"]:  # noqa: ASYNC110 -- over HTTP
                await asyncio.sleep(0.05)


def _path(installed: Installed) -> str:
    return f"/in/{installed.installation_id}"


# ---------------------------------------------------------------------- the scenes


async def seen_twice(story: Story, scene: Scene) -> None:
    """CPF before payment; the terminal and the webhook speak of one sale; the webhook comes three times."""
    shop, person = story.town.market, story.cast.people[0]
    amount_cents = story.dice.cents(3_000, 30_000)
    payment = story.pay(shop, amount_cents, await story.reserve(shop, person, amount_cents))
    purchase = story.bought(shop, person, amount_cents, confirmed=False)
    answer = await story.report(shop, payment)
    scene.slip = list(answer["slip"])
    scene.check("units on the slip", purchase.units, answer["earned_units"])
    await story.balance(scene, shop.programme, person)
    scene.tell(
        f"{person.name} digita o CPF e paga {brl(amount_cents)} em {shop.company.name}: crédito a confirmar."
    )
    purchase.confirmed = True
    await story.paid(shop, payment)
    movements = len((await story.sale(shop, payment))["movements"])
    for _ in range(2):
        await story.paid(shop, payment)
    sale = await story.sale(shop, payment)
    scene.check("movements after two more copies", movements, len(sale["movements"]))
    scene.check("units of the one sale", purchase.units, sale["units"])
    read = await story.balance(scene, shop.programme, person)
    scene.tell("O webhook da mesma compra chega três vezes: continua uma venda só, agora confirmada.")
    scene.tell(_has(person, read, "points"))


async def cpf_after_payment(story: Story, scene: Scene) -> None:
    """The webhook comes first and is confirmed with the acquirer; then the CPF is typed after the payment."""
    shop, person = story.town.station, story.cast.people[1]
    amount_cents = story.dice.cents(5_000, 25_000)
    payment = story.pay(shop, amount_cents)
    kept = await story.paid(shop, payment)
    scene.check("unsigned webhook", "waiting", kept["outcome"])
    await story.drained(shop.programme)
    sale = await story.sale(shop, payment)
    scene.check("sale without CPF", ("none", "no_cpf", 0), (sale["state"], sale["reason"], sale["units"]))
    scene.tell(
        f"{shop.company.name} recebe {brl(amount_cents)}; o aviso chega sem assinatura e é conferido na adquirente."
    )
    purchase = story.bought(shop, person, amount_cents)
    answer = await story.report(shop, payment, cpf=person.cpf)
    scene.check("units on the slip", purchase.units, answer["earned_units"])
    read = await story.balance(scene, shop.programme, person)
    scene.tell(f"{person.name} informa o CPF depois de pagar. {_has(person, read, 'points')}")


async def out_of_order(story: Story, scene: Scene) -> None:
    """The webhook of a partial refund overtakes the webhook of its sale."""
    shop, person = story.town.market, story.cast.people[2]
    amount_cents = story.dice.cents(10_000, 40_000)
    returned_cents = story.dice.cents(1_000, amount_cents // 2)
    payment = story.pay(shop, amount_cents, await story.reserve(shop, person, amount_cents))
    told_at = story.clock.advance(timedelta(minutes=9))
    refunded = payment.charge(returned_cents=returned_cents, told_at=told_at)
    await story.webhook(shop, "charge.partial_canceled", refunded, told_at)
    await story.paid(shop, payment)
    purchase = story.bought(shop, person, amount_cents - returned_cents)
    sale = await story.sale(shop, payment)
    scene.check("units of the sale", purchase.units, sale["units"])
    read = await story.balance(scene, shop.programme, person)
    scene.tell(
        f"{person.name} paga {brl(amount_cents)} em {shop.company.name} e devolve {brl(returned_cents)}; "
        f"o aviso da devolução chega antes do aviso da compra."
    )
    scene.tell(_has(person, read, "points"))


async def two_cards(story: Story, scene: Scene) -> None:
    """An online order, paid with two cards: one sale, one floor."""
    shop, person = story.town.market, story.cast.people[1]
    assert shop.online is not None
    amounts = story.dice.two_cards(shop.company.rate_micro)
    first, second = (story.pay(shop, cents) for cents in amounts)
    await story.paid(shop, first)
    order = {
        "about": "document",
        "kind": "order",
        "keys": [[f"order:{shop.online.config['namespace']}", story.dice.digits(6)]],
        "gross_cents": sum(amounts),
        "sold_at": second.paid_at.isoformat(),
        "as_of": second.paid_at.isoformat(),
        "customer": {"document": person.cpf},
        "tenders": [
            {
                "keys": [["pagarme:charge", each.charge_id]],
                "method": "credit",
                "amount_cents": each.amount_cents,
            }
            for each in (first, second)
        ],
    }
    await story.state(shop.online, [order])
    await story.paid(shop, second)
    purchase = story.bought(shop, person, sum(amounts))
    sale = await story.sale(shop, first)
    other = await story.sale(shop, second)
    scene.check("one sale for both cards", expected=True, read=sale["sale_id"] == other["sale_id"])
    scene.check("units of the order", purchase.units, sale["units"])
    apart = sum(Purchase(cents, shop.company.rate_micro).units for cents in amounts)
    read = await story.balance(scene, shop.programme, person)
    scene.tell(
        f"{person.name} paga um pedido de {brl(sum(amounts))} com dois cartões, {brl(amounts[0])} e {brl(amounts[1])}: "
        f"{shown(purchase.units, 'points')} (cartão por cartão seriam {apart})."
    )
    scene.tell(_has(person, read, "points"))


async def cancelled_before_its_sale(story: Story, scene: Scene) -> None:
    """The webhook of a full cancel comes before anything else is known of the sale."""
    shop, person = story.town.market, story.cast.people[3]
    amount_cents = story.dice.cents(2_000, 20_000)
    payment = story.pay(shop, amount_cents, await story.reserve(shop, person, amount_cents))
    told_at = story.clock.advance(timedelta(minutes=3))
    cancelled = payment.charge(returned_cents=amount_cents, told_at=told_at)
    await story.webhook(shop, "charge.refunded", cancelled, told_at)
    await story.paid(shop, payment)
    await story.report(shop, payment)
    story.bought(shop, person, 0)
    sale = await story.sale(shop, payment)
    scene.check("cancelled sale", ("none", "given_back", 0), (sale["state"], sale["reason"], sale["units"]))
    await story.balance(scene, shop.programme, person)
    scene.tell(
        f"A compra de {brl(amount_cents)} de {person.name} é cancelada, e o cancelamento chega antes da compra: "
        f"nada é creditado, em nenhuma ordem."
    )


async def refund_after_cash_out(story: Story, scene: Scene) -> None:
    """Points are cashed out, then their sale is refunded: a debt, which the next purchase repays first."""
    shop, person = story.town.station, story.cast.people[4]
    first_cents, next_cents = story.dice.cents(8_000, 20_000), story.dice.cents(2_000, 30_000)
    payment = story.pay(shop, first_cents, await story.reserve(shop, person, first_cents))
    await story.paid(shop, payment)
    await story.drained(shop.programme)
    purse = story.purse(shop.programme, person)
    purchase = story.bought(shop, person, first_cents)
    member_id = story.town.members[shop.programme.programme_id, person.cpf]
    cashed = purse.figures["available_units"]
    voucher = await ask(
        story.town.hub, shop.programme.key, "POST", f"/v1/members/{member_id}/cashouts", {"units": cashed}
    )
    purse.cashed_units += cashed
    scene.check("units of the voucher", cashed, voucher["units"])
    scene.tell(
        f"{person.name} compra {brl(first_cents)} em {shop.company.name} e resgata {shown(cashed, 'points')}."
    )
    told_at = story.clock.advance(timedelta(minutes=6))
    purchase.kept_cents = 0
    refunded = payment.charge(returned_cents=first_cents, told_at=told_at)
    await story.webhook(shop, "charge.refunded", refunded, told_at)
    await story.drained(shop.programme)
    debt = await story.balance(scene, shop.programme, person)
    scene.tell(f"A compra é estornada por inteiro: saldo devedor de {shown(-debt['debt_units'], 'points')}.")
    repaying = story.pay(shop, next_cents, await story.reserve(shop, person, next_cents))
    await story.paid(shop, repaying)
    story.bought(shop, person, next_cents)
    await story.drained(shop.programme)
    read = await story.balance(scene, shop.programme, person)
    scene.tell(
        f"A compra seguinte, de {brl(next_cents)}, abate primeiro a dívida. {_has(person, read, 'points')}"
    )


async def stranger_registers(story: Story, scene: Scene) -> None:
    """A CPF that nobody knows buys, registers later, and is credited then."""
    shop, person = story.town.market, story.cast.stranger
    amount_cents = story.dice.cents(4_000, 30_000)
    payment = story.pay(shop, amount_cents)
    answer = await story.report(shop, payment, cpf=person.cpf)
    await story.paid(shop, payment)
    sale = await story.sale(shop, payment)
    scene.check("sale of a stranger", ("unmatched", 0), (sale["state"], sale["units"]))
    scene.check("slip invites", expected=True, read=any("cadastre-se" in line for line in answer["slip"]))
    unknown = await story.town.hub.call("POST", "/v1/members/lookup", shop.programme.key, {"cpf": person.cpf})
    scene.check("member before registering", 404, unknown.status)
    scene.tell(
        f"Um CPF desconhecido compra {brl(amount_cents)} em {shop.company.name}: a compra fica à espera."
    )
    story.clock.advance(timedelta(minutes=12))
    await register(story.town, shop.programme, person)
    purchase = story.bought(shop, person, amount_cents)
    scene.check("units after registering", purchase.units, (await story.sale(shop, payment))["units"])
    read = await story.balance(scene, shop.programme, person)
    scene.tell(f"{person.name} se cadastra e recebe o crédito. {_has(person, read, 'points')}")


async def forged(story: Story, scene: Scene) -> None:
    """A webhook with a signature over another body: refused, and nothing of it is kept."""
    shop = story.town.market
    payment = story.pay(shop, story.dice.cents(90_000, 99_999))
    body = message(shop.account_id, "charge.paid", payment.charge(), payment.paid_at)
    headers = story.acquirer.sign(body.replace(b"DEMO", b"demo"))
    heard = await story.town.hub.send("POST", _path(shop.stone), body, headers)
    scene.check("forged webhook", 401, heard.status)
    asked = {"key": {"kind": "stone:atk", "value": payment.atk}, "partner_id": shop.partner_id}
    unknown = await story.town.hub.call("POST", "/v1/sales/lookup", shop.programme.key, asked)
    scene.check("its sale", 404, unknown.status)
    scene.tell(
        f"Alguém anuncia uma venda de {brl(payment.amount_cents)} com assinatura falsa: recusada (401), nada guardado."
    )


async def garbage(story: Story, scene: Scene) -> None:
    """Bytes that the acquirer signed and nobody understands: kept where a person can see them."""
    shop = story.town.market
    body = b'{"id": "hook_' + story.dice.digits(9).encode() + b'", "type": "charge.pa'
    heard = await story.town.hub.send("POST", _path(shop.stone), body, story.acquirer.sign(body))
    scene.check("garbage", (202, "parked"), (heard.status, heard.body["outcome"]))
    parked = await ask(story.town.hub, shop.programme.key, "GET", "/v1/deliveries?state=parked")
    scene.check("deliveries on the shelf", 1, len(parked["data"]))
    scene.tell(
        "Chega uma mensagem cortada ao meio, com assinatura verdadeira: estacionada, visível, com motivo e retentativa."
    )


async def declined(story: Story, scene: Scene) -> None:
    """A card that the acquirer declines earns nothing."""
    shop, person = story.town.station, story.cast.people[2]
    amount_cents = story.dice.cents(3_000, 9_000)
    payment = story.pay(shop, amount_cents, await story.reserve(shop, person, amount_cents))
    answer = await story.report(shop, payment, code="51")
    scene.check("declined", ("declined", 0), (answer["outcome"], answer["earned_units"]))
    await story.balance(scene, shop.programme, person)
    scene.tell(
        f"O cartão de {person.name} é recusado em {shop.company.name} ({brl(amount_cents)}): nada é creditado."
    )


async def cashback(story: Story, scene: Scene) -> None:
    """The other programme: a share of each sale in centavos, partly cashed out."""
    shop, person = story.town.bakery, story.cast.people[0]
    amount_cents = story.dice.cents(2_000, 12_000)
    payment = story.pay(shop, amount_cents, await story.reserve(shop, person, amount_cents))
    await story.report(shop, payment)
    await story.paid(shop, payment)
    purchase = story.bought(shop, person, amount_cents)
    sale = await story.sale(shop, payment)
    scene.check("centavos of cashback", purchase.units, sale["units"])
    purse = story.purse(shop.programme, person)
    out = story.dice.cents(1, purse.figures["available_units"])
    member_id = story.town.members[shop.programme.programme_id, person.cpf]
    await ask(story.town.hub, shop.programme.key, "POST", f"/v1/members/{member_id}/cashouts", {"units": out})
    purse.cashed_units += out
    read = await story.balance(scene, shop.programme, person)
    scene.tell(
        f"{person.name} compra {brl(amount_cents)} em {shop.company.name}, recebe {brl(purchase.units)} "
        f"de cashback e saca {brl(out)}. {_has(person, read, 'cashback')}"
    )


def _has(person: Person, read: Mapping[str, int], unit: Unit) -> str:
    """Return somebody's balance as a sentence."""
    said = f"Saldo de {person.name.split()[0]}: {shown(read['available_units'], unit)}"
    if read["pending_units"]:
        said += f", a confirmar {shown(read['pending_units'], unit)}"
    if read["debt_units"]:
        said += f", devedor {shown(-read['debt_units'], unit)}"
    return said + "."


Act: TypeAlias = Callable[[Story, Scene], Awaitable[None]]

SCENES: Final[tuple[tuple[str, Act], ...]] = (
    ("Vista pelo terminal e pelo webhook", seen_twice),
    ("CPF depois do pagamento", cpf_after_payment),
    ("Avisos fora de ordem, devolução parcial", out_of_order),
    ("Um pedido, dois cartões", two_cards),
    ("O cancelamento chega antes da venda", cancelled_before_its_sale),
    ("Estorno de pontos já resgatados", refund_after_cash_out),
    ("CPF desconhecido que se cadastra", stranger_registers),
    ("Assinatura falsa", forged),
    ("Mensagem ilegível", garbage),
    ("Pagamento recusado", declined),
    ("Cashback", cashback),
)
