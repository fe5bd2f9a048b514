"""The truth of a history, computed from what happened and never from what anybody said of it.

Knows nothing of the hub: standard library and plain attributes of the history only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Truth:
    """What one purchase should come to."""

    kept: Fraction
    owner: str | None
    units: int


def truth(purchase: Any, rates: Sequence[tuple[Any, int]], zone: Any) -> Truth:
    """Return kept centavos, owner and units of one purchase."""
    kept = _kept(purchase)
    day = purchase.sold_at.astimezone(zone).date()
    rate = max((since, micro) for since, micro in rates if since <= day)[1]
    named = min(purchase.said_owner, default=None)
    return Truth(kept, named[2] if named else None, int(kept * rate / 100_000_000))


def points(history: Any, rates: Sequence[tuple[Any, int]], zone: Any) -> dict[str, int]:
    """Return what each CPF should have earned in all."""
    earned: dict[str, int] = {}
    for purchase in history.purchases:
        true = truth(purchase, rates, zone)
        if true.owner is not None and true.units:
            earned[true.owner] = earned.get(true.owner, 0) + true.units
    return earned


def _kept(purchase: Any) -> Fraction:
    money = purchase.money_cents
    items = money - purchase.shipping_cents
    back = sum(_back(paid) for paid in purchase.payments if not paid.mistaken)
    told, told_items = purchase.order_states or (0, 0)
    back = max(back, told)
    if purchase.cancelled or back >= money:
        return Fraction(0)
    return Fraction((items - told_items) * (money - back), money - told)


def _back(paid: Any) -> int:
    """What went back of one payment: refund and lost dispute overlap within an instalment, add across them."""
    total = 0
    for n, gross in enumerate(paid.instalments):
        sums = {"return": 0, "chargeback": 0, "reinstatement": 0}
        for back in paid.back:
            if back.instalment == n:
                sums[back.kind] += back.cents
        total += min(gross, sums["return"] + max(0, sums["chargeback"] - sums["reinstatement"]))
    return total
