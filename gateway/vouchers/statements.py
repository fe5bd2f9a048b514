"""What stores state about vouchers that were typed at their checkouts: the newest statement on an order counts.

A store that used a code tells what has happened; it is followed as far as the voucher reaches, and where the
value was gone already the conflict is told, never hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.facts import VoucherUse
from gateway.context import Context
from gateway.programmes.queries import keys as keys_of
from gateway.store import Connection
from gateway.vouchers import queries, verbs
from gateway.vouchers.queries import Row, VoucherRef
from gateway.vouchers.till import Till
from gateway.vouchers.verbs import Hold, Turn
from loyalty.codes import Mistyped, read_code
from loyalty.refusals import Refusal

UNKNOWN = "voucher_unknown"
CONFLICT = "voucher_conflict"


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement, and on whose behalf it was made."""

    programme_id: str
    partner_id: str
    installation_id: str
    said: VoucherUse

    @property
    def order_ref(self) -> str:
        """The order, as unique within the partner."""
        return f"{self.said.order.kind}:{self.said.order.value}"


def record(context: Context, conn: Connection, items: Sequence[Stated]) -> list[str | None]:
    """Follow statements; return by item why nothing came of it, `None` if something did.

    A text that is no code of ours is `voucher_unknown` without any look-up: a store has coupons of its own.
    """
    places = [_place(context, conn, item) for item in items]
    wanted = [place for place in places if place is not None]
    found = {
        (row["programme_id"], row["code_hash"]): (row["programme_id"], row["voucher_id"])
        for row in queries.vouchers_by(conn, "code_hash", wanted)
    }
    if not found:
        return [UNKNOWN] * len(items)
    till = Till.open(context, conn, found.values())
    reasons = [
        UNKNOWN if place not in found else _follow(till, item, found[place])
        for item, place in zip(items, places, strict=True)
    ]
    till.close()
    return reasons


def _place(context: Context, conn: Connection, item: Stated) -> tuple[str, str] | None:
    try:
        code = read_code(item.said.code)
    except Mistyped:
        return None
    return (item.programme_id, keys_of(context, conn, item.programme_id).code_hash(code))


def _follow(till: Till, item: Stated, at: VoucherRef) -> str | None:
    row = till.use_for(at, item.partner_id, item.order_ref)
    if row is not None and verbs.is_stale(row, item.said.as_of):
        return None
    if item.said.state == "void" or not item.said.amount_cents:
        _void(till, _hold(till, item, at, row), row, item)
        return None
    if row is not None:
        _correct(till, row, item)
    verb = verbs.redeem if item.said.state == "captured" else verbs.hold
    answer = verb(till, _hold(till, item, at, row))
    if isinstance(answer, Refusal) and answer.code != "use_committed":
        return CONFLICT
    use = row if isinstance(answer, Refusal) else answer.use
    assert use is not None
    till.state(at, use["use_id"], item.said.as_of)
    return None if use["held_cents"] + use["spent_cents"] >= item.said.amount_cents else CONFLICT


def _correct(till: Till, row: Row, item: Stated) -> None:
    """Take back what an earlier statement on the order said beyond this one."""
    amount_cents = item.said.amount_cents
    if row["held_cents"] and row["held_cents"] != amount_cents:
        verbs.let_go(till, row, row["held_cents"], "released")
    elif row["spent_cents"] > amount_cents:
        verbs.roll_back(till, Turn(item.programme_id, row["use_id"], row["spent_cents"] - amount_cents), row)


def _void(till: Till, hold: Hold, row: Row | None, item: Stated) -> None:
    if row is None:
        row = verbs.begin(till, hold, "released")
    verbs.cancel(till, Turn(item.programme_id, row["use_id"]), row)
    till.stale.add(((item.programme_id, hold.voucher_id), item.installation_id))
    till.state((item.programme_id, hold.voucher_id), row["use_id"], item.said.as_of)


def _hold(till: Till, item: Stated, at: VoucherRef, row: Row | None) -> Hold:
    """Return the claim that the store made; it checked its own minimum, and gave what it gave."""
    voucher = till.vouchers[at]
    reach = voucher["free_cents"] + (row["held_cents"] if row is not None else 0)
    cents = min(item.said.amount_cents, reach) or item.said.amount_cents
    return Hold(
        programme_id=item.programme_id,
        voucher_id=at[1],
        partner_id=item.partner_id,
        order_ref=item.order_ref,
        order_cents=max(cents, voucher["minimum_cents"]),
        cents=row["asked_cents"] if row is not None and row["held_cents"] else cents,
        installation_id=item.installation_id,
        stated_at=item.said.as_of,
    )
