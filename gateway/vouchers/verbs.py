"""What one request of a checkout does to the till; the rules of a retry live here.

An order is served once: asked again for the same order, or under the same request of the store, it repeats
its answer and moves nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from gateway.rewards.queries import reward_rows
from gateway.vouchers import queries
from gateway.vouchers.queries import Row, UseRef, VoucherRef
from gateway.vouchers.till import Till
from loyalty import vouchers as life
from loyalty.accounts import Occasion
from loyalty.refusals import Refusal
from loyalty.vouchers import Use


@dataclass(frozen=True, slots=True)
class Asked:
    """What a voucher would give on an order of `order_cents` at a partner; at most `cents`."""

    programme_id: str
    voucher_id: str
    partner_id: str
    order_cents: int
    cents: int | None = None

    @property
    def voucher(self) -> VoucherRef:
        """Which voucher."""
        return (self.programme_id, self.voucher_id)


@dataclass(frozen=True, slots=True)
class Hold:
    """A promise to one order of a partner. `ttl_seconds` `None`: until the store says more.

    `cents` `None` is what the voucher gives on `order_cents`. `stated_at` is when a store's own statement
    was made: an older one never undoes a newer one.
    """

    programme_id: str
    voucher_id: str
    partner_id: str
    order_ref: str
    order_cents: int
    cents: int | None = None
    ttl_seconds: int | None = None
    request_ref: str | None = None
    installation_id: str | None = None
    stated_at: datetime | None = None

    @property
    def asked(self) -> Asked:
        """The quote that it stands on."""
        return Asked(self.programme_id, self.voucher_id, self.partner_id, self.order_cents, self.cents)


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of a use: so many centavos of it, or all of it; `request_ref` names a store's request.

    `partner_id` is the partner that asks, and sees only what it honours; `None` sees every use.
    """

    programme_id: str
    use_id: str
    cents: int | None = None
    request_ref: str | None = None
    partner_id: str | None = None

    @property
    def use(self) -> UseRef:
        """Which use."""
        return (self.programme_id, self.use_id)


class Told(NamedTuple):
    """A use and its voucher as they stand afterwards; `cents` is what this request moved or once moved."""

    voucher: Row
    use: Row
    cents: int
    repeated: bool = False


Answer: TypeAlias = Told | Refusal


def quoted(till: Till, asked: Asked) -> int | Refusal:
    """Answer for one voucher; the kill switch of its reward comes before its own state."""
    row = till.vouchers.get(asked.voucher)
    if row is None:
        return Refusal("voucher_not_accepted")
    if not _honoured(till, row):
        return Refusal("voucher_revoked")
    return life.quote(
        till.voucher(asked.voucher),
        partner_id=asked.partner_id,
        order_cents=asked.order_cents,
        at=till.context.clock(),
        asked_cents=asked.cents,
    )


def _honoured(till: Till, row: Row) -> bool:
    at = (row["programme_id"], row["reward_id"])
    honoured: bool = till.context.memory.get(
        at[0], ("honoured", at[1]), lambda: reward_rows(till.conn, [at])[at]["honoured"]
    )
    return honoured


def hold(till: Till, item: Hold) -> Answer:
    at = item.asked.voucher
    row = till.use_for(at, item.partner_id, item.order_ref)
    if row is not None and is_stale(row, item.stated_at):
        return _told(till, row, row["held_cents"], repeated=True)
    if row is not None and row["held_cents"] and not is_over(till, row):
        if not _is_same(item, row):
            return Refusal("voucher_reserved")
        return _told(till, row, row["held_cents"], repeated=True)
    if row is not None and row["spent_cents"]:
        return Refusal("use_committed")
    if row is not None and row["held_cents"]:
        let_go(till, row, row["held_cents"], "expired")
    cents = quoted(till, item.asked)
    if isinstance(cents, Refusal):
        return cents
    now = till.context.clock()
    occasion = Occasion(item.stated_at or now, now, "voucher_reserved")
    ends_at = None if item.ttl_seconds is None else now + timedelta(seconds=item.ttl_seconds)
    if row is None:
        row = begin(till, item, "held")
    row |= {"asked_cents": cents, "stated_at": item.stated_at or now, "request_ref": item.request_ref}
    use = replace(till.use((at[0], row["use_id"])), expires_at=ends_at)
    till.take(at, life.reserve(till.voucher(at), use, cents, occasion), occasion, "held")
    till.tell("voucher.reserved", at, now)
    return _told(till, row, cents)


def begin(till: Till, item: Hold, state: str) -> Row:
    """Return a new use of an order that holds nothing yet."""
    use_id = till.context.ids.new("use")
    use = Use(use_id, item.voucher_id, item.partner_id, None)
    row: Row = {
        "programme_id": item.programme_id,
        "use_id": use_id,
        "voucher_id": item.voucher_id,
        "partner_id": item.partner_id,
        "installation_id": item.installation_id,
        "order_ref": item.order_ref,
        "request_ref": item.request_ref,
        "asked_cents": 0,
        "state": state,
        "opened_at": till.context.clock(),
        "stated_at": item.stated_at,
        **queries.columns_of_use(use),
    }
    till.begin(row)
    return row


def redeem(till: Till, item: Hold) -> Answer:
    row = till.use_for(item.asked.voucher, item.partner_id, item.order_ref)
    if row is not None and row["spent_cents"]:
        if not _is_same(item, row):
            return Refusal("use_committed")
        return _told(till, row, row["spent_cents"], repeated=True)
    held = hold(till, item)
    if isinstance(held, Refusal) or not held.use["held_cents"]:
        return held
    turn = Turn(item.programme_id, held.use["use_id"])  # all of it: a hold is never more than its order
    return commit(till, turn, till.uses[turn.use])


