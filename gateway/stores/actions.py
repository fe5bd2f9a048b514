"""Writing stores, the names vendors give them, their terminals and operators.

A terminal's secret is shown once and kept sealed; whoever lost it enrols the terminal again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Column, Connection, Table, update

from gateway import audit
from gateway.access import Principal, base62
from gateway.context import Context
from gateway.installations.queries import secret_place
from gateway.problems import Problem
from gateway.programmes.queries import keys as keys_of
from gateway.store import rows
from gateway.store import tables as t
from gateway.stores.queries import Owner, name_place, owned

Row: TypeAlias = Mapping[str, Any]

_SECRET_SIZE = 43


@dataclass(frozen=True, slots=True)
class NewStore:
    """A place of a partner."""

    by: Principal
    partner_id: str
    name: str
    cnpj: str | None
    zone: str

    @property
    def owner(self) -> Owner:
        """Whose it will be."""
        return (self.by.programme_id, self.partner_id)


def create(context: Context, conn: Connection, items: Sequence[NewStore]) -> list[Row | Problem]:
    """Create stores; return their rows. Refused: a foreign partner."""
    made: list[Row | Problem] = []
    for item in items:
        if owned(conn, t.partner, t.partner.c.partner_id, item.owner, item.partner_id) is None:
            made.append(Problem("not_found"))
            continue
        row: dict[str, Any] = {
            **_owner_columns(item.owner),
            "store_id": context.ids.new("sto"),
            "name": item.name,
            "cnpj": item.cnpj,
            "zone": item.zone,
            "created_at": context.clock(),
        }
        rows.insert(conn, t.store, [row])
        audit.settings_changed(context, conn, item.by, "store.created", row["store_id"])
        made.append(row)
    return made


@dataclass(frozen=True, slots=True)
class MerchantName:
    """The name that a vendor gives a store."""

    by: Principal
    partner_id: str
    merchant_ref: str
    store_id: str

    @property
    def owner(self) -> Owner:
        """Whose establishment it is."""
        return (self.by.programme_id, self.partner_id)


def name_merchant(context: Context, conn: Connection, items: Sequence[MerchantName]) -> list[Row | Problem]:
    """Map names of vendors to stores, anew where they were mapped; what was received before keeps its store."""
    answers: list[Row | Problem] = []
    for item in items:
        if owned(conn, t.store, t.store.c.store_id, item.owner, item.store_id) is None:
            answers.append(Problem("not_found"))
            continue
        row = {
            **_owner_columns(item.owner),
            "merchant_ref": keys_of(context, conn, item.by.programme_id).reference(item.merchant_ref),
            "store_id": item.store_id,
        }
        rows.put(conn, t.merchant, [row])
        audit.settings_changed(context, conn, item.by, "merchant.named", item.store_id)
        answers.append(row)
    return answers


@dataclass(frozen=True, slots=True)
class NewTerminal:
    """A payment terminal to be enrolled."""

    by: Principal
    partner_id: str
    store_id: str
    installation_id: str
    serial: str

    @property
    def owner(self) -> Owner:
        """Whose terminal it is."""
        return (self.by.programme_id, self.partner_id)


@dataclass(frozen=True, slots=True)
class EnrolledTerminal:
    """An enrolled terminal, with the secret that signs its requests: shown once."""

    row: Row
    secret: str = field(repr=False)


def enrol(
    context: Context, conn: Connection, items: Sequence[NewTerminal]
) -> list[EnrolledTerminal | Problem]:
    """Enrol terminals. Refused: a foreign store or installation, a serial that this partner has already."""
    return [_enrol(context, conn, item) for item in items]


def _enrol(context: Context, conn: Connection, item: NewTerminal) -> EnrolledTerminal | Problem:
    needed: tuple[tuple[Table, Column[Any], str], ...] = (
        (t.store, t.store.c.store_id, item.store_id),
        (t.installation, t.installation.c.installation_id, item.installation_id),
    )
    if any(owned(conn, table, key, item.owner, value) is None for table, key, value in needed):
        return Problem("not_found")
    keys = keys_of(context, conn, item.by.programme_id)
    serial = keys.reference(item.serial)
    if owned(conn, t.terminal, t.terminal.c.serial, item.owner, serial) is not None:
        return Problem("conflict", detail="Este número de série já está cadastrado.")
    terminal_id = context.ids.new("trm")
    secret = base62(int.from_bytes(context.vault.new_secret(), "big"), _SECRET_SIZE)
    row = {
        **_owner_columns(item.owner),
        "terminal_id": terminal_id,
        "store_id": item.store_id,
        "installation_id": item.installation_id,
        "serial": serial,
        "secret_sealed": keys.seal_config(secret_place(terminal_id), secret.encode()),
        "active": True,
        "created_at": context.clock(),
    }
    rows.insert(conn, t.terminal, [row])
    audit.settings_changed(context, conn, item.by, "terminal.enrolled", terminal_id)
    return EnrolledTerminal(row, secret)


@dataclass(frozen=True, slots=True)
class Activity:
    """Whether a terminal or an operator still counts."""

    by: Principal
    partner_id: str
    subject_id: str
    active: bool

    @property
    def owner(self) -> Owner:
        """Whose terminal or operator it is."""
        return (self.by.programme_id, self.partner_id)


def set_terminal(context: Context, conn: Connection, items: Sequence[Activity]) -> list[Row | Problem]:
    """Revoke terminals, or let them back in; return their rows."""
    return [_set(context, conn, item, t.terminal, t.terminal.c.terminal_id) for item in items]


def set_operator(context: Context, conn: Connection, items: Sequence[Activity]) -> list[Row | Problem]:
    """Let operators launch sales or not; return their rows."""
    return [_set(context, conn, item, t.operator, t.operator.c.operator_id) for item in items]


def _set(context: Context, conn: Connection, item: Activity, table: Table, key: Column[Any]) -> Row | Problem:
    known = owned(conn, table, key, item.owner, item.subject_id)
    if known is None:
        return Problem("not_found")
    its = (table.c.programme_id == item.by.programme_id, key == item.subject_id)
    conn.execute(update(table).where(*its).values(active=item.active))
    action = f"{table.name}.{'activated' if item.active else 'revoked'}"
    audit.settings_changed(context, conn, item.by, action, item.subject_id)
    return {**known, "active": item.active}


@dataclass(frozen=True, slots=True)
class NewOperator:
    """Someone who works at a till, under a code of the partner's own."""

    by: Principal
    partner_id: str
    store_id: str
    name: str = field(repr=False)
    operator_ref: str

    @property
    def owner(self) -> Owner:
        """Who employs them."""
        return (self.by.programme_id, self.partner_id)


