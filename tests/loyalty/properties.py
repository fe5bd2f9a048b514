"""What must hold of convergence, each as a check over fixed seeds; `test_mutants.py` proves that they can fail."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import permutations
from random import Random

from contracts.facts import Coverage, Customer, Key, PaymentEvidence
from tests.loyalty import oracle
from tests.loyalty.desk import Desk, Summary, from_scratch, points, summary
from tests.loyalty.history import MERCHANT, RATES, ZONE, Delivery, History, generate

EVE = "86288366757"


def truth(history: History) -> dict[str, int]:
    return oracle.points(history, RATES, ZONE)


def check_truth(seeds: Iterable[int]) -> None:
    """Whatever was lost, doubled and shuffled: after the last file the sales come to the truth."""
    for seed in seeds:
        history = generate(seed)
        assert points(from_scratch(history.received(Random(seed)))) == truth(history), f"seed {seed}"


def check_shuffles(seeds: Iterable[int]) -> None:
    """One by one, in any order, with duplicates: posted is the truth, and flags and reasons are those of the set."""
    for seed in seeds:
        history = generate(seed, purchases=2)
        received = history.received(Random(seed))
        desk = Desk()
        for delivery in received:
            desk.receive([delivery])
        assert desk.points() == truth(history), f"seed {seed}"
        assert summary(desk.sales()) == summary(from_scratch(received)), f"seed {seed}"


def check_permutations(seeds: Iterable[int]) -> None:
    """Every order of six batches, and after every arrival the incremental result is that of the set."""
    for seed in seeds:
        history = generate(seed, purchases=1)
        received = history.received(Random(seed))
        batches = [batch for n in range(6) if (batch := received[n::6])]
        at_once: dict[frozenset[int], Summary] = {}
        for order in permutations(range(len(batches))):
            desk = Desk()
            for arrived, n in enumerate(order, 1):
                desk.receive(batches[n])
                so_far = frozenset(order[:arrived])
                if so_far not in at_once:
                    at_once[so_far] = summary(from_scratch([d for i in so_far for d in batches[i]]))
                assert summary(desk.sales()) == at_once[so_far], f"seed {seed}, order {order[:arrived]}"
            assert desk.points() == truth(history), f"seed {seed}, order {order}"


def check_every_arrival(seeds: Iterable[int]) -> None:
    """Delivery by delivery, what is posted is the target of the set received so far; splits included."""
    for seed in seeds:
        history = generate(seed, purchases=2)
        received = [*history.received(Random(seed)), *_forged(history)]
        Random(seed + 1).shuffle(received)
        desk = Desk()
        for n, delivery in enumerate(received, 1):
            desk.receive([delivery])
            at_once = from_scratch(received[:n])
            assert summary(desk.sales()) == summary(at_once), f"seed {seed}, arrival {n}"
            assert desk.points() == points(at_once), f"seed {seed}, arrival {n}"
            assert all(0 <= sale.kept <= sale.base_cents for sale in at_once), f"seed {seed}, arrival {n}"


def check_repeats(seeds: Iterable[int]) -> None:
    """Repeating evidence, and a poll that repeats old figures after coverage, write no movement."""
    for seed in seeds:
        history = generate(seed, purchases=2)
        desk = Desk()
        desk.receive(history.deliveries)
        movements = desk.movements
        desk.receive(history.received(Random(seed)))
        assert desk.movements == movements, f"seed {seed}"
        for delivery in history.deliveries:
            if delivery.source == "webhook":
                desk.receive([_repeated(delivery)])
                assert desk.movements == movements, f"seed {seed}, {delivery}"


def _repeated(delivery: Delivery) -> Delivery:
    later = delivery.sent_at + timedelta(days=30)
    facts = tuple(f.model_copy(update={"as_of": later}) for f in delivery.facts)
    return Delivery(delivery.source, delivery.trust, facts, later)


def check_forgeries(seeds: Iterable[int]) -> None:
    """After coverage a device alone adds nothing and removes nothing: neither sale, cancel, link nor CPF."""
    for seed in seeds:
        history = generate(seed, purchases=3)
        received = [*history.received(Random(seed)), *_forged(history)]
        Random(seed + 1).shuffle(received)
        assert points(from_scratch(received)) == truth(history), f"seed {seed}"


def _forged(history: History) -> list[Delivery]:
    """What a hostile terminal may say of honest purchases, and of one that never was."""
    orders = [p for p in history.purchases if p.ordered and p.payments]
    links = [Key("order:loja", p.ref) for p in orders]
    forged = []
    for purchase in history.purchases:
        at = purchase.sold_at + timedelta(minutes=1)
        plain = PaymentEvidence(
            keys=(Key("stone:atk", f"forged-{purchase.ref}"),), links=tuple(links[:1]), merchant_ref=MERCHANT,
            method="credit", captured_cents=purchase.money_cents, sold_at=at, as_of=at, customer=Customer(document=EVE),
        )  # fmt: skip
        forged.append(plain)
        for paid in purchase.payments:
            if paid.method == "pix":
                continue
            named = {
                "keys": (Key("stone:atk", f"atk-{paid.ref}"),),
                "captured_cents": paid.cents,
                "customer": None,
            }
            cancel = {"state": "void", "returned_cents": paid.cents, "links": ()}
            forged.append(plain.model_copy(update={**named, **cancel}))
            if purchase.documented:
                foreign = tuple(key for key in links if key.value != purchase.ref)
                forged.append(plain.model_copy(update={**named, "links": foreign}))
            if any(rank < 3 for rank, _, _ in purchase.said_owner):
                forged.append(plain.model_copy(update={**named, "links": (), "customer": plain.customer}))
    return [Delivery("terminal", "device", (said,), said.as_of) for said in forged]


def check_midnight(seeds: Iterable[int]) -> None:
    """With the sale's own day covered and the next not yet, what only a terminal saw still counts."""
    for seed in seeds:
        history = generate(seed, purchases=1)
        (purchase,) = history.purchases
        cards = [p for p in purchase.payments if p.method != "pix"]
        day = purchase.sold_at.astimezone(ZONE).date()
        if purchase.documented or not cards:
            continue
        days = Coverage(merchant_ref=MERCHANT, day_on=day, methods=("credit", "debit"))
        terminal = [d for d in history.deliveries if d.source == "terminal"]
        sales = from_scratch([*terminal, Delivery("file", "file", (days,), purchase.sold_at)])
        assert sum(sale.captured_cents for sale in sales) == sum(p.cents for p in cards), f"seed {seed}"
