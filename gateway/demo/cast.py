"""Who buys where, for how much, drawn from a seed: the same seed gives the same day again.

People and companies are invented; their CPFs only have true check digits.
"""

import random  # noqa: TID251 -- a day of the demo is drawn from its seed
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gateway.demo.reckoning import earned_units

Unit: TypeAlias = Literal["points", "cashback"]

_FIRST = (
    "Ana",
    "Bruno",
    "Carla",
    "Davi",
    "Elisa",
    "Fábio",
    "Gabriela",
    "Heitor",
    "Iara",
    "João",
    "Lia",
    "Otávio",
)
_LAST = (
    "Almeida",
    "Barros",
    "Cardoso",
    "Duarte",
    "Esteves",
    "Freitas",
    "Moraes",
    "Nunes",
    "Prado",
    "Teixeira",
)
_MARKETS = ("Mercado Aurora", "Empório do Vale", "Mercearia Bom Dia", "Supermercado Ipê")
_STATIONS = ("Posto Horizonte", "Posto Três Irmãos", "Posto da Serra")
_BAKERIES = ("Padaria do Largo", "Padaria Estrela", "Padaria Pão da Vila")
_POINT_RATES = ("1.25", "1.5", "1.75", "2.25", "2.5", "3.75")
_CASHBACK_BPS = (250, 300, 450, 500, 750)
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a CPF."""

    name: str
    cpf: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Company:
    """A partner: its rate as the API is told it, and in millionths of a unit per real."""

    name: str
    rate: dict[str, str | int]
    rate_micro: int


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody of one day."""

    seed: int
    market: Company
    station: Company
    bakery: Company
    people: tuple[Person, ...]
    stranger: Person


class Dice:
    """All that chance decides in the demo."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- a story, no secret

    def cast(self, seed: int) -> Cast:
        """Return the people and companies of the day."""
        draw = self._random
        names = draw.sample(_FIRST, 6)
        people = [Person(f"{name} {draw.choice(_LAST)}", self._cpf()) for name in names]
        rates = draw.sample(_POINT_RATES, 2)
        bps = draw.choice(_CASHBACK_BPS)
        return Cast(
            seed=seed,
            market=_points(draw.choice(_MARKETS), rates[0]),
            station=_points(draw.choice(_STATIONS), rates[1]),
            bakery=Company(draw.choice(_BAKERIES), {"cashback_bps": bps}, bps * 10_000),
            people=tuple(people[:5]),
            stranger=people[5],
        )

    def cents(self, low: int, high: int) -> int:
        """Return an amount that is not round."""
        return self._random.randint(low, high)

    def two_cards(self, rate_micro: int) -> tuple[int, int]:
        """Return two amounts that earn more together than apart: one sale has one floor."""
        while True:
            first, second = self.cents(2_000, 15_000), self.cents(2_000, 15_000)
            apart = earned_units(first, rate_micro) + earned_units(second, rate_micro)
            if apart < earned_units(first + second, rate_micro):
                return first, second

    def digits(self, how_many: int) -> str:
        """Return a number that does not begin with zero."""
        return str(self._random.randint(10 ** (how_many - 1), 10**how_many - 1))

    def minutes(self, low: int, high: int) -> int:
        """Return a span."""
        return self._random.randint(low, high)

    def order(self, how_many: int) -> list[int]:
        """Return the order in which so many scenes are played."""
        return self._random.sample(range(how_many), how_many)

    def _cpf(self) -> str:
        digits = [self._random.randint(0, 9) for _ in range(9)]
        for heaviest in (10, 11):
            rest = sum(digit * (heaviest - place) for place, digit in enumerate(digits)) % 11
            digits.append(0 if rest < 2 else 11 - rest)
        return "".join(map(str, digits))


def _points(name: str, per_real: str) -> Company:
    whole, _, part = per_real.partition(".")
    return Company(name, {"points_per_real": per_real}, int(whole) * MICRO + int(part.ljust(6, "0")))
