"""Which lot paid which redemption: the wallet as a pure function of its lots and redemptions.

A reversal changes the size of a lot and settles again, so when we learned of it never matters.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Final, NamedTuple

from loyalty.accounts import Lot, Redemption

NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Settlement(NamedTuple):
    """Units that no redemption used, by lot id, and the units redeemed that no lot pays (`owed`)."""

    unused: dict[str, int]
    owed: int


def expiry_order(lot: Lot) -> tuple[datetime, datetime, str]:
    """The order in which lots are used: earliest expiry first, then the oldest."""
    return lot.expires_at or NEVER, lot.born_at, lot.id


def settle(lots: Iterable[Lot], redemptions: Iterable[Redemption]) -> Settlement:
    """Replay a wallet: a lot first repays what is owed when it is born, a redemption uses live lots in order.

    Only `issued` of a lot and `units` of a redemption are read, never their recorded state.
    """
    unused: dict[str, int] = {}
    live: list[tuple[datetime, datetime, str]] = []
    owed = 0
    births = sorted(lots, key=lambda lot: (lot.born_at, lot.id), reverse=True)

    def bear(until_at: datetime) -> None:
        nonlocal owed
        while births and births[-1].born_at <= until_at:
            lot = births.pop()
            repaid = min(owed, lot.issued)
            owed -= repaid
            unused[lot.id] = lot.issued - repaid
            heappush(live, expiry_order(lot))

    for redemption in sorted(redemptions, key=lambda each: (each.redeemed_at, each.voucher_id)):
        bear(redemption.redeemed_at)
        owed += redemption.units
        while owed and live:
            expires_at, _, lot_id = live[0]
            used = min(owed, unused[lot_id]) if expires_at > redemption.redeemed_at else 0
            owed -= used
            unused[lot_id] -= used
            if owed:
                heappop(live)
    bear(NEVER)
    return Settlement(unused, owed)
