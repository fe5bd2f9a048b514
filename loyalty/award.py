"""What a sale earns: one exact integer product, one floor, terms frozen, explained in one sentence.

`points = floor(kept x rate x category x campaign)`; nothing is rounded on the way and nothing is a float.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from fractions import Fraction
from typing import Any

from contracts.money import brl
from loyalty.programme import (
    CENTS_PER_REAL,
    MICRO,
    MILLI,
    Campaign,
    Category,
    Policy,
    Rate,
    Unit,
)
from loyalty.refusals import TEXTS, Refusal

AWARD_MAX = 10**13
"""No sale earns more: a rate typed with zeros too many must not exceed what a database can add up."""

_SCALE = CENTS_PER_REAL * MICRO * MILLI * MILLI


@dataclass(frozen=True, slots=True)
class Terms:
    """The factors that held at `sold_at`, copied beside the award so that anyone can recompute it.

    The copy explains the award; it is never its input (a better source of `sold_at` re-derives it).
    """

    unit: Unit
    rate_micro: int
    category_id: str | None = None
    category_name: str | None = None
    category_milli: int = MILLI
    campaign_id: str | None = None
    campaign_name: str | None = None
    campaign_milli: int = MILLI
    campaign_extra_max: int | None = None
    valid_days: int | None = None
    min_sale_cents: int = 0
    max_base_cents: int | None = None
    max_award_units: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the terms as JSON-ready integers and texts; what does not apply is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Target:
    """What a sale should have earned for its owner: whole units, and why when it is nothing or less."""

    units: int
    desired_units: int
    reason: str | None
    terms: Terms | None
    kept: Fraction
    expires_at: datetime | None = None


def terms_at(
    unit: Unit, policy: Policy, rate: Rate, category: Category | None, campaign: Campaign | None
) -> Terms:
    """Freeze the factors that apply to one sale."""
    return Terms(
        unit=unit,
        rate_micro=rate.rate_micro,
        category_id=category.id if category else None,
        category_name=category.name if category else None,
        category_milli=category.multiplier_milli if category else MILLI,
        campaign_id=campaign.id if campaign else None,
        campaign_name=campaign.name if campaign else None,
        campaign_milli=campaign.multiplier_milli if campaign else MILLI,
        campaign_extra_max=campaign.max_extra_units if campaign else None,
        valid_days=category.valid_days if category else None,
        min_sale_cents=policy.min_sale_cents,
        max_base_cents=policy.max_base_cents,
        max_award_units=policy.max_award_units,
    )


def units(kept: Fraction, rate_micro: int, category_milli: int = MILLI, campaign_milli: int = MILLI) -> int:
    """Return the whole units that `kept` centavos earn: one product, one floor."""
    return kept.numerator * rate_micro * category_milli * campaign_milli // (kept.denominator * _SCALE)


def award(base_cents: int, kept: Fraction, sold_at: datetime, terms: Terms, zone: tzinfo) -> Target:
    """Return what a sale earns under `terms`.

    The minimum is tested on the original base, so a small refund never falls off a cliff. Caps follow
    the floor.
    """
    if kept <= 0:
        return Target(0, 0, "given_back" if base_cents else "nothing_captured", terms, kept)
    if base_cents < terms.min_sale_cents:
        return Target(0, 0, "below_minimum", terms, kept)
    base = kept if terms.max_base_cents is None else min(kept, Fraction(terms.max_base_cents))
    desired = min(AWARD_MAX, units(kept, terms.rate_micro, terms.category_milli, terms.campaign_milli))
    earned = units(base, terms.rate_micro, terms.category_milli, terms.campaign_milli)
    if terms.campaign_extra_max is not None:
        earned = min(earned, units(base, terms.rate_micro, terms.category_milli) + terms.campaign_extra_max)
    if terms.max_award_units is not None:
        earned = min(earned, terms.max_award_units)
    earned = min(earned, AWARD_MAX)
    return Target(
        units=earned,
        desired_units=desired,
        reason=None if earned else "rounds_to_zero",
        terms=terms,
        kept=kept,
        expires_at=end_of_day(sold_at, terms.valid_days, zone),
    )


def end_of_day(from_at: datetime, days: int | None, zone: tzinfo) -> datetime | None:
    """Return when the local day `days` after `from_at` ends: the start of the next; `None` is never."""
    if days is None:
        return None
    day = from_at.astimezone(zone).date() + timedelta(days=days + 1)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def cap_day(targets: Sequence[Target], daily_award_units: int | None) -> tuple[Target, ...]:
    """Allocate one member's daily limit over that day's targets, which come in (sold_at, first key) order."""
    if daily_award_units is None:
        return tuple(targets)
    left, capped = daily_award_units, []
    for target in targets:
        allowed = min(target.units, left)
        left -= allowed
        reason = target.reason if allowed == target.units else "daily_limit"
        capped.append(replace(target, units=allowed, reason=reason))
    return tuple(capped)


def total(targets: Iterable[Target]) -> int:
    """Return the sum of what `targets` earn."""
    return sum(target.units for target in targets)


def explain(target: Target) -> str:
    """Return one pt-BR sentence whose figures recompute the award: amount, factors, result, and any limit."""
    terms = target.terms
    if terms is None or not target.desired_units:
        return Refusal(target.reason).text if target.reason in TEXTS else "Sem crédito."
    desired, earned = (_units(units, terms.unit) for units in (target.desired_units, target.units))
    sentence = f"{_exact(target.kept)} x {' x '.join(_factors(terms))} = {desired}"
    if target.desired_units * _SCALE != target.kept * _product(terms):
        sentence += ", arredondado para baixo uma única vez"
    if target.units < target.desired_units:
        sentence += f"; limitado a {earned}"
    return sentence + "."


def _product(terms: Terms) -> int:
    return terms.rate_micro * terms.category_milli * terms.campaign_milli


def _factors(terms: Terms) -> Iterator[str]:
    rate = _decimal(terms.rate_micro, MICRO)
    yield f"{rate} ponto(s) por R$ 1" if terms.unit == "points" else f"{rate}% de cashback"
    if terms.category_milli != MILLI:
        yield f"{_decimal(terms.category_milli, MILLI)} (categoria {terms.category_name})"
    if terms.campaign_milli != MILLI:
        yield f"{_decimal(terms.campaign_milli, MILLI)} (campanha {terms.campaign_name})"


def _exact(kept: Fraction) -> str:
    """Return centavos as a person reads them, the part of a centavo as the fraction that it is."""
    whole, rest = divmod(kept.numerator, kept.denominator)
    return f"{brl(whole)} e {rest}/{kept.denominator} de centavo" if rest else brl(whole)


def _units(units: int, unit: Unit) -> str:
    return f"{units} ponto(s)" if unit == "points" else brl(units)


def _decimal(value: int, scale: int) -> str:
    whole, rest = divmod(value, scale)
    digits = str(rest).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{whole},{digits}" if digits else str(whole)
