"""The life of a voucher at a checkout: each verb returns what it is worth now and what moved in the ledger.

Value is counted twice, in centavos at the checkout and in units in the ledger; both move together, and the
last part of anything takes what is left of it, so that no unit is ever lost between the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from loyalty.accounts import BREAKAGE, Account, Movement, Occasion, postings
from loyalty.refusals import Refusal
from loyalty.rewards import OnExpiry, Remainder

State: TypeAlias = Literal["issued", "reserved", "committed", "expired", "revoked"]


class Value(NamedTuple):
    """The same value in both countings."""

    cents: int = 0
    units: int = 0

    def plus(self, other: "Value") -> "Value":
        """Return both together."""
        return Value(self.cents + other.cents, self.units + other.units)

    def minus(self, other: "Value") -> "Value":
        """Return what is left without `other`."""
        return Value(self.cents - other.cents, self.units - other.units)

    def part(self, cents: int) -> "Value":
        """Return `cents` of it; units are cut down, and the whole of it takes all of them."""
        return Value(cents, self.units * cents // self.cents)


NOTHING = Value()


@dataclass(frozen=True, slots=True)
class Voucher:
    """One issued right to a discount, with the terms it was issued under.

    `free` may still be used; `held` is promised to open checkouts, `spent` was used and not rolled back,
    `lapsed` is forfeited or expired, `returned` went back to the wallet. Together they are the face value.
    `ended` tells why nothing more may be reserved.
    """

    id: str
    member_id: str
    free: Value
    expires_at: datetime | None
    held: Value = NOTHING
    spent: Value = NOTHING
    lapsed: Value = NOTHING
    returned: Value = NOTHING
    partner_id: str | None = None
    minimum_cents: int = 0
    combinable: bool = True
    remainder: Remainder = "keep"
    on_expiry: OnExpiry = "return"
    ended: Literal["expired", "revoked"] | None = None

    @property
    def face(self) -> Value:
        """What it was worth when it was issued."""
        return self.free.plus(self.held).plus(self.spent).plus(self.lapsed).plus(self.returned)

    @property
    def state(self) -> State:
        """Its life in one word; a voucher with value left is `issued` again after a part of it was used."""
        if self.held.cents:
            return "reserved"
        if self.ended is not None:
            return self.ended
        if self.free.cents:
            return "issued"
        return "committed" if self.spent.cents else "revoked"

    def is_due(self, at: datetime) -> bool:
        """Whether its right of use has ended; `expires_at` is the first instant without it."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True)
class Use:
    """One checkout's claim on a voucher: what it holds, what it spent, what lapsed because of it.

    `partner_id` honours it. A hold ends by itself at `expires_at`; `None` waits for the store's word.
    """

    id: str
    voucher_id: str
    partner_id: str
    expires_at: datetime | None
    held: Value = NOTHING
    spent: Value = NOTHING
    lapsed: Value = NOTHING


class Step(NamedTuple):
    """What a verb did: the values afterwards, the movement, and the units that the wallet gets back."""

    voucher: Voucher
    use: Use | None
    movement: Movement | None
    wallet_units: int = 0


def quote(
    voucher: Voucher, *, partner_id: str, order_cents: int, at: datetime, asked_cents: int | None = None
) -> int | Refusal:
    """Return the discount in centavos that the voucher gives on an order, at most `asked_cents`.

    Refused: ended, expired, another partner's, wholly used or promised elsewhere, an order below the
    minimum, more asked than it is worth. A voucher whose remainder does not stay serves one order at a time.
    """
    if voucher.ended is not None or voucher.is_due(at):
        return Refusal("voucher_revoked" if voucher.ended == "revoked" else "voucher_expired")
    if voucher.partner_id not in (None, partner_id):
        return Refusal("voucher_elsewhere")
    if voucher.held.cents and (voucher.remainder != "keep" or not voucher.free.cents):
        return Refusal("voucher_reserved")
    if not voucher.free.cents:
        return Refusal("voucher_spent")
    if order_cents < max(voucher.minimum_cents, 1):
        return Refusal("order_below_minimum")
    if asked_cents is None:
        return min(voucher.free.cents, order_cents)
    if asked_cents > voucher.free.cents:
        return Refusal("voucher_too_small")
    return min(asked_cents, order_cents)