def _is_same(item: Hold, row: Row) -> bool:
    """Return whether an order asks again for what it got: an order never gets more than it costs."""
    return item.cents is None or min(item.cents, item.order_cents) == row["asked_cents"]


def commit(till: Till, item: Turn, row: Row) -> Answer:
    at = _voucher_of(row)
    if not row["held_cents"]:
        same = row["spent_cents"] and item.cents in (None, row["spent_cents"])
        return _told(till, row, row["spent_cents"], repeated=True) if same else _why_not_held(row)
    if is_over(till, row):
        let_go(till, row, row["held_cents"], "expired")
        return Refusal("use_released")
    cents = row["held_cents"] if item.cents is None else item.cents
    if cents > row["held_cents"]:
        return Refusal("voucher_too_small")
    occasion = _now(till, "voucher_committed")
    till.take(at, life.commit(till.voucher(at), till.use(item.use), cents, occasion), occasion, "committed")
    till.tell("voucher.redeemed", at, occasion.learned_at)
    return _told(till, row, cents)


def settle(till: Till, item: Turn, row: Row) -> Answer:
    at, known = _voucher_of(row), _known(till, item)
    if known is not None:
        return _told(till, row, known["amount_cents"], repeated=True)
    cents = row["held_cents"] if item.cents is None else item.cents
    if cents > row["held_cents"] or not cents:
        return Refusal("voucher_too_small") if row["held_cents"] else _why_not_held(row)
    occasion = _now(till, "voucher_committed")
    till.take(at, life.settle(till.voucher(at), till.use(item.use), cents, occasion), occasion, "committed")
    till.note(item.programme_id, item.use_id, item.request_ref or "", "settlement", cents)
    till.tell("voucher.redeemed", at, occasion.learned_at)
    return _told(till, row, cents)


def release(till: Till, _item: Turn, row: Row) -> Answer:
    if not row["held_cents"]:
        return Refusal("use_committed") if row["spent_cents"] else _told(till, row, 0, repeated=True)
    cents = row["held_cents"]
    let_go(till, row, cents, "released")
    return _told(till, row, cents)


def roll_back(till: Till, item: Turn, row: Row) -> Answer:
    known = _known(till, item)
    if known is not None:
        return _told(till, row, known["amount_cents"], repeated=True)
    cents = row["spent_cents"] if item.cents is None else item.cents
    if cents > row["spent_cents"]:
        return Refusal("rollback_exceeds_use")
    if not cents:
        return _told(till, row, 0, repeated=True)
    _undo(till, row, cents)
    if item.request_ref is not None:
        till.note(item.programme_id, item.use_id, item.request_ref, "cancellation", cents)
    return _told(till, row, cents)


def cancel(till: Till, item: Turn, row: Row) -> Answer:
    known = _known(till, item)
    if known is not None:
        return _told(till, row, known["amount_cents"], repeated=True)
    whole = row["held_cents"] + row["spent_cents"]
    cents = whole if item.cents is None else item.cents
    if cents > whole:
        return Refusal("rollback_exceeds_use")
    freed = min(cents, row["held_cents"])
    if freed:
        let_go(till, row, freed, "released" if freed == whole else row["state"])
    if cents > freed:
        _undo(till, row, cents - freed)
    if item.request_ref is not None and cents:
        till.note(item.programme_id, item.use_id, item.request_ref, "cancellation", cents)
    return _told(till, row, cents, repeated=not cents)


def put_back(till: Till, at: VoucherRef) -> None:
    """Return to the wallet what a voucher that was drawn from it for one order no longer needs."""
    row = till.vouchers[at]
    if row["drawn"] and row["free_cents"]:
        till.take(at, life.put_back(till.voucher(at)), _now(till, "voucher_released"))


def let_go(till: Till, row: Row, cents: int, state: str) -> None:
    at = _voucher_of(row)
    occasion = _now(till, "voucher_released")
    use = till.use((at[0], row["use_id"]))
    till.take(at, life.release(till.voucher(at), use, cents, occasion), occasion, state)
    till.tell("voucher.released", at, occasion.learned_at)


def _undo(till: Till, row: Row, cents: int) -> None:
    at = _voucher_of(row)
    occasion = _now(till, "voucher_rolled_back")
    use = till.use((at[0], row["use_id"]))
    state = "rolled_back" if cents == row["spent_cents"] and not row["held_cents"] else row["state"]
    till.take(at, life.roll_back(till.voucher(at), use, cents, occasion), occasion, state)
    till.tell("voucher.released", at, occasion.learned_at)


def _known(till: Till, item: Turn) -> Row | None:
    return till.entries.get((item.programme_id, item.use_id, item.request_ref or ""))


def is_over(till: Till, row: Row) -> bool:
    """Return whether the time of a hold has come."""
    return row["expires_at"] is not None and row["expires_at"] <= till.context.clock()


def is_stale(row: Row, stated_at: datetime | None) -> bool:
    """Return whether a newer statement about the same order was followed before."""
    return stated_at is not None and row["stated_at"] is not None and stated_at < row["stated_at"]


def _why_not_held(row: Row) -> Refusal:
    return Refusal("use_committed" if row["spent_cents"] else "use_released")


def _voucher_of(row: Row) -> VoucherRef:
    return (row["programme_id"], row["voucher_id"])


def _told(till: Till, row: Row, cents: int, *, repeated: bool = False) -> Told:
    """Return rows as they stand now: a later request of the batch may change them again."""
    return Told(dict(till.vouchers[_voucher_of(row)]), dict(row), cents, repeated)


def _now(till: Till, reason: str) -> Occasion:
    now = till.context.clock()
    return Occasion(now, now, reason)
