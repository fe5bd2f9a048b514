"""Writing a programme's settings: creation, policy, activation, categories, campaigns.

Versions are only ever added, and none is valid before it was recorded: what held at a sale stays what held.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, update

from gateway import audit
from gateway.access import PROGRAMME_SCOPES, Principal
from gateway.context import Context
from gateway.keys import actions as keys
from gateway.keys.actions import MadeKey, NewKey
from gateway.problems import FieldError, Problem
from gateway.programmes.queries import book, programme_row
from gateway.store import rows
from gateway.store import tables as t
from loyalty.programme import Mode, Policy, Unit
from loyalty.refusals import Refusal

POLICY: Final = tuple(f.name for f in fields(Policy) if f.name not in {"valid_from", "recorded_at"})
"""What a policy says, by its names."""


@dataclass(frozen=True, slots=True)
class NewProgramme:
    """A programme to be drafted; it earns nothing until it is activated."""

    by: Principal
    name: str
    unit: Unit
    mode: Mode
    zone: str
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MadeProgramme:
    """A drafted programme and the first key that may change it."""

    row: Mapping[str, Any]
    admin_key: MadeKey


def create(
    context: Context, conn: Connection, items: Sequence[NewProgramme]
) -> list[MadeProgramme | Problem]:
    """Draft programmes, each with keys of its own and a first API key that holds all of its scopes."""
    made: list[MadeProgramme | Problem] = []
    for item in items:
        programme_id = context.ids.new("prg")
        now = context.clock()
        row: dict[str, Any] = {
            "programme_id": programme_id,
            "name": item.name,
            "unit": item.unit,
            "mode": item.mode,
            "zone": item.zone,
            "active": False,
            "key_wrapped": context.vault.new_programme_key(),
            "created_at": now,
            "version": 1,
        }
        policy = Policy(now, now, **item.policy)
        rows.insert(conn, t.programme, [row])
        rows.insert(conn, t.policy, [_policy_row(programme_id, policy)])
        audit.record(context, conn, item.by, "programme.created", programme_id, programme_id=programme_id)
        asked = NewKey(item.by, programme_id, "admin", PROGRAMME_SCOPES)
        [key] = keys.create(context, conn, [asked])
        made.append(key if isinstance(key, Problem) else MadeProgramme({**row, "policy": policy}, key))
    return made


@dataclass(frozen=True, slots=True)
class ProgrammeChange:
    """New values for a programme that is still at `version`."""

    by: Principal
    version: int
    values: Mapping[str, Any] = field(repr=False)


def change(
    context: Context, conn: Connection, items: Sequence[ProgrammeChange]
) -> list[Mapping[str, Any] | Refusal | Problem]:
    """Change name and policy, and before activation unit and mode; return the new row."""
    return [_change(context, conn, item) for item in items]


def _change(
    context: Context, conn: Connection, item: ProgrammeChange
) -> Mapping[str, Any] | Refusal | Problem:
    row = programme_row(conn, item.by.programme_id)
    if row["version"] != item.version:
        return Problem("precondition_failed")
    fixed = {name: item.values[name] for name in ("unit", "mode") if name in item.values}
    if row["active"] and any(row[name] != value for name, value in fixed.items()):
        return Refusal("programme_mode_fixed")
    if fixed.get("unit", row["unit"]) != row["unit"] and any(
        partner.rates for partner in book(context, conn, item.by.programme_id).partners.values()
    ):
        return Refusal("programme_mode_fixed")  # a rate in points would become one in cashback
    _update(conn, item.by, {**fixed, "name": item.values.get("name", row["name"])})
    policy = replace(row["policy"], **{name: item.values[name] for name in POLICY if name in item.values})
    if policy != row["policy"]:
        if row["active"]:
            now = context.clock()
            policy = replace(policy, valid_from=now, recorded_at=next_instant(now, [policy.recorded_at]))
        # Of a draft nothing was ever sold: its policy is written over, and begins with the programme.
        rows.put(conn, t.policy, [_policy_row(item.by.programme_id, policy)])
    audit.settings_changed(context, conn, item.by, "programme.changed", item.by.programme_id)
    return programme_row(conn, item.by.programme_id)


def _policy_row(programme_id: str, policy: Policy) -> dict[str, Any]:
    # Every value is kept, not only those that were said: a default of tomorrow must not change yesterday.
    terms = {name: getattr(policy, name) for name in POLICY}
    return {
        "programme_id": programme_id,
        "valid_from": policy.valid_from,
        "recorded_at": policy.recorded_at,
        "terms": json.dumps(terms, sort_keys=True),
    }


def activate(context: Context, conn: Connection, items: Sequence[Principal]) -> list[Mapping[str, Any]]:
    """Let sales earn, and fix unit and mode for ever; a second time changes nothing."""
    answers: list[Mapping[str, Any]] = []
    for by in items:
        if not programme_row(conn, by.programme_id)["active"]:
            _update(conn, by, {"active": True})
            audit.settings_changed(context, conn, by, "programme.activated", by.programme_id)
        answers.append(programme_row(conn, by.programme_id))
    return answers


def _update(conn: Connection, by: Principal, values: Mapping[str, Any]) -> None:
    conn.execute(update(t.programme).where(t.programme.c.programme_id == by.programme_id).values(**values))


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A version of a category; without `category_id` the first one of a new category."""

    by: Principal
    category_id: str | None
    name: str
    multiplier_milli: int
    valid_days: int | None
    valid_from: datetime | None


