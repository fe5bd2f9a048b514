"""True histories of a few days, and what lossy sources say of them. Everything follows from the seed.

`generate(seed)` returns the truth and the deliveries; what a delivery says is plain facts of the contracts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from contracts.facts import (
    AnyFact,
    Coverage,
    Customer,
    DocumentEvidence,
    DocumentKind,
    Key,
    Method,
    Operation,
    PaymentEvidence,
    State,
    Tender,
    Trust,
)

ZONE = ZoneInfo("America/Sao_Paulo")
MERCHANT = "loja-1"
FIRST_DAY = date(2026, 3, 2)
DAYS = 4
CPFS = ("52998224725", "11144477735", "39053344705")
RATES = ((FIRST_DAY, 7_000_000), (FIRST_DAY + timedelta(days=1), 14_000_000))
"""From which local day how many millionths of a point R$ 1 earns: a campaign starts at the second midnight."""


@dataclass(frozen=True)
class Delivery:
    """What one source says at once. `needed`: the truth cannot be known without it, so it is never lost."""

    source: str
    trust: Trust
    facts: tuple[AnyFact, ...]
    sent_at: datetime
    needed: bool = True


@dataclass(frozen=True)
class Back:
    """Money that truly went back (or was won back), on one instalment counted from 0."""

    kind: str
    key: str
    cents: int
    instalment: int
    at: datetime


@dataclass
class Paid:
    """One payment as it truly was. `mistaken`: charged in error and cancelled, no part of the purchase.

    `relisted`: the file numbers what went back of it in two layouts.
    """

    ref: str
    method: Method
    instalments: tuple[int, ...]
    sold_at: datetime
    mistaken: bool = False
    relisted: bool = False
    back: list[Back] = field(default_factory=list)

    @property
    def cents(self) -> int:
        return sum(self.instalments)


@dataclass
class Purchase:
    """One purchase as it truly was; `said_owner` holds (ladder rank, as_of, CPF) of everyone who named a buyer."""

    ref: str
    sold_at: datetime
    money_cents: int
    shipping_cents: int = 0
    loyalty_cents: int = 0
    ordered: bool = False
    invoices: tuple[int, ...] = ()
    cancelled: bool = False
    order_states: tuple[int, int] | None = None
    payments: list[Paid] = field(default_factory=list)
    said_owner: list[tuple[int, datetime, str]] = field(default_factory=list)

    @property
    def documented(self) -> bool:
        return self.ordered or bool(self.invoices)

    @property
    def returned_cents(self) -> int:
        """What refunds of its own payments gave back (chargebacks are the bank's, a store does not know them)."""
        own = [b for p in self.payments if not p.mistaken for b in p.back]
        return sum(b.cents for b in own if b.kind == "return")


@dataclass(frozen=True)
class History:
    seed: int
    purchases: tuple[Purchase, ...]
    deliveries: tuple[Delivery, ...]

    def received(self, random: Random) -> list[Delivery]:
        """Return what arrived: some lost, some twice, in any order."""
        kept = [d for d in self.deliveries if d.needed or random.random() > 0.4]
        kept += random.sample(kept, k=len(kept) // 3)
        random.shuffle(kept)
        return kept


def generate(seed: int, purchases: int = 3) -> History:
    """Return the history of `seed`."""
    random = Random(seed)
    true = tuple(_purchase(random, f"{seed}-{n}") for n in range(purchases))
    said = [d for purchase in true for d in _said(random, purchase)]
    return History(seed, true, (*said, *_files(random, [p for purchase in true for p in purchase.payments])))


# ------------------------------------------------------------------------------------------ what truly happened
def _instant(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).astimezone(UTC)


def _parts(random: Random, cents: int, count: int) -> tuple[int, ...]:
    """Split an amount into `count` parts of at least one centavo."""
    cuts = sorted(random.sample(range(1, cents), count - 1))
    return tuple(b - a for a, b in zip((0, *cuts), (*cuts, cents), strict=True))


def _purchase(random: Random, ref: str) -> Purchase:
    day = FIRST_DAY + timedelta(days=random.choice((0, 0, 1)))
    near_midnight = random.random() < 0.3
    sold_at = (
        _instant(day, 23, 58)
        if near_midnight
        else _instant(day, random.randint(8, 22), random.randint(0, 59))
    )
    purchase = Purchase(
        ref, sold_at, money_cents=random.choice((700, 1000, 1990, random.randint(300, 99_999)))
    )
    kind = random.choice(("card", "card", "order", "order", "receipts", "both", "order only"))
    purchase.ordered = kind in {"order", "both", "order only"}
    if kind in {"receipts", "both"}:
        purchase.invoices = _parts(random, purchase.money_cents, random.choice((1, 2)))
    if purchase.ordered and random.random() < 0.5:
        purchase.shipping_cents = random.randint(0, purchase.money_cents // 3)
        purchase.loyalty_cents = random.choice((0, 250)) if not purchase.invoices else 0
    if kind != "order only":
        purchase.payments = _payments(random, purchase)
        _give_back(random, purchase)
        purchase.cancelled = purchase.ordered and random.random() < 0.15 and _cancel(purchase)
    if purchase.ordered and random.random() < 0.5:
        returned = purchase.returned_cents or (0 if purchase.payments else purchase.money_cents // 4)
        items = min(returned, purchase.money_cents - purchase.shipping_cents)
        purchase.order_states = (returned, items)
    return purchase


def _payments(random: Random, purchase: Purchase) -> list[Paid]:
    amounts = _parts(random, purchase.money_cents, random.choice((1, 1, 2)))
    mistakes = [random.randint(100, 9000)] if random.random() < 0.15 and purchase.documented else []
    payments = []
    for n, cents in enumerate((*amounts, *mistakes)):
        method: Method = random.choice(("credit", "credit", "debit", "pix"))
        count = 3 if method == "credit" and cents > 100 and random.random() < 0.5 else 1
        instalments = (cents // count + cents % count, *[cents // count] * (count - 1))
        payments.append(
            Paid(
                f"{purchase.ref}-{n}",
                method,
                instalments,
                purchase.sold_at,
                n >= len(amounts),
                random.random() < 0.2,
            )
        )
    return payments


def _give_back(random: Random, purchase: Purchase) -> None:
    for paid in purchase.payments:
        if paid.mistaken:
            at = paid.sold_at + timedelta(minutes=1)
            paid.back = [Back("return", f"c{n}", g, n, at) for n, g in enumerate(paid.instalments)]
            continue
        if random.random() < 0.5:
            continue
        for n, gross in enumerate(paid.instalments):
            at = purchase.sold_at + timedelta(hours=random.choice((1, 20, 26)))
            if random.random() < 0.5:
                paid.back.append(Back("return", f"r{n}", random.randint(1, gross), n, at))
            if paid.method == "credit" and random.random() < 0.4:
                disputed = Back("chargeback", f"k{n}", gross, n, at + timedelta(hours=2))
                paid.back.append(disputed)
                if random.random() < 0.5:
                    paid.back.append(Back("reinstatement", f"k{n}", gross, n, at + timedelta(hours=20)))


def _cancel(purchase: Purchase) -> bool:
    for paid in purchase.payments:
        at = paid.sold_at + timedelta(hours=3)
        paid.back = [Back("return", f"c{n}", g, n, at) for n, g in enumerate(paid.instalments)]
    return True


# ------------------------------------------------------------------------------------------ what sources say of it
def _said(random: Random, purchase: Purchase) -> Iterator[Delivery]:
    speakers = [s for s in (1, 2, 3) if random.random() < 0.7]
    buyer = random.choice(CPFS)
    cpfs = {rank: random.choice(CPFS) if random.random() < 0.15 else buyer for rank in speakers}
    if purchase.ordered:
        yield from _store(random, purchase, cpfs.get(2))
    if purchase.invoices:
        yield from _fiscal(random, purchase, cpfs.get(1))
    for n, paid in enumerate(purchase.payments):
        bridged = random.random() < 0.5
        yield from _webhooks(random, purchase, paid, names_atk=not bridged)
        if paid.method != "pix":
            yield _terminal(random, purchase, paid, cpfs.get(3) if n == 0 else None, bridge=bridged)


def _names(paid: Paid) -> dict[str, Key]:
    return {
        "atk": Key("stone:atk", f"atk-{paid.ref}"),
        "itk": Key("stone:itk", f"itk-{paid.ref}"),
        "charge": Key("pagarme:charge", f"ch-{paid.ref}"),
        "e2e": Key("pix:e2e", f"E{paid.ref}"),
        "reservation": Key("reservation", f"res-{paid.ref}"),
    }


def _own_key(paid: Paid) -> Key:
    return _names(paid)["e2e" if paid.method == "pix" else "charge"]


def _customer(purchase: Purchase, rank: int, at: datetime, cpf: str | None) -> Customer | None:
    if cpf is None:
        return None
    purchase.said_owner.append((rank, at, cpf))
    return Customer(document=cpf)


def _bought(
    purchase: Purchase, kind: DocumentKind, key: Key, money_cents: int, as_of: datetime, **more: object
) -> DocumentEvidence:
    shipping, loyalty = purchase.shipping_cents, purchase.loyalty_cents
    whole = kind == "order" or len(purchase.invoices) == 1
    shipping = shipping if whole and money_cents > shipping else 0
    gross = money_cents + loyalty - shipping
    tenders = tuple(
        Tender(
            keys=(_own_key(p) if kind == "order" or p.method == "pix" else _names(p)["atk"],),
            amount_cents=p.cents,
        )
        for p in purchase.payments
    )
    said: dict[str, object] = {
        "keys": (key,),
        "kind": kind,
        "gross_cents": gross + 100,
        "discount_cents": 100,
        "tenders": tenders,
    }
    said |= {"shipping_cents": shipping, "paid_with_loyalty_cents": loyalty, "sold_at": purchase.sold_at}
    return DocumentEvidence.model_validate({**said, "as_of": as_of, **more})


def _store(random: Random, purchase: Purchase, cpf: str | None) -> Iterator[Delivery]:
    key = Key("order:loja", purchase.ref)
    ends_at = _instant(FIRST_DAY + timedelta(days=DAYS - 1), 12)
    tellings: list[tuple[State, int, datetime]] = [
        ("authorised", purchase.money_cents, purchase.sold_at - timedelta(minutes=5)),
        (random.choice(("captured", "void")), purchase.money_cents + 300, purchase.sold_at),
        ("void" if purchase.cancelled else "captured", purchase.money_cents, ends_at),
    ]
    for n, (state, money, as_of) in enumerate(tellings):
        last = n == len(tellings) - 1
        returned, items = purchase.order_states or (0, None)
        states = {"returned_cents": returned, "returned_items_cents": items} if last else {}
        customer = _customer(purchase, 2, as_of, cpf) if last else None
        said = _bought(purchase, "order", key, money, as_of, state=state, customer=customer, **states)
        yield Delivery("store", "signed", (said,), as_of, needed=last)


def _fiscal(random: Random, purchase: Purchase, cpf: str | None) -> Iterator[Delivery]:
    """Receipts, one of them sometimes cancelled and issued again under the same payment."""
    links = (Key("order:loja", purchase.ref),) if purchase.ordered else ()
    for n, cents in enumerate(purchase.invoices):
        at = purchase.sold_at + timedelta(minutes=n)
        if random.random() < 0.2:
            void = Key("nfe:chave", f"void-{purchase.ref}-{n}")
            for state in ("captured", "void"):
                said = _bought(purchase, "fiscal", void, cents, at, state=state, links=links)
                yield Delivery("fiscal", "fiscal", (said,), at, needed=state == "void")
        customer = _customer(purchase, 1, at, cpf)
        key = Key("nfe:chave", f"{purchase.ref}-{n}")
        said = _bought(purchase, "fiscal", key, cents, at, links=links, customer=customer)
        yield Delivery("fiscal", "fiscal", (said,), at)


def _webhooks(random: Random, purchase: Purchase, paid: Paid, *, names_atk: bool) -> Iterator[Delivery]:
    """Cumulative figures. Of a card the acquirer may tell a whole chargeback; of a Pix the last word is true."""
    names = _names(paid)
    keys = (_own_key(paid),) if paid.method == "pix" or not names_atk else (names["charge"], names["atk"])
    links = (Key("pagarme:order", f"or-{purchase.ref}"),)
    moments = sorted({paid.sold_at, *(b.at for b in paid.back)})
    for n, as_of in enumerate(moments):
        so_far = {"return": 0, "chargeback": 0, "reinstatement": 0}
        for back in paid.back:
            if back.at <= as_of:
                so_far[back.kind] += back.cents
        if paid.method != "pix" and so_far["chargeback"] and random.random() < 0.5:
            so_far["chargeback"] = paid.cents
        said = PaymentEvidence(
            keys=keys, links=links, merchant_ref=MERCHANT, method=paid.method, sold_at=paid.sold_at, as_of=as_of,
            captured_cents=paid.cents, returned_cents=so_far["return"],
            charged_back_cents=so_far["chargeback"], reinstated_cents=so_far["reinstatement"],
        )  # fmt: skip
        needed = n == 0 or (paid.method == "pix" and n == len(moments) - 1)
        yield Delivery("webhook", "signed", (said,), as_of, needed=needed)
        if n == 0:
            again = said.model_copy(update={"as_of": _instant(FIRST_DAY + timedelta(days=DAYS + 2), 3)})
            yield Delivery("poll", "signed", (again,), again.as_of, needed=False)


def _terminal(random: Random, purchase: Purchase, paid: Paid, cpf: str | None, *, bridge: bool) -> Delivery:
    """What a terminal saw, with its own clock; it may name the payment by a reservation only."""
    names = _names(paid)
    honest_links = (Key("order:loja", purchase.ref),) if purchase.ordered else ()
    mistaken = any(p.mistaken for p in purchase.payments)
    keys: tuple[Key, ...] = (names["atk"], names["itk"])
    if bridge:
        keys = (*keys, names["charge"])
    elif purchase.ordered and not mistaken and not purchase.cancelled and random.random() < 0.5:
        keys = (names["reservation"],)
    as_of = paid.sold_at + timedelta(minutes=3)
    said = PaymentEvidence(
        keys=keys, links=honest_links, merchant_ref=MERCHANT, method=paid.method, captured_cents=paid.cents,
        sold_at=paid.sold_at + timedelta(minutes=random.choice((-5, 0, 3))), as_of=as_of,
        customer=_customer(purchase, 3, as_of, cpf),
    )  # fmt: skip
    return Delivery("terminal", "device", (said,), as_of, needed=bridge or cpf is not None)


def _files(random: Random, payments: Sequence[Paid]) -> Iterator[Delivery]:
    """One complete file for each local day: captures of that day, and what went back on it."""
    for n in range(DAYS + 1):
        day = FIRST_DAY + timedelta(days=n)
        as_of = _instant(day + timedelta(days=1), 6)
        rows: list[AnyFact] = []
        for paid in payments:
            if paid.method == "pix":
                continue
            ops = [b for b in paid.back if b.at.astimezone(ZONE).date() == day]
            sold = paid.sold_at.astimezone(ZONE).date() == day
            if sold or ops:
                rows.append(_row(random, paid, ops, as_of, sold=sold))
        covered = Coverage(merchant_ref=MERCHANT, day_on=day, methods=("credit", "debit"))
        yield Delivery("file", "file", (*rows, covered), as_of)


def _row(random: Random, paid: Paid, ops: Sequence[Back], as_of: datetime, *, sold: bool) -> PaymentEvidence:
    numberings = ("2.4", "2") if paid.relisted else ("2.4",)
    listed = [
        Operation.model_validate({
            "space": space, "key": f"{space}-{b.key}", "kind": b.kind, "instalment": b.instalment + 1,
            "amount_cents": None if b.kind != "return" and random.random() < 0.5 else b.cents, "happened_at": b.at,
        })
        for space in numberings
        for b in ops
    ]  # fmt: skip
    return PaymentEvidence(
        keys=(_names(paid)["atk"],), merchant_ref=MERCHANT, method=paid.method, as_of=as_of,
        sold_at=paid.sold_at, captured_cents=paid.cents if sold else None, operations=tuple(listed),
        instalment_cents=paid.instalments if sold and len(paid.instalments) > 1 else (),
    )  # fmt: skip
