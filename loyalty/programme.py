"""A programme's rules as they were recorded: append-only versions, looked up at the instant of a sale.

No version is valid before it was recorded, so what held at an instant never changes afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal, Protocol, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

Unit: TypeAlias = Literal["points", "cashback"]
Mode: TypeAlias = Literal["proprietary", "coalition"]
Activation: TypeAlias = Literal["at_once", "after_days", "on_file"]
Shortfall: TypeAlias = Literal["debt", "goodwill", "partner"]

MILLI = 1_000
MICRO = 1_000_000
CENTS_PER_REAL = 100


@dataclass(frozen=True, slots=True)
class Programme:
    """What is fixed at activation: the unit, the mode and the zone of its local days."""

    id: str
    name: str
    unit: Unit
    mode: Mode
    zone: str = "America/Sao_Paulo"
    active: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """A version of the windows and limits of a programme.

    `min_sale_cents` is tested on the original base, `max_base_cents` and `max_award_units` cap one sale,
    `daily_award_units` one member and local day. An unconfirmed sale stays pending `unconfirmed_days`.
    """

    valid_from: datetime
    recorded_at: datetime
    late_match_days: int = 30
    activation: Activation = "at_once"
    activation_days: int = 0
    unconfirmed_days: int = 2
    shortfall: Shortfall = "debt"
    min_sale_cents: int = 0
    max_base_cents: int | None = None
    max_award_units: int | None = None
    daily_award_units: int | None = None


class _Version(Protocol):
    @property
    def valid_from(self) -> datetime: ...
    @property
    def recorded_at(self) -> datetime: ...


V = TypeVar("V", bound=_Version)


@dataclass(frozen=True, slots=True)
class Rate:
    """A partner's conversion rate in millionths of a unit (point or centavo of cashback) per R$ 1.00."""

    rate_micro: int
    valid_from: datetime
    recorded_at: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Category:
    """A version of a member category: multiplier in thousandths, validity in days (`None`: never expires)."""

    id: str
    name: str
    multiplier_milli: int
    valid_days: int | None
    valid_from: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """From when a member belonged to a category."""

    category_id: str
    valid_from: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Campaign:
    """A multiplier for a time, a minimum sale and a cap of what it adds; `partner_id` `None` is all."""

    id: str
    name: str
    multiplier_milli: int
    starts_at: datetime
    ends_at: datetime
    recorded_at: datetime
    partner_id: str | None = None
    min_sale_cents: int = 0
    max_extra_units: int | None = None


Funding: TypeAlias = Literal["issuance", "prepaid"]


@dataclass(frozen=True, slots=True)
class Partner:
    """A company of the programme: its rates, and whether a prepaid pack pays what it credits."""

    id: str
    name: str
    funding: Funding
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """All settings of one programme at one version: the configuration half of every pure rule.

    `policies` come in the order in which they began, and there is always one.
    """

    programme: Programme
    policies: tuple[Policy, ...]
    zone: ZoneInfo
    partners: Mapping[str, Partner]
    categories: Mapping[str, tuple[Category, ...]]
    campaigns: tuple[Campaign, ...]
    merchants: Mapping[tuple[str, str], str]
    version: int

    def policy_at(self, at: datetime) -> Policy:
        """Return the policy that held at `at`. The first one holds for all that was sold before it, too."""
        return in_force(self.policies, at) or self.policies[0]

    def daily_limit(self, day: date) -> int | None:
        """Return what one member may earn on a local day: the limit that held when the day began."""
        return self.policy_at(datetime.combine(day, time(), tzinfo=self.zone)).daily_award_units

    @property
    def limits_days(self) -> bool:
        """Whether any day was ever limited, so that the sales of a member and day are concluded together."""
        return any(policy.daily_award_units is not None for policy in self.policies)

    def store_of(self, partner_id: str, merchant_ref: str | None, default: str | None = None) -> str | None:
        """Return the store that a vendor's establishment was said to be; else `default`, the source's own.

        A source without a store of its own: the vendor's name within the partner.
        """
        if merchant_ref is None:
            return default
        return self.merchants.get((partner_id, merchant_ref)) or default or f"{partner_id}/{merchant_ref}"


def in_force(versions: Sequence[V], at: datetime) -> V | None:
    """Return the version that held at `at`: the latest to start, and among equals the latest recorded.

    Whoever records a version refuses one that would hold before it was recorded; so what held stays (R8).
    """
    started = [v for v in versions if v.valid_from <= at]
    return max(started, key=lambda v: (v.valid_from, v.recorded_at), default=None)


def rate_in_force(rates: Sequence[Rate], at: datetime) -> Rate | None:
    """Return the rate that held at `at`, or `None` when the latest one had ended."""
    rate = in_force(rates, at)
    return rate if rate is not None and (rate.valid_until is None or at < rate.valid_until) else None


def campaign_in_force(
    campaigns: Sequence[Campaign], partner_id: str, at: datetime, base_cents: int
) -> Campaign | None:
    """Return the one campaign that applies: open at `at`, minimum met, best multiplier, then first id."""
    open_now = [
        c
        for c in campaigns
        if c.starts_at <= at < c.ends_at
        and c.partner_id in (None, partner_id)
        and base_cents >= c.min_sale_cents
    ]
    return min(open_now, key=lambda c: (-c.multiplier_milli, c.id), default=None)
