"""Coupons follow their vouchers: what a store should show is wished here, what it shows is noted here.

A wish is a row, written with the voucher that changed. The worker tells the store; an answer that was lost
leaves the coupon `unknown`, and whoever repeats a create asks first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection

from contracts.connector import Coupon
from gateway.context import Context
from gateway.coupons.queries import CouponRef, Row, coupons_of, stores_with_coupons
from gateway.programmes.queries import keys as keys_of
from gateway.store import rows
from gateway.store import tables as t
from loyalty import codes

LEASE_SECONDS: Final = 60
"""How long a coupon is in the hands of who claimed it; then it is due again."""

DELAYS_SECONDS: Final = (5, 30, 120, 600, 3_600, 21_600)
"""How long a coupon waits after each failure; the last one repeats while the voucher lives."""


def follow(
    context: Context,
    conn: Connection,
    vouchers: Sequence[Mapping[str, Any]],
    stale: Iterable[tuple[tuple[str, str], str]] = (),
) -> None:
    """Wish in every store what the vouchers that changed ask for, and re-assert it where it is `stale`."""
    shown = [row for row in vouchers if not row["drawn"] and row["code_sealed"] is not None]
    stores = {p: stores_with_coupons(context, conn, p) for p in {row["programme_id"] for row in shown}}
    shown = [row for row in shown if stores[row["programme_id"]]]
    if not shown:
        return
    known = coupons_of(conn, [(row["programme_id"], row["voucher_id"]) for row in shown])
    doubted, now = set(stale), context.clock()
    written: list[Row] = []
    for voucher in shown:
        for installation_id, partner_id in stores[voucher["programme_id"]]:
            at = (voucher["programme_id"], voucher["voucher_id"], installation_id)
            row = known.get(at)
            if row is None and not _is_for(voucher, partner_id):
                continue
            doubt = (at[:2], installation_id) in doubted
            written.append(_wished(at, row, voucher, now, doubt=doubt))
    rows.put(conn, t.coupon, written)


def _is_for(voucher: Mapping[str, Any], partner_id: str) -> bool:
    return bool(voucher["free_cents"] > 0 and voucher["partner_id"] in (None, partner_id))


def _wished(at: CouponRef, row: Row | None, voucher: Mapping[str, Any], now: datetime, *, doubt: bool) -> Row:
    """Return the coupon's row with the wish that follows from its voucher."""
    usable = voucher["free_cents"] > 0 and voucher["ended"] is None
    before = row or _unknown_to_the_store(at)
    after = {**before, "wanted": "published" if usable else "revoked", "attempts": 0}
    if doubt and before["state"] != "absent":
        after["state"] = "stale"
    after["due_at"] = now if _differs(after, voucher) else None
    return after


def _unknown_to_the_store(at: CouponRef) -> Row:
    programme_id, voucher_id, installation_id = at
    return {
        "programme_id": programme_id,
        "voucher_id": voucher_id,
        "installation_id": installation_id,
        "coupon_ref": None,
        "amount_cents": None,
        "wanted": "published",
        "state": "absent",
        "reason": None,
        "attempts": 0,
        "due_at": None,
        "changed_at": None,
    }


def _differs(row: Mapping[str, Any], voucher: Mapping[str, Any]) -> bool:
    """Return whether the store must be told something."""
    if row["wanted"] == "published":
        return bool(row["state"] != "published" or row["amount_cents"] != voucher["free_cents"])
    return row["state"] not in {"absent", "revoked"}


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be told to one store about one voucher, as it stood when it was claimed."""

    at: CouponRef
    wanted: Literal["published", "revoked"]
    state: str
    coupon_ref: str | None
    amount_cents: int | None
    coupon: Coupon = field(repr=False)


def claim(context: Context, conn: Connection, items: Sequence[Sequence[CouponRef]]) -> list[list[Errand]]:
    """Take coupons into one's hands for `LEASE_SECONDS`; those that are no longer due are left out."""
    now = context.clock()
    wanted = [at for refs in items for at in refs]
    known = coupons_of(conn, [at[:2] for at in wanted])
    vouchers = {
        (row["programme_id"], row["voucher_id"]): row
        for row in rows.fetch(conn, t.voucher, ("programme_id", "voucher_id"), [at[:2] for at in wanted])
    }
    answers: list[list[Errand]] = []
    for refs in items:
        mine: list[Errand] = []
        for at in refs:
            row = known.get(at)
            if row is None or row["due_at"] is None or row["due_at"] > now:
                continue
            row["due_at"] = now + timedelta(seconds=LEASE_SECONDS)
            mine.append(_errand(context, conn, at, row, vouchers[at[:2]]))
        answers.append(mine)
    rows.put(conn, t.coupon, [known[errand.at] for mine in answers for errand in mine])
    return answers


def _errand(
    context: Context, conn: Connection, at: CouponRef, row: Row, voucher: Mapping[str, Any]
) -> Errand:
    keys = keys_of(context, conn, at[0])
    code = codes.written(keys.open_code(at[1], voucher["code_sealed"]))
    coupon = Coupon(
        code=code,
        voucher_ref=str(voucher["display_number"]),
        amount_cents=voucher["free_cents"],
        minimum_cents=voucher["minimum_cents"],
        starts_at=voucher["issued_at"],
        expires_at=voucher["expires_at"],
        combinable=voucher["combinable"],
    )
    return Errand(at, row["wanted"], row["state"], row["coupon_ref"], row["amount_cents"], coupon)


@dataclass(frozen=True, slots=True)
class Done:
    """What a store answered: its state now, or why it could not be told."""

    errand: Errand
    state: str
    coupon_ref: str | None = None
    amount_cents: int | None = None
    reason: str | None = None


def conclude(context: Context, conn: Connection, items: Sequence[Done]) -> list[None]:
    """Note what stores answered; a voucher that changed meanwhile makes its coupon due again at once."""
    known = coupons_of(conn, [item.errand.at[:2] for item in items])
    vouchers = {
        (row["programme_id"], row["voucher_id"]): row
        for row in rows.fetch(
            conn, t.voucher, ("programme_id", "voucher_id"), [item.errand.at[:2] for item in items]
        )
    }
    now = context.clock()
    written: list[Row] = []
    for item in items:
        row = known[item.errand.at]
        # A cancel that came in while the store was being told: what it shows is in doubt again.
        doubted = row["state"] == "stale" and item.errand.state != "stale"
        row |= {
            "state": "stale" if doubted else item.state,
            "coupon_ref": item.coupon_ref,
            "amount_cents": item.amount_cents,
            "reason": item.reason,
            "changed_at": now,
        }
        row |= _next(row, vouchers[item.errand.at[:2]], now, failed=item.reason is not None)
        written.append(row)
    rows.put(conn, t.coupon, written)
    return [None] * len(items)


def _next(row: Row, voucher: Mapping[str, Any], now: datetime, *, failed: bool) -> dict[str, Any]:
    if row["state"] == "refused":
        return {"due_at": None}
    if not _differs(row, voucher):
        return {"due_at": None, "attempts": 0}
    if not failed:
        return {"due_at": now, "attempts": 0}
    attempts = row["attempts"] + 1
    delay = DELAYS_SECONDS[min(attempts, len(DELAYS_SECONDS)) - 1]
    return {"due_at": now + timedelta(seconds=delay), "attempts": attempts}
