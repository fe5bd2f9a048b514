"""Issuing vouchers: value leaves a wallet, a code is born. The code is shown once and kept only sealed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.ledger import queries as ledger
from gateway.members.queries import member_rows
from gateway.privacy import ProgrammeKeys
from gateway.problems import Problem
from gateway.programmes.queries import keys as keys_of
from gateway.rewards.actions import cashout
from gateway.rewards.queries import RewardRef, issued_to, reward_of, reward_rows
from gateway.store import Connection
from gateway.store import tables as t
from gateway.vouchers import qr, queries
from gateway.vouchers.queries import Row
from gateway.vouchers.till import Till
from loyalty import codes, rewards, wallet
from loyalty.accounts import Occasion
from loyalty.refusals import Refusal
from loyalty.rewards import Issues, Price, Reward
from loyalty.vouchers import Value, Voucher

SEQUENCE = "voucher"
"""The sequence that numbers a programme's vouchers."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A member's wish for a reward; of a cash-out, for so many units of it.

    `drawn` at a checkout from the balance: the voucher serves one order, and its code is told to nobody.
    """

    programme_id: str
    member_id: str
    reward_id: str
    units: int | None = None
    drawn: bool = False

    @property
    def reward(self) -> RewardRef:
        """Which reward."""
        return (self.programme_id, self.reward_id)

    @property
    def member(self) -> tuple[str, str]:
        """Whose wallet pays."""
        return (self.programme_id, self.member_id)


@dataclass(frozen=True, slots=True)
class Issued:
    """A voucher as issued. `code` is what a shopper types, `keypad_code` what a terminal takes with the CPF.

    `qr` is what a terminal scans.
    """

    row: Row
    code: str = field(repr=False)
    keypad_code: str = field(repr=False)
    qr: str = field(repr=False)


def issue(context: Context, conn: Connection, items: Sequence[Wish]) -> list[Issued | Refusal]:
    """Issue vouchers in order. Refused: what the reward, the stock or the wallet does not allow."""
    till = Till.open(context, conn, ())
    answers = issue_in(till, items)
    till.close()
    return answers


@dataclass(frozen=True, slots=True)
class MemberWish:
    """A wish that a caller brings; without `reward_id`, for the programme's cash-out."""

    by: Principal
    member_id: str
    reward_id: str | None
    units: int | None


def issue_for(
    context: Context, conn: Connection, items: Sequence[MemberWish]
) -> list[Issued | Refusal | Problem]:
    """Issue vouchers for callers. Refused besides what `issue` refuses: a stranger, an unknown reward."""
    strangers = _strangers(conn, items)
    answers: list[Issued | Refusal | Problem] = []
    wishes: list[Wish] = []
    for item in items:
        programme_id, reward_id = item.by.programme_id, item.reward_id
        if reward_id is None:
            _, reward_id = cashout(context, conn, programme_id)
        wishes.append(Wish(programme_id, item.member_id, reward_id, item.units))
    known = [n for n in range(len(items)) if n not in strangers]
    issued = dict(zip(known, issue(context, conn, [wishes[n] for n in known]), strict=True))
    for n, item in enumerate(items):
        answer = issued.get(n)
        answers.append(Problem("not_found") if answer is None else answer)
        if isinstance(answer, Issued):
            audit.record(context, conn, item.by, "voucher.issued", answer.row["voucher_id"])
    return answers


def _strangers(conn: Connection, items: Sequence[MemberWish]) -> set[int]:
    """Return the places of items whose member or reward the programme does not know."""
    members = member_rows(conn, [(item.by.programme_id, item.member_id) for item in items])
    named = [(item.by.programme_id, item.reward_id) for item in items if item.reward_id is not None]
    offered = reward_rows(conn, named)
    return {
        n
        for n, item in enumerate(items)
        if (item.by.programme_id, item.member_id) not in members
        or (item.reward_id is not None and (item.by.programme_id, item.reward_id) not in offered)
    }


