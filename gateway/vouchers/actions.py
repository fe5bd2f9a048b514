"""What checkouts and time do with vouchers, as sets: each action opens a till, serves in order, writes once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, update

from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.problems import Problem
from gateway.programmes.queries import keys as keys_of
from gateway.store import tables as t
from gateway.vouchers import queries, verbs
from gateway.vouchers.queries import Row, UseRef, VoucherRef
from gateway.vouchers.till import Till
from gateway.vouchers.verbs import Answer, Asked, Hold, Turn
from loyalty import vouchers as life
from loyalty.accounts import Occasion
from loyalty.refusals import Refusal


def quote(context: Context, conn: Connection, items: Sequence[Asked]) -> list[int | Refusal]:
    """Return the discounts in centavos that vouchers give now; nothing is written."""
    till = Till.open(context, conn, (item.voucher for item in items))
    return [verbs.quoted(till, item) for item in items]


def hold(context: Context, conn: Connection, items: Sequence[Hold]) -> list[Answer]:
    """Promise value to orders. Refused: what `quote` refuses, and an order that has been served."""
    till = Till.open(context, conn, (item.asked.voucher for item in items))
    answers = [verbs.hold(till, _named(context, conn, item)) for item in items]
    till.close()
    return answers


def redeem(context: Context, conn: Connection, items: Sequence[Hold]) -> list[Answer]:
    """Hold and commit in one go; an order that holds already is committed."""
    till = Till.open(context, conn, (item.asked.voucher for item in items))
    answers = [verbs.redeem(till, _named(context, conn, item)) for item in items]
    till.close()
    return answers


def _named(context: Context, conn: Connection, item: Hold) -> Hold:
    """Return a claim with the caller's name of its order as it is kept."""
    keys = keys_of(context, conn, item.programme_id)
    return replace(item, order_ref=keys.reference(item.order_ref))


def commit(context: Context, conn: Connection, items: Sequence[Turn]) -> list[Answer]:
    """Spend what uses hold, or less of it, and let go of the rest (baixa). Refused: a hold that has ended."""
    return _turn(context, conn, items, verbs.commit)


def settle(context: Context, conn: Connection, items: Sequence[Turn]) -> list[Answer]:
    """Spend a part and keep holding the rest; needs `request_ref`. Refused: more than is held."""
    return _turn(context, conn, items, verbs.settle)


def release(context: Context, conn: Connection, items: Sequence[Turn]) -> list[Answer]:
    """Let go of what uses hold. Refused: one that was committed."""
    return _turn(context, conn, items, verbs.release)


def roll_back(context: Context, conn: Connection, items: Sequence[Turn]) -> list[Answer]:
    """Undo what uses spent, wholly or in part. Refused: more than was spent."""
    return _turn(context, conn, items, verbs.roll_back)


def cancel(context: Context, conn: Connection, items: Sequence[Turn]) -> list[Answer]:
    """Give back so much of uses, first what they hold, then what they spent."""
    return _turn(context, conn, items, verbs.cancel)


def expire_holds(context: Context, conn: Connection, items: Sequence[tuple[UseRef, ...]]) -> list[int]:
    """End holds whose time is over; return by item how many ended."""
    wanted = list(dict.fromkeys(use for refs in items for use in refs))
    till = _till_of(context, conn, wanted)
    for use_ref in wanted:
        row = till.uses.get(use_ref)
        if row is not None and row["held_cents"] and verbs.is_over(till, row):
            verbs.let_go(till, row, row["held_cents"], "expired")
            verbs.put_back(till, (row["programme_id"], row["voucher_id"]))
    till.close()
    return [len(refs) for refs in items]


def expire(context: Context, conn: Connection, items: Sequence[tuple[VoucherRef, ...]]) -> list[int]:
    """End vouchers whose time is over; return by item how many were looked at."""
    wanted = [at for refs in items for at in refs]
    till = Till.open(context, conn, wanted)
    now = context.clock()
    for at in dict.fromkeys(wanted):
        voucher = till.voucher(at)
        if voucher.is_due(now):
            occasion = Occasion(now, now, "voucher_expired")
            till.take(at, life.expire(voucher, occasion), occasion)
            till.tell("voucher.expired", at, now)
    till.close()
    return [len(refs) for refs in items]


@dataclass(frozen=True, slots=True)
class Revocation:
    """A caller takes a voucher back before its time."""

    by: Principal
    voucher_id: str

    @property
    def voucher(self) -> VoucherRef:
        """Which voucher."""
        return (self.by.programme_id, self.voucher_id)


def revoke(context: Context, conn: Connection, items: Sequence[Revocation]) -> list[Row | Refusal | Problem]:
    """Take vouchers back: what is free returns to the wallet, what is held follows. Refused: an ended one."""
    till = Till.open(context, conn, [item.voucher for item in items])
    answers: list[Row | Refusal | Problem] = []
    for item in items:
        row = till.vouchers.get(item.voucher)
        answers.append(Problem("not_found") if row is None else _revoke(till, item))
    till.close()
    return answers


def _revoke(till: Till, item: Revocation) -> Row | Refusal:
    now, at = till.context.clock(), item.voucher
    voucher = till.voucher(at)
    if voucher.ended == "expired" or voucher.state == "committed":
        return Refusal("voucher_expired" if voucher.ended else "voucher_spent")
    if voucher.ended is None:
        till.take(at, life.revoke(voucher), Occasion(now, now, "voucher_revoked"))
        till.tell("voucher.revoked", at, now)
        reward = t.reward.c
        its = (reward.programme_id == at[0], reward.reward_id == till.vouchers[at]["reward_id"])
        till.conn.execute(update(t.reward).where(*its).values(issued=reward.issued - 1))
        audit.record(till.context, till.conn, item.by, "voucher.revoked", item.voucher_id)
    return dict(till.vouchers[at])


def _turn(
    context: Context,
    conn: Connection,
    items: Sequence[Turn],
    verb: Callable[[Till, Turn, Row], Answer],
) -> list[Answer]:
    till = _till_of(context, conn, [item.use for item in items])
    answers: list[Answer] = []
    for asked in items:
        item = _turned(context, conn, asked)
        row = till.uses.get(item.use)
        if row is None or item.partner_id not in (None, row["partner_id"]):
            answers.append(Refusal("use_unknown"))
            continue
        answers.append(verb(till, item, row))
        verbs.put_back(till, (row["programme_id"], row["voucher_id"]))
    till.close()
    return answers


def _turned(context: Context, conn: Connection, item: Turn) -> Turn:
    """Return a turn with the caller's name of it as it is kept."""
    if item.request_ref is None:
        return item
    keys = keys_of(context, conn, item.programme_id)
    return replace(item, request_ref=keys.reference(item.request_ref))


def _till_of(context: Context, conn: Connection, uses: Sequence[UseRef]) -> Till:
    found = queries.uses_by(conn, "use_id", uses)
    return Till.open(context, conn, ((row["programme_id"], row["voucher_id"]) for row in found))
