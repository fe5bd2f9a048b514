"""Writing rewards. A change counts for what is issued from now on: a voucher keeps its own terms.

The kill switch is the exception: `honoured` off, and no voucher of the reward is accepted anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from gateway import audit
from gateway.access import Principal
from gateway.context import Context
from gateway.problems import FieldError, Problem
from gateway.programmes.queries import book
from gateway.rewards.queries import TERMS, RewardRef, cashout_row, reward_rows
from gateway.store import rows
from gateway.store import tables as t
from loyalty.programme import MILLI


@dataclass(frozen=True, slots=True)
class NewReward:
    """A reward to be offered; `terms` hold some or all of `queries.TERMS`, the rest has its usual value."""

    by: Principal
    name: str
    kind: str
    terms: Mapping[str, Any] = field(default_factory=dict)


USUAL: Mapping[str, Any] = {
    "cost_units": 0,
    "amount_cents": 0,
    "unit_millicents": MILLI,
    "least_units": 1,
    "minimum_cents": 0,
    "combinable": True,
    "remainder": "keep",
    "on_expiry": "return",
    "auto_issue": False,
    "active": True,
    "honoured": True,
}


def create(
    context: Context, conn: Connection, items: Sequence[NewReward]
) -> list[Mapping[str, Any] | Problem]:
    """Offer rewards. Refused: a kind without price or worth, a partner that is not the programme's."""
    answers: list[Mapping[str, Any] | Problem] = []
    for item in items:
        row = _new_row(context, item.by.programme_id, item.name, item.kind, item.terms)
        answers.append(_write(context, conn, item.by, "reward.created", row))
    return answers


def cashout(context: Context, conn: Connection, programme_id: str) -> RewardRef:
    """Return the programme's cash-out (`queries.cashout_row`).

    A programme that never had one is given one, by which a unit is worth a centavo.
    """
    row = cashout_row(conn, programme_id)
    if row is None:
        row = _new_row(context, programme_id, "Sacar saldo", "cashout", {})
        rows.insert(conn, t.reward, [row])
    return (programme_id, row["reward_id"])


@dataclass(frozen=True, slots=True)
class RewardChange:
    """New values for a reward that is still at `version`; its kind stays."""

    by: Principal
    reward_id: str
    version: int
    values: Mapping[str, Any]


def change(
    context: Context, conn: Connection, items: Sequence[RewardChange]
) -> list[Mapping[str, Any] | Problem]:
    """Change rewards; return the new rows. Refused: what `create` refuses, and a state that nobody read."""
    found = reward_rows(conn, [(item.by.programme_id, item.reward_id) for item in items])
    answers: list[Mapping[str, Any] | Problem] = []
    for item in items:
        at = (item.by.programme_id, item.reward_id)
        row = found.get(at)
        if row is None:
            answers.append(Problem("not_found"))
        elif row["version"] != item.version:
            answers.append(Problem("precondition_failed"))
        else:
            values = {name: item.values[name] for name in ("name", *TERMS) if name in item.values}
            after = {**row, **values, "updated_at": context.clock(), "version": row["version"] + 1}
            answer = _write(context, conn, item.by, "reward.changed", after)
            if not isinstance(answer, Problem):
                found[at] = after
            answers.append(answer)
    return answers


def _new_row(
    context: Context, programme_id: str, name: str, kind: str, terms: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **dict.fromkeys(TERMS),
        **USUAL,
        **terms,
        "programme_id": programme_id,
        "reward_id": context.ids.new("rwd"),
        "name": name,
        "kind": kind,
        "issued": 0,
        "updated_at": context.clock(),
        "version": 1,
    }


def _write(
    context: Context, conn: Connection, by: Principal, action: str, row: dict[str, Any]
) -> Mapping[str, Any] | Problem:
    faults = list(_faults(context, conn, by, row))
    if faults:
        return Problem("invalid", errors=faults)
    rows.put(conn, t.reward, [row])
    audit.settings_changed(context, conn, by, action, row["reward_id"])
    return row


def _faults(context: Context, conn: Connection, by: Principal, row: Mapping[str, Any]) -> list[FieldError]:
    partners = book(context, conn, by.programme_id).partners
    chosen = row["kind"] == "cashout"
    unit = book(context, conn, by.programme_id).programme.unit
    checks = (
        (chosen or row["cost_units"] > 0, "cost_units", "Informe o custo do cupom."),
        (chosen or row["amount_cents"] > 0, "amount_cents", "Informe o valor do cupom."),
        (
            row["partner_id"] is None or row["partner_id"] in partners,
            "partner_id",
            "Parceiro não encontrado.",
        ),
        (
            not chosen or unit == "points" or row["unit_millicents"] == MILLI,
            "unit_millicents",
            "Em um programa de cashback cada unidade vale um centavo.",
        ),
        (not (chosen and row["auto_issue"]), "auto_issue", "Só um cupom de valor fixo é emitido sozinho."),
    )
    return [FieldError(f"#/{name}", text) for holds, name, text in checks if not holds]
