"""Reading rewards, and how often each was issued."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, func, select

from gateway.store import rows
from gateway.store import tables as t
from loyalty.rewards import Reward

RewardRef: TypeAlias = tuple[str, str]
"""(programme id, reward id)."""

TERMS: Final = (
    "cost_units",
    "amount_cents",
    "unit_millicents",
    "least_units",
    "most_units",
    "stock",
    "per_member",
    "valid_days",
    "opens_at",
    "closes_at",
    "minimum_cents",
    "combinable",
    "remainder",
    "on_expiry",
    "partner_id",
    "auto_issue",
    "active",
    "honoured",
)
"""What may be said of a reward besides its name and kind."""


def reward_of(row: Mapping[str, Any]) -> Reward:
    """Return the reward that a row holds."""
    return Reward(
        id=row["reward_id"], name=row["name"], kind=row["kind"], **{name: row[name] for name in TERMS}
    )


def reward_rows(conn: Connection, wanted: Iterable[RewardRef]) -> dict[RewardRef, dict[str, Any]]:
    """Return the rows of rewards by (programme id, reward id)."""
    found = rows.fetch(conn, t.reward, ("programme_id", "reward_id"), wanted)
    return {(row["programme_id"], row["reward_id"]): row for row in found}


def rewards(
    conn: Connection, programme_id: str, after_id: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """Return rewards of a programme, oldest first."""
    r = t.reward.c
    query = select(t.reward).where(r.programme_id == programme_id, r.reward_id > (after_id or ""))
    found = conn.execute(query.order_by(r.reward_id).limit(limit)).mappings()
    return [dict(row) for row in found]


def cashout_row(conn: Connection, programme_id: str) -> dict[str, Any] | None:
    """Return the reward that turns units into money of the member's choice: the oldest that is open.

    Where none is open it is the oldest of all, and `None` where there never was one.
    """
    known = [row for row in rewards(conn, programme_id) if row["kind"] == "cashout"]
    return next((row for row in known if row["active"]), known[0] if known else None)


def issued_to(conn: Connection, reward: RewardRef, member_id: str) -> int:
    """Return how many vouchers of a reward a member ever got that were not revoked."""
    v = t.voucher.c
    mine = (v.programme_id == reward[0], v.member_id == member_id, v.reward_id == reward[1])
    counted: int = conn.execute(
        select(func.count()).select_from(t.voucher).where(*mine, v.ended.is_distinct_from("revoked"))
    ).scalar_one()
    return counted
