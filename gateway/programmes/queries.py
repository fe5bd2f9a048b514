"""Reading a programme's settings: the book that every rule looks things up in."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select

from gateway.context import Context
from gateway.privacy import ProgrammeKeys, Vault
from gateway.store import rows
from gateway.store import tables as t
from loyalty.programme import Book, Campaign, Category, Partner, Policy, Programme, Rate


class UnknownProgramme(LookupError):
    """No programme has this id."""


def book(context: Context, conn: Connection, programme_id: str) -> Book:
    """Return a programme's settings as the writer knows them. Refuses (`UnknownProgramme`) a foreign id."""
    return context.memory.get(programme_id, "book", lambda: load_book(conn, programme_id))


def keys(context: Context, conn: Connection, programme_id: str) -> ProgrammeKeys:
    """Return the keys of a programme as the writer knows them."""
    return context.memory.get(programme_id, "keys", lambda: stored_keys(context.vault, conn, programme_id))


def stored_keys(vault: Vault, conn: Connection, programme_id: str) -> ProgrammeKeys:
    """Return the keys of a programme; for readers, who may not fill the writer's memory."""
    query = select(t.programme.c.key_wrapped).where(t.programme.c.programme_id == programme_id)
    wrapped = conn.execute(query).scalar_one_or_none()
    if wrapped is None:
        raise UnknownProgramme(programme_id)
    return vault.programme(programme_id, wrapped)


def programme_row(conn: Connection, programme_id: str) -> dict[str, Any]:
    """Return the stored row of a programme, with its newest `policy`. Refuses (`UnknownProgramme`) a foreign id."""
    return _with_policies(conn, [_stored(conn, programme_id)])[0]


def _stored(conn: Connection, programme_id: str) -> dict[str, Any]:
    query = select(t.programme).where(t.programme.c.programme_id == programme_id)
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownProgramme(programme_id)
    return dict(row)


def programmes(conn: Connection, after_id: str | None, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` programmes after `after_id`, oldest first, each with its newest `policy`."""
    p = t.programme.c
    query = select(t.programme).where(p.programme_id > (after_id or "")).order_by(p.programme_id).limit(limit)
    return _with_policies(conn, [dict(row) for row in conn.execute(query).mappings()])


def _with_policies(conn: Connection, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = _policies(conn, (row["programme_id"] for row in found))
    return [{**row, "policy": known[row["programme_id"]][-1]} for row in found]


def _policies(conn: Connection, programme_ids: Iterable[str]) -> dict[str, tuple[Policy, ...]]:
    """Return the versions of policies by programme, those that began first before the others."""
    found = rows.fetch(conn, t.policy, ("programme_id",), [(programme_id,) for programme_id in programme_ids])
    by_programme: dict[str, tuple[Policy, ...]] = {}
    for row in sorted(found, key=lambda row: (row["valid_from"], row["recorded_at"])):
        at = row["programme_id"]
        policy = Policy(row["valid_from"], row["recorded_at"], **json.loads(row["terms"]))
        by_programme[at] = (*by_programme.get(at, ()), policy)
    return by_programme


def categories(conn: Connection, programme_id: str, seen: int, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` category versions in the order they were recorded, after the first `seen`."""
    c = t.category.c
    query = select(t.category).where(c.programme_id == programme_id).order_by(c.recorded_at, c.category_id)
    return [dict(row) for row in conn.execute(query.limit(limit).offset(seen)).mappings()]


def campaigns(conn: Connection, programme_id: str, after_id: str | None, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` campaigns after `after_id`, oldest first."""
    c = t.campaign.c
    query = select(t.campaign).where(c.programme_id == programme_id, c.campaign_id > (after_id or ""))
    return [dict(row) for row in conn.execute(query.order_by(c.campaign_id).limit(limit)).mappings()]


def load_book(conn: Connection, programme_id: str) -> Book:
    """Return the settings of a programme as stored now."""
    row = _stored(conn, programme_id)
    programme = _programme(row)
    categories: dict[str, tuple[Category, ...]] = {}
    for version in _rows(conn, t.category, programme_id):
        category = Category(
            id=version["category_id"],
            name=version["name"],
            multiplier_milli=version["multiplier_milli"],
            valid_days=version["valid_days"],
            valid_from=version["valid_from"],
            recorded_at=version["recorded_at"],
        )
        categories[category.id] = (*categories.get(category.id, ()), category)
    return Book(
        programme=programme,
        policies=_policies(conn, [programme_id])[programme_id],
        zone=ZoneInfo(programme.zone),
        partners=_partners(conn, programme_id),
        categories=categories,
        campaigns=tuple(_campaign(row) for row in _rows(conn, t.campaign, programme_id)),
        merchants={
            (row["partner_id"], row["merchant_ref"]): row["store_id"]
            for row in _rows(conn, t.merchant, programme_id)
        },
        version=row["version"],
    )


def _programme(row: Mapping[str, Any]) -> Programme:
    return Programme(
        id=row["programme_id"],
        name=row["name"],
        unit=row["unit"],
        mode=row["mode"],
        zone=row["zone"],
        active=row["active"],
    )


def _rows(conn: Connection, table: Table, programme_id: str) -> list[Mapping[str, Any]]:
    return [
        dict(row)
        for row in conn.execute(select(table).where(table.c.programme_id == programme_id)).mappings()
    ]


def _partners(conn: Connection, programme_id: str) -> dict[str, Partner]:
    rates: dict[str, tuple[Rate, ...]] = {}
    for row in _rows(conn, t.rate, programme_id):
        rate = Rate(row["rate_micro"], row["valid_from"], row["recorded_at"], row["valid_until"])
        rates[row["partner_id"]] = (*rates.get(row["partner_id"], ()), rate)
    return {
        row["partner_id"]: Partner(
            row["partner_id"], row["name"], row["funding"], rates.get(row["partner_id"], ())
        )
        for row in _rows(conn, t.partner, programme_id)
    }


def _campaign(row: Mapping[str, Any]) -> Campaign:
    return Campaign(
        id=row["campaign_id"],
        name=row["name"],
        multiplier_milli=row["multiplier_milli"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        recorded_at=row["recorded_at"],
        partner_id=row["partner_id"],
        min_sale_cents=row["min_sale_cents"],
        max_extra_units=row["max_extra_units"],
    )
