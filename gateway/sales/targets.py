"""What each sale should have earned: owner to member, terms at `sold_at`, award, daily limits.

Pure on what was loaded; the answer is a function of the sales, the members and the book.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeAlias

from gateway.sales.dossiers import Dossier
from loyalty.award import Target, award, cap_day, end_of_day, terms_at
from loyalty.programme import Book, Membership, campaign_in_force, in_force, rate_in_force
from loyalty.sales import Sale

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Concluded:
    """A sale as concluded from its evidence, with the id it keeps and who owns it."""

    programme_id: str
    partner_id: str
    dossier_id: str
    sale_id: str
    first: tuple[str, str]
    sold_at: datetime
    sold_on: date
    last_on: date
    owner: str | None
    member_id: str | None
    base_cents: int
    kept: Fraction
    captured_cents: int
    given_back_cents: int
    confirmed: bool
    in_file: bool
    reason: str | None
    flags: tuple[str, ...]
    merchant: str | None

    @property
    def day(self) -> tuple[str, str | None, date]:
        """The group over which a daily limit is allocated."""
        return (self.programme_id, self.member_id, self.sold_on)


def conclude(sale: Sale, sale_id: str, dossier: Dossier, identity: Row | None, book: Book) -> Concluded:
    """Give a converged sale its id, its local days, and the wallet it credits: that of its owner's `identity`."""
    said = [s.evidence for s in dossier.statements if s.id in sale.statement_ids]
    words = [at for e in said for at in (e.as_of, *(op.happened_at for op in e.operations))]
    refused = _nobodys(sale, identity, book)
    return Concluded(
        programme_id=book.programme.id,
        partner_id=dossier.scope[1],
        dossier_id=dossier.id,
        sale_id=sale_id,
        first=(sale.first_key.kind, sale.first_key.value),
        sold_at=sale.sold_at,
        sold_on=sale.sold_at.astimezone(book.zone).date(),
        last_on=max(words).astimezone(book.zone).date(),
        owner=sale.owner,
        member_id=identity["member_id"] if identity and not refused else None,
        base_cents=sale.base_cents,
        kept=sale.kept,
        captured_cents=sale.captured_cents,
        given_back_cents=sale.given_back_cents,
        confirmed=sale.confirmed,
        in_file=sale.in_file,
        reason=sale.reason or refused,
        flags=sale.flags,
        merchant=sale.merchant,
    )


def _nobodys(sale: Sale, identity: Row | None, book: Book) -> str | None:
    """Return why a sale credits nobody: its CPF is unknown, or came after `late_match_days`; else `None`."""
    if sale.owner is None:
        return "no_cpf"
    if identity is None:
        return "unmatched"
    latest = end_of_day(sale.sold_at, book.policy_at(sale.sold_at).late_match_days, book.zone)
    return "late_match_expired" if latest is not None and identity["since_at"] >= latest else None


def target(sale: Concluded, memberships: Iterable[Row], book: Book) -> Target:
    """Return what `sale` earns on its own, before daily limits."""
    if sale.reason is not None or sale.member_id is None:
        return Target(0, 0, sale.reason, None, sale.kept)
    if not book.programme.active:
        return Target(0, 0, "programme_inactive", None, sale.kept)
    partner = book.partners[sale.partner_id]
    rate = rate_in_force(partner.rates, sale.sold_at)
    if rate is None:
        return Target(0, 0, "no_rate", None, sale.kept)
    history = [Membership(row["category_id"], row["valid_from"], row["recorded_at"]) for row in memberships]
    membership = in_force(history, sale.sold_at)
    category = in_force(book.categories.get(membership.category_id, ()), sale.sold_at) if membership else None
    campaign = campaign_in_force(book.campaigns, sale.partner_id, sale.sold_at, sale.base_cents)
    terms = terms_at(book.programme.unit, book.policy_at(sale.sold_at), rate, category, campaign)
    return award(sale.base_cents, sale.kept, sale.sold_at, terms, book.zone)


def with_daily_limit(
    targets: Mapping[str, Target], sales: Iterable[Concluded], daily_award_units: int | None
) -> dict[str, Target]:
    """Allocate one member's daily limit over a day's `sales`; `targets` by sale id."""
    if daily_award_units is None:
        return dict(targets)
    ordered = sorted(sales, key=lambda sale: (sale.sold_at, sale.first))
    capped = cap_day([targets[sale.sale_id] for sale in ordered], daily_award_units)
    return {sale.sale_id: found for sale, found in zip(ordered, capped, strict=True)}


def pending_until(sale: Concluded, book: Book) -> tuple[bool, datetime | None]:
    """Return whether an award waits, and until when (`None`: until a better source confirms it).

    A sale that only a claim knows waits `unconfirmed_days`; else the activation of the policy at its time holds.
    """
    policy = book.policy_at(sale.sold_at)
    if policy.activation == "on_file":
        return not sale.in_file, None
    if not sale.confirmed:
        return True, sale.sold_at + timedelta(days=policy.unconfirmed_days)
    if policy.activation == "after_days" and policy.activation_days:
        return True, end_of_day(sale.sold_at, policy.activation_days - 1, book.zone)
    return False, None