def issue_in(till: Till, items: Sequence[Wish]) -> list[Issued | Refusal]:
    """Issue vouchers within a till, so that one of them may be used in the same transaction."""
    conn = till.conn
    members = member_rows(conn, [item.member for item in items])
    offered = reward_rows(conn, [item.reward for item in items])
    numbers = ledger.counters(conn, {item.programme_id for item in items}, SEQUENCE)
    fresh = [item.member for item in items if item.member not in till.journal.wallets]
    till.journal.wallets |= ledger.wallets(conn, fresh, fresh)
    given: dict[tuple[RewardRef, str], int] = {}
    answers: list[Issued | Refusal] = []
    for item in items:
        member, row = members.get(item.member), offered.get(item.reward)
        if member is None or row is None:
            answers.append(Refusal("member_unknown" if member is None else "reward_closed"))
        elif member["blocked"]:
            answers.append(Refusal("redemption_blocked"))
        else:
            at = (item.reward, item.member_id)
            if row["per_member"] is not None and at not in given:
                given[at] = issued_to(conn, item.reward, item.member_id)
            answer = _issue(till, item, row, given.get(at, 0), numbers)
            if isinstance(answer, Issued):
                row["issued"] += 1
                given[at] = given.get(at, 0) + 1
            answers.append(answer)
    if any(isinstance(answer, Issued) for answer in answers):
        counted = [{"programme_id": p, "name": SEQUENCE, "value": value} for p, value in numbers.items()]
        till.beside |= {t.counter: counted, t.reward: list(offered.values())}
    return answers


def _issue(till: Till, item: Wish, row: Row, to_member: int, numbers: dict[str, int]) -> Issued | Refusal:
    now, reward = till.context.clock(), reward_of(row)
    refusal = rewards.may_issue(reward, now, Issues(row["issued"], to_member))
    if refusal is not None:
        return refusal
    price = rewards.price(reward, item.units)
    if isinstance(price, Refusal):
        return price
    voucher_id = till.context.ids.new("vou")
    before = till.journal.wallets[item.member]
    outcome = wallet.cash_out(before, price.units, voucher_id, Occasion(now, now, "cashout"))
    if isinstance(outcome, Refusal):
        return outcome
    after, movement = outcome
    till.journal.take(item.programme_id, before, after)
    till.journal.post(item.programme_id, movement)
    numbers[item.programme_id] += 1
    issued_at = after.redemptions[-1].redeemed_at
    voucher = _voucher(reward, item, voucher_id, price, rewards.expires_at(reward, issued_at))
    return _born(till, item, voucher, {"display_number": numbers[item.programme_id], "issued_at": issued_at})


def _voucher(reward: Reward, item: Wish, voucher_id: str, price: Price, expires_at: Any) -> Voucher:
    voucher = Voucher(
        id=voucher_id,
        member_id=item.member_id,
        free=Value(price.amount_cents, price.units),
        expires_at=expires_at,
        partner_id=reward.partner_id,
        minimum_cents=reward.minimum_cents,
        combinable=reward.combinable,
        remainder=reward.remainder,
        on_expiry=reward.on_expiry,
    )
    # One that is drawn is the balance itself for the time of an order: what the order leaves is balance again.
    return replace(voucher, expires_at=None, remainder="keep", on_expiry="return") if item.drawn else voucher


def _born(till: Till, item: Wish, voucher: Voucher, born: dict[str, Any]) -> Issued:
    keys = keys_of(till.context, till.conn, item.programme_id)
    code = codes.new_code(till.context.vault.entropy)
    keypad = codes.new_keypad_code(till.context.vault.entropy)
    row: Row = {
        "programme_id": item.programme_id,
        "voucher_id": voucher.id,
        "member_id": item.member_id,
        "reward_id": item.reward_id,
        "units": voucher.free.units,
        **_hidden(keys, voucher.id, code, keypad),
        **queries.columns_of(voucher),
        "partner_id": voucher.partner_id,
        "minimum_cents": voucher.minimum_cents,
        "combinable": voucher.combinable,
        "remainder": voucher.remainder,
        "drawn": item.drawn,
        "on_expiry": voucher.on_expiry,
        "expires_at": voucher.expires_at,
        "version": 0,
        **born,
    }
    till.add(row)
    till.tell("voucher.issued", (item.programme_id, voucher.id), born["issued_at"])
    return Issued(row, code, keypad, "" if item.drawn else qr.text(keys, row, code))


def _hidden(keys: ProgrammeKeys, voucher_id: str, code: str, keypad_code: str) -> dict[str, Any]:
    """Return the columns that stand for a code without telling it."""
    return {
        "code_hash": keys.code_hash(code),
        "keypad_hash": keys.code_hash(keypad_code),
        "code_sealed": keys.seal_code(voucher_id, code),
        "code_tail": code[-4:],
    }
