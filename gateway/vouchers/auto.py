"""Vouchers that are issued by themselves, as soon as a member's balance reaches the price of their reward."""

from collections.abc import Collection

from gateway.context import Context
from gateway.ledger import queries as ledger
from gateway.ledger.queries import MemberRef
from gateway.rewards.queries import reward_of, rewards
from gateway.store import Connection
from gateway.vouchers.issuing import Issued, Wish, issue
from loyalty.rewards import Reward

AT_ONCE = 10
"""The most that one change of a balance issues to one member of one reward; the next change goes on."""


def issue_due(context: Context, conn: Connection, members: Collection[MemberRef]) -> int:
    """Issue what the balances of `members` have come to afford; return how many vouchers were issued."""
    offered = {p: _offered(context, conn, p) for p in {programme_id for programme_id, _ in members}}
    concerned = [at for at in dict.fromkeys(members) if offered[at[0]]]
    if not concerned:
        return 0
    issued = 0
    for at, wallet in ledger.wallets(conn, concerned).items():
        left = 0 if wallet.debt else wallet.available
        for reward in offered[at[0]]:
            affords = min(left // reward.cost_units, AT_ONCE)
            if affords:
                answers = issue(context, conn, [Wish(*at, reward.id)] * affords)
                made = sum(isinstance(answer, Issued) for answer in answers)
                issued += made
                left -= made * reward.cost_units
    return issued


def _offered(context: Context, conn: Connection, programme_id: str) -> tuple[Reward, ...]:
    """Return the rewards of a programme that are issued by themselves, the dearest first."""

    def load() -> tuple[Reward, ...]:
        found = [reward_of(row) for row in rewards(conn, programme_id) if row["auto_issue"] and row["active"]]
        return tuple(sorted(found, key=lambda reward: (-reward.cost_units, reward.id)))

    return context.memory.get(programme_id, "rewards issued by themselves", load)