def add_operator(context: Context, conn: Connection, items: Sequence[NewOperator]) -> list[Row | Problem]:
    """Add operators; return their rows. Refused: a foreign store, a code that this partner uses already."""
    return [_add_operator(context, conn, item) for item in items]


def _add_operator(context: Context, conn: Connection, item: NewOperator) -> Row | Problem:
    if owned(conn, t.store, t.store.c.store_id, item.owner, item.store_id) is None:
        return Problem("not_found")
    keys = keys_of(context, conn, item.by.programme_id)
    operator_ref = keys.reference(item.operator_ref)
    if owned(conn, t.operator, t.operator.c.operator_ref, item.owner, operator_ref) is not None:
        return Problem("conflict", detail="Este código de operador já está em uso.")
    operator_id = context.ids.new("opr")
    row = {
        **_owner_columns(item.owner),
        "operator_id": operator_id,
        "store_id": item.store_id,
        "name_sealed": keys.seal_config(name_place(operator_id), item.name.encode()),
        "operator_ref": operator_ref,
        "active": True,
        "created_at": context.clock(),
    }
    rows.insert(conn, t.operator, [row])
    audit.settings_changed(context, conn, item.by, "operator.added", operator_id)
    return row


def _owner_columns(owner: Owner) -> dict[str, Any]:
    return {"programme_id": owner[0], "partner_id": owner[1]}
