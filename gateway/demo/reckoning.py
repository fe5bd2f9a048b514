"""What the day must come to, reckoned apart from the hub: a few lines of integer arithmetic and no import of it."""

from dataclasses import dataclass, field


def earned_units(kept_cents: int, rate_micro: int) -> int:
    """Return whole units for what is kept of a sale: cents x millionths per real, cut once."""
    return kept_cents * rate_micro // (100 * 1_000_000)


@dataclass(slots=True)
class Purchase:
    """One sale as the story means it. Unconfirmed credit waits; a stranger's is nobody's yet."""

    kept_cents: int
    rate_micro: int
    confirmed: bool = True

    @property
    def units(self) -> int:
        """What it earns."""
        return earned_units(self.kept_cents, self.rate_micro)


@dataclass(slots=True)
class Purse:
    """What one person should have in one programme."""

    purchases: list[Purchase] = field(default_factory=list)
    cashed_units: int = 0

    @property
    def figures(self) -> dict[str, int]:
        """Available, pending and debt, as the API names them."""
        net = sum(each.units for each in self.purchases if each.confirmed) - self.cashed_units
        pending = sum(each.units for each in self.purchases if not each.confirmed)
        return {"available_units": max(0, net), "pending_units": pending, "debt_units": min(0, net)}


@dataclass(frozen=True, slots=True)
class Check:
    """One figure: as reckoned here, and as read back from the hub."""

    what: str
    expected: object
    read: object

    @property
    def right(self) -> bool:
        """Whether they are the same."""
        return self.expected == self.read