def reserve(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """Promise `cents` of what is free to one checkout (P5). `quote` says how much; no other check is made."""
    value = _part(voucher.free, cents)
    held = replace(use, held=use.held.plus(value))
    after = replace(voucher, free=voucher.free.minus(value), held=voucher.held.plus(value))
    moved = {_outstanding(voucher): -value.units, _held(voucher): value.units}
    return Step(after, held, _movement("voucher_reserve", voucher, use, moved, occasion))


def commit(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """Spend `cents` of what a checkout holds (P6, baixa); the rest of the hold is released.

    By the voucher's terms the remainder then stays, lapses or returns to the wallet. Refused with
    `ValueError`: more than is held.
    """
    value = _part(use.held, cents)
    rest = use.held.minus(value)
    paid = replace(
        voucher,
        held=voucher.held.minus(use.held),
        spent=voucher.spent.plus(value),
        free=voucher.free.plus(rest),
    )
    spent = replace(use, held=NOTHING, spent=use.spent.plus(value))
    moved = {
        _held(voucher): -use.held.units,
        Account("redeemed", use.partner_id): value.units,
        _outstanding(voucher): rest.units,
    }
    step = Step(paid, spent, _movement("voucher_commit", voucher, use, moved, occasion))
    return _settled(step, occasion)


def settle(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """Spend `cents` of a hold and keep the rest of it held, as a store that invoices in parts expects.

    With the last part of it, the remainder follows the voucher's terms.
    """
    value = _part(use.held, cents)
    after = replace(voucher, held=voucher.held.minus(value), spent=voucher.spent.plus(value))
    spent = replace(use, held=use.held.minus(value), spent=use.spent.plus(value))
    moved = {_held(voucher): -value.units, Account("redeemed", use.partner_id): value.units}
    step = Step(after, spent, _movement("voucher_commit", voucher, use, moved, occasion))
    return _settled(step, occasion)


def release(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """Free `cents` of what a checkout holds (P7); of an ended voucher it returns to the wallet or lapses."""
    value = _part(use.held, cents)
    after = replace(voucher, held=voucher.held.minus(value), free=voucher.free.plus(value))
    freed = replace(use, held=use.held.minus(value))
    moved = {_held(voucher): -value.units, _outstanding(voucher): value.units}
    step = Step(after, freed, _movement("voucher_release", voucher, use, moved, occasion))
    return _settled(step, occasion)


def roll_back(voucher: Voucher, use: Use, cents: int, occasion: Occasion) -> Step:
    """Undo `cents` of what a checkout spent (P8); undoing all of it brings back what lapsed because of it.

    While the voucher is valid it may be used again; else the value returns to the wallet: the purchase was
    undone, not the member's right. Refused with `ValueError`: more than was spent.
    """
    value = _part(use.spent, cents)
    lapsed = use.lapsed if value == use.spent else NOTHING
    back = value.plus(lapsed)
    after = replace(
        voucher,
        spent=voucher.spent.minus(value),
        lapsed=voucher.lapsed.minus(lapsed),
        free=voucher.free.plus(back),
    )
    undone = replace(use, spent=use.spent.minus(value), lapsed=use.lapsed.minus(lapsed))
    moved = {
        Account("redeemed", use.partner_id): -value.units,
        BREAKAGE: -lapsed.units,
        _outstanding(voucher): back.units,
    }
    step = Step(after, undone, _movement("voucher_rollback", voucher, use, moved, occasion))
    if after.ended is None and not after.is_due(occasion.learned_at):
        return step
    returned = replace(after, free=voucher.free, returned=after.returned.plus(back))
    return _ended(step._replace(voucher=returned, wallet_units=back.units), occasion)


def expire(voucher: Voucher, occasion: Occasion) -> Step:
    """End a voucher that is due (P9). What checkouts still hold follows when they let go of it."""
    return _ended(Step(voucher, None, None), occasion)


def revoke(voucher: Voucher) -> Step:
    """Take a voucher back before its time: what is free returns to the wallet."""
    return _to_wallet(Step(replace(voucher, ended="revoked"), None, None))


def put_back(voucher: Voucher) -> Step:
    """Return what is free to the wallet, of a voucher that was issued for one order only."""
    return _to_wallet(Step(voucher, None, None))


def _settled(step: Step, occasion: Occasion) -> Step:
    """Apply the terms to what is free once a checkout let go of the voucher."""
    voucher = step.voucher
    if voucher.ended is not None or voucher.is_due(occasion.learned_at):
        return _ended(step, occasion)
    if step.use is None or not step.use.spent.cents or voucher.held.cents:
        return step
    if voucher.remainder == "wallet":
        return _to_wallet(step)
    return _forfeited(step, occasion) if voucher.remainder == "forfeit" else step


def _ended(step: Step, occasion: Occasion) -> Step:
    """Put away what is free of a voucher whose time is over."""
    voucher = replace(step.voucher, ended=step.voucher.ended or "expired")
    if voucher.ended == "revoked" or voucher.on_expiry == "return":
        return _to_wallet(step._replace(voucher=voucher))
    after = replace(voucher, free=NOTHING, lapsed=voucher.lapsed.plus(voucher.free))
    moved = {_outstanding(voucher): -voucher.free.units, BREAKAGE: voucher.free.units}
    return _also(step._replace(voucher=after), "voucher_expiry", moved, occasion)


def _forfeited(step: Step, occasion: Occasion) -> Step:
    voucher, use = step.voucher, step.use
    assert use is not None
    after = replace(voucher, free=NOTHING, lapsed=voucher.lapsed.plus(voucher.free))
    caused = replace(use, lapsed=use.lapsed.plus(voucher.free))
    moved = {_outstanding(voucher): -voucher.free.units, BREAKAGE: voucher.free.units}
    return _also(step._replace(voucher=after, use=caused), "voucher_expiry", moved, occasion)


def _to_wallet(step: Step) -> Step:
    """Mark what is free as returned; the wallet's own verb moves it (`wallet.give_back`)."""
    free = step.voucher.free
    after = replace(step.voucher, free=NOTHING, returned=step.voucher.returned.plus(free))
    return step._replace(voucher=after, wallet_units=step.wallet_units + free.units)


def _also(step: Step, kind: str, moved: Mapping[Account, int], occasion: Occasion) -> Step:
    """Add to the step's movement, so that one verb is one movement."""
    if step.movement is None:
        movement = _movement(kind, step.voucher, step.use, moved, occasion)
        return step._replace(movement=movement)
    net = dict(moved)
    for account, units in step.movement.postings:
        net[account] = net.get(account, 0) + units
    return step._replace(movement=replace(step.movement, postings=postings(net)))


def _movement(
    kind: str, voucher: Voucher, use: Use | None, moved: Mapping[Account, int], occasion: Occasion
) -> Movement | None:
    """Return the movement, or `None` where no unit moves: less than one unit's worth, or nothing at all."""
    lines = postings(moved)
    partner_id = use.partner_id if use is not None else None
    if not lines:
        return None
    return Movement(kind, lines, *occasion, member_id=voucher.member_id, partner_id=partner_id)


def _part(value: Value, cents: int) -> Value:
    if not 0 < cents <= value.cents:
        raise ValueError("a voucher moves between one centavo and all that is there")
    return value.part(cents)


def _outstanding(voucher: Voucher) -> Account:
    return Account("outstanding", voucher.id)


def _held(voucher: Voucher) -> Account:
    return Account("held", voucher.id)
