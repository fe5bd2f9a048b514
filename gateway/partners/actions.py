"""Writing partners and their rates.

A rate is only ever added, and none is valid before it was recorded, save the first of a partner without sales.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, update

from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.partners import queries
from gateway.problems import FieldError, Problem
from gateway.programmes.actions import next_instant
from gateway.programmes.queries import book
from gateway.store import rows
from gateway.store import tables as t
from loyalty.programme import Funding, Unit
from loyalty.refusals import Refusal

Row: TypeAlias = Mapping[str, Any]

MICRO_OF_BPS = 10_000
"""One basis point of cashback is a hundredth of a centavo per real: 10,000 millionths of a unit."""


@dataclass(frozen=True, slots=True)
class NewPartner:
    """A company that joins the programme."""

    by: Principal
    name: str
    cnpj: str | None
    funding: Funding


def create(context: Context, conn: Connection, items: Sequence[NewPartner]) -> list[Row]:
    """Create partners; return their rows."""
    made: list[Row] = []
    for item in items:
        row: dict[str, Any] = {
            "programme_id": item.by.programme_id,
            "partner_id": context.ids.new("par"),
            "name": item.name,
            "cnpj": item.cnpj,
            "funding": item.funding,
            "created_at": context.clock(),
            "version": 1,
        }
        rows.insert(conn, t.partner, [row])
        audit.settings_changed(context, conn, item.by, "partner.created", row["partner_id"])
        made.append({**row, "pack_units": 0})
    return made


@dataclass(frozen=True, slots=True)
class PartnerChange:
    """New values (name, cnpj) for a partner that is still at `version`."""

    by: Principal
    partner_id: str
    version: int
    values: Mapping[str, Any]


def change(context: Context, conn: Connection, items: Sequence[PartnerChange]) -> list[Row | Problem]:
    """Change partners; return their new rows. Refused: a foreign partner, one that changed meanwhile."""
    answers: list[Row | Problem] = []
    for item in items:
        its = (
            t.partner.c.programme_id == item.by.programme_id,
            t.partner.c.partner_id == item.partner_id,
        )
        known = queries.partner(conn, item.by.programme_id, item.partner_id)
        if known is None:
            answers.append(Problem("not_found"))
        elif known["version"] != item.version:
            answers.append(Problem("precondition_failed"))
        else:
            changes = {**item.values, "version": item.version + 1}
            conn.execute(update(t.partner).where(*its).values(**changes))
            audit.settings_changed(context, conn, item.by, "partner.changed", item.partner_id)
            answers.append({**known, **changes})
    return answers


@dataclass(frozen=True, slots=True)
class NewRate:
    """A conversion rate in the words of its programme: micro units per real, and in which unit it was said."""

    by: Principal
    partner_id: str
    rate_micro: int
    said_in: Unit | None
    valid_from: datetime | None
    valid_until: datetime | None


def add_rate(context: Context, conn: Connection, items: Sequence[NewRate]) -> list[Row | Refusal | Problem]:
    """Add rates; return their rows.

    Refused: a foreign partner, a rate in the other unit, an empty interval, and (`rate_backdated`) one that
    would hold before it was recorded, unless it is the first of a partner without any sale.
    """
    return [_add_rate(context, conn, item) for item in items]


def _add_rate(context: Context, conn: Connection, item: NewRate) -> Row | Refusal | Problem:
    settings, now = book(context, conn, item.by.programme_id), context.clock()
    partner = settings.partners.get(item.partner_id)
    if partner is None:
        return Problem("not_found")
    if item.said_in not in (None, settings.programme.unit):
        return Problem("invalid", errors=[FieldError("#", "Este programa não usa taxas nesta unidade.")])
    valid_from = item.valid_from or now
    if item.valid_until is not None and item.valid_until <= valid_from:
        return Problem("invalid", errors=[FieldError("#/valid_until", "Deve ser depois do início.")])
    first = not partner.rates and not queries.has_sales(conn, item.by.programme_id, item.partner_id)
    if valid_from < now and not first:
        return Refusal("rate_backdated")
    row = {
        "programme_id": item.by.programme_id,
        "partner_id": item.partner_id,
        "rate_micro": item.rate_micro,
        "valid_from": valid_from,
        "valid_until": item.valid_until,
        "recorded_at": next_instant(now, (rate.recorded_at for rate in partner.rates)),
    }
    rows.insert(conn, t.rate, [row])
    audit.settings_changed(context, conn, item.by, "rate.added", item.partner_id)
    return row