def set_category(
    context: Context, conn: Connection, items: Sequence[NewCategory]
) -> list[Mapping[str, Any] | Problem]:
    """Add versions of categories; refused: an unknown category, a version valid from the past."""
    answers: list[Mapping[str, Any] | Problem] = []
    for item in items:
        known = book(context, conn, item.by.programme_id).categories.get(item.category_id or "", ())
        now = context.clock()
        if item.category_id is not None and not known:
            answers.append(Problem("not_found"))
            continue
        if item.valid_from is not None and item.valid_from < now:
            answers.append(backdated("valid_from"))
            continue
        row: dict[str, Any] = {
            "programme_id": item.by.programme_id,
            "category_id": item.category_id or context.ids.new("cat"),
            "name": item.name,
            "multiplier_milli": item.multiplier_milli,
            "valid_days": item.valid_days,
            "valid_from": item.valid_from or now,
            "recorded_at": next_instant(now, (version.recorded_at for version in known)),
        }
        rows.insert(conn, t.category, [row])
        audit.settings_changed(context, conn, item.by, "category.set", row["category_id"])
        answers.append(row)
    return answers


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A multiplier for a time, of one partner or of all."""

    by: Principal
    partner_id: str | None
    name: str
    multiplier_milli: int
    starts_at: datetime
    ends_at: datetime
    min_sale_cents: int
    max_extra_units: int | None


def add_campaign(
    context: Context, conn: Connection, items: Sequence[NewCampaign]
) -> list[Mapping[str, Any] | Problem]:
    """Add campaigns; refused: one that begins in the past or belongs to an unknown partner."""
    answers: list[Mapping[str, Any] | Problem] = []
    for item in items:
        now = context.clock()
        if (
            item.partner_id is not None
            and item.partner_id not in book(context, conn, item.by.programme_id).partners
        ):
            answers.append(Problem("not_found"))
            continue
        if item.starts_at < now:
            answers.append(backdated("starts_at"))
            continue
        row: dict[str, Any] = {
            "programme_id": item.by.programme_id,
            "campaign_id": context.ids.new("cmp"),
            "partner_id": item.partner_id,
            "name": item.name,
            "multiplier_milli": item.multiplier_milli,
            "starts_at": item.starts_at,
            "ends_at": item.ends_at,
            "min_sale_cents": item.min_sale_cents,
            "max_extra_units": item.max_extra_units,
            "recorded_at": now,
        }
        rows.insert(conn, t.campaign, [row])
        audit.settings_changed(context, conn, item.by, "campaign.added", row["campaign_id"])
        answers.append(row)
    return answers


def backdated(name: str) -> Problem:
    """Return the refusal of a version that would change what sales have already earned."""
    return Problem("invalid", errors=[FieldError(f"#/{name}", "Não pode começar no passado.")])


def next_instant(now: datetime, recorded: Iterable[datetime]) -> datetime:
    """Return `now`, or the first instant after all of `recorded`: two versions are never recorded at once."""
    latest = max(recorded, default=None)
    return now if latest is None or latest < now else latest + timedelta(microseconds=1)
