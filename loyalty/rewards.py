"""What may be redeemed, and at which price: the terms that a voucher keeps from the day it is issued.

A reward never makes value: what it gives was earned, and leaves a wallet first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from contracts.money import CENTS_MAX
from loyalty.programme import MILLI
from loyalty.refusals import Refusal

RewardKind: TypeAlias = Literal["cashout", "discount", "product", "service", "gift"]
Remainder: TypeAlias = Literal["forfeit", "keep", "wallet"]
"""What becomes of a voucher's rest after a purchase that used a part of it."""

OnExpiry: TypeAlias = Literal["breakage", "return"]


@dataclass(frozen=True, slots=True)
class Reward:
    """One reward of a programme.

    A `cashout` lets the member choose how many units (`least_units` to `most_units`); one unit is worth
    `unit_millicents` thousandths of a centavo (a cashback unit is a centavo: 1000). Every other kind costs
    `cost_units` and is worth `amount_cents`. `stock` and `per_member` count vouchers ever issued and not
    revoked; `None` is no limit. `partner_id` `None`: every partner honours it. Inactive: nothing more is
    issued, and `honoured` tells whether what was issued still counts (the kill switch).
    """

    id: str
    name: str
    kind: RewardKind
    cost_units: int = 0
    amount_cents: int = 0
    unit_millicents: int = MILLI
    least_units: int = 1
    most_units: int | None = None
    stock: int | None = None
    per_member: int | None = None
    valid_days: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    minimum_cents: int = 0
    combinable: bool = True
    remainder: Remainder = "keep"
    on_expiry: OnExpiry = "return"
    partner_id: str | None = None
    auto_issue: bool = False
    active: bool = True
    honoured: bool = True


class Price(NamedTuple):
    """What a voucher takes from the wallet and what it is worth at a checkout."""

    units: int
    amount_cents: int


class Issues(NamedTuple):
    """How often a reward was issued before: in all, and to this member."""

    total: int
    to_member: int


def price(reward: Reward, units: int | None) -> Price | Refusal:
    """Return what one voucher costs. `units` is the member's choice and counts for a cash-out only.

    Refused: an amount outside the reward's limits, too small to be worth a centavo, or beyond any sale.
    """
    if reward.kind != "cashout":
        return Price(reward.cost_units, reward.amount_cents)
    if units is None or units < reward.least_units:
        return Refusal("cashout_too_small")
    if reward.most_units is not None and units > reward.most_units:
        return Refusal("cashout_too_large")
    amount_cents = units * reward.unit_millicents // MILLI
    if amount_cents > CENTS_MAX:
        return Refusal("cashout_too_large")
    return Price(units, amount_cents) if amount_cents else Refusal("cashout_too_small")


def units_for(reward: Reward, amount_cents: int) -> int:
    """Return the fewest units of a cash-out that are worth `amount_cents`."""
    return -(-amount_cents * MILLI // reward.unit_millicents)


def may_issue(reward: Reward, at: datetime, issues: Issues) -> Refusal | None:
    """Return why no voucher may be issued at `at`, or `None`: closed, out of stock, or the member's limit."""
    if not reward.active or not reward.honoured:
        return Refusal("reward_closed")
    if reward.opens_at is not None and at < reward.opens_at:
        return Refusal("reward_closed")
    if reward.closes_at is not None and at >= reward.closes_at:
        return Refusal("reward_closed")
    if reward.stock is not None and issues.total >= reward.stock:
        return Refusal("reward_out_of_stock")
    if reward.per_member is not None and issues.to_member >= reward.per_member:
        return Refusal("reward_limit_reached")
    return None


def expires_at(reward: Reward, issued_at: datetime) -> datetime | None:
    """Return the first instant at which a voucher issued now is no longer worth anything."""
    return None if reward.valid_days is None else issued_at + timedelta(days=reward.valid_days)
