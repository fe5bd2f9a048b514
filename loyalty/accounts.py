"""The ledger's values: accounts, movements, and what one member holds.

Value only moves: the postings of a movement always sum to zero, in whole units of the programme.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

ACCOUNT_KINDS: Final = frozenset(
    {"issuance", "breakage", "goodwill", "prepaid", "payable", "redeemed"}  # the programme, its partners
    | {"pending", "available", "reserved", "debt"}  # a member's wallet
    | {"outstanding", "held"}  # a voucher
)
BELOW_ZERO: Final = frozenset({"issuance", "goodwill", "debt"})
"""Kinds whose balance may be negative: where value comes from, and what a member owes."""

UNITS_MAX: Final = 2**53 - 1
"""The largest amount of one posting: every JSON reader holds it exactly."""


class Account(NamedTuple):
    """Where value may lie: `ref` names the partner, member or voucher; "" is the programme itself."""

    kind: str
    ref: str = ""


ISSUANCE: Final = Account("issuance")
BREAKAGE: Final = Account("breakage")
GOODWILL: Final = Account("goodwill")


class Posting(NamedTuple):
    """One line: `units` that entered the account (negative: left it)."""

    account: Account
    units: int


class Occasion(NamedTuple):
    """Why and when a movement is made, by two clocks: when it happened, and when we learned it."""

    happened_at: datetime
    learned_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Movement:
    """A balanced set of postings. Refused with `ValueError`: postings that do not sum to zero.

    Kinds: pack, accrual, restoration, activation, reversal, merged, owner_change, expiry, goodwill,
    purchase, cashout, voucher_return, writeoff.
    """

    kind: str
    postings: tuple[Posting, ...]
    happened_at: datetime
    learned_at: datetime
    reason: str
    sale_id: str | None = None
    member_id: str | None = None
    partner_id: str | None = None

    def __post_init__(self) -> None:
        if sum(posting.units for posting in self.postings):
            raise ValueError(f"a {self.kind} movement does not balance")


@dataclass(frozen=True, slots=True)
class Lot:
    """Value that entered a wallet together and expires together.

    `issued` is what it holds by right, `remaining` what is available, `expired` what lies in breakage;
    the rest was redeemed. `taken_back` left it by reversals and returns to it when they are undone.
    """

    id: str
    sale_id: str | None
    partner_id: str | None
    born_at: datetime
    expires_at: datetime | None
    issued: int
    remaining: int
    expired: int = 0
    taken_back: int = 0

    def is_due(self, at: datetime) -> bool:
        """Whether its right of use has ended; `expires_at` is the first instant without it."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True)
class Redemption:
    """What left the wallet into one voucher, less what came back."""

    voucher_id: str
    redeemed_at: datetime
    units: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """Balances of one member (`debt` is zero or below), and the lots and redemptions that explain them.

    Each verb of `loyalty.wallet` says which lots it needs; balances are always needed.
    """

    member_id: str
    pending: int = 0
    available: int = 0
    reserved: int = 0
    debt: int = 0
    lots: tuple[Lot, ...] = ()
    redemptions: tuple[Redemption, ...] = ()


@dataclass(frozen=True, slots=True)
class Award:
    """What is posted for one (sale, member, partner): `units`, of which `pending` is not usable yet.

    `absorbed` and `forgiven` were reversed but had been spent: the programme's goodwill, or the partner,
    bore them. Always: units = pending + issued by its lots - absorbed - forgiven.
    """

    sale_id: str
    member_id: str
    partner_id: str
    units: int = 0
    pending: int = 0
    absorbed: int = 0
    forgiven: int = 0


def postings(units_by_account: Mapping[Account, int]) -> tuple[Posting, ...]:
    """Return one posting per account that changes, in account order, so that locks are always taken alike."""
    changed = [Posting(account, units) for account, units in units_by_account.items() if units]
    changed.sort()
    return tuple(changed)


def combine(kind: str, movements: Iterable[Movement], occasion: Occasion) -> Movement:
    """Return one movement in place of several, such as the reversal and accrual of an owner change.

    Each account is posted once with its net; the cause is the first movement's, the member too if shared.
    """
    parts = tuple(movements)
    net: Counter[Account] = Counter()
    for part in parts:
        for account, units in part.postings:
            net[account] += units
    members, partners = ({part.member_id for part in parts}, {part.partner_id for part in parts})
    return replace(
        parts[0],
        kind=kind,
        postings=postings(net),
        happened_at=occasion.happened_at,
        learned_at=occasion.learned_at,
        reason=occasion.reason,
        member_id=parts[0].member_id if len(members) == 1 else None,
        partner_id=parts[0].partner_id if len(partners) == 1 else None,
    )
