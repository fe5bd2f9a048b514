"""The member's statement (extrato): one pt-BR line per movement of a wallet.

A line shows what changed for its reader; balances of partners and of the programme never appear.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts.money import brl
from loyalty.accounts import Movement
from loyalty.programme import Unit

OWN_KINDS: Final = ("pending", "available", "debt")

_TEXTS: Final = {
    "accrual": "Crédito da compra",
    "restoration": "Crédito refeito da compra",
    "activation": "Liberação do crédito da compra",
    "reversal": "Estorno da compra",
    "merged": "Ajuste da compra",
    "owner_change": "Ajuste da compra",
    "expiry": "Expiração",
    "goodwill": "Bônus do programa",
    "purchase": "Compra de {currency}",
    "cashout": "{withdrawal}",
    "voucher_return": "Devolução de voucher",
    "writeoff": "Perdão do saldo devedor",
}
KINDS: Final = frozenset(_TEXTS)
"""Movements that change a wallet, of which its statement speaks; the others move what had left it."""

_WORDS: Final[dict[Unit, dict[str, str]]] = {
    "points": {"currency": "pontos", "withdrawal": "Resgate de pontos"},
    "cashback": {"currency": "cashback", "withdrawal": "Saque de cashback"},
}
_OF_A_PURCHASE: Final = frozenset(
    {"accrual", "restoration", "activation", "reversal", "merged", "owner_change"}
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """The sale a line speaks of, as its reader knows it."""

    amount_cents: int
    partner_name: str


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line: units that became available (negative: left), and what was so after it.

    `pending_units` entered or left what waits for release; `debt_units` is above zero where a credit repaid.
    """

    at: datetime
    learned_at: datetime
    text: str
    units: int
    pending_units: int
    debt_units: int
    balance_after: int


def line(
    movement: Movement, member_id: str, unit: Unit, balance_before: int, purchase: Purchase | None = None
) -> StatementLine:
    """Return what one movement means to one member; `balance_before` is available plus debt, in units."""
    changed = dict.fromkeys(OWN_KINDS, 0)
    for (kind, ref), units in movement.postings:
        if ref == member_id and kind in changed:
            changed[kind] += units
    return StatementLine(
        at=movement.happened_at,
        learned_at=movement.learned_at,
        text=_text(movement.kind, unit, purchase, changed),
        units=changed["available"],
        pending_units=changed["pending"],
        debt_units=changed["debt"],
        balance_after=balance_before + changed["available"] + changed["debt"],
    )


def shown(units: int, unit: Unit) -> str:
    """Return units as a person reads them: "1.230 pontos", "1 ponto", or "R$ 12,30"."""
    if unit == "cashback":
        return brl(units)
    return f"{units:,} {'ponto' if abs(units) == 1 else 'pontos'}".replace(",", ".")


def _text(kind: str, unit: Unit, purchase: Purchase | None, changed: dict[str, int]) -> str:
    text = _TEXTS[kind].format_map(_WORDS[unit])
    if purchase and kind in _OF_A_PURCHASE:
        text += f" de {brl(purchase.amount_cents)} na {purchase.partner_name}"
    notes = []
    if kind != "activation" and changed["pending"] > 0:
        notes.append("a liberar")
    if changed["debt"] > 0 and kind != "writeoff":
        notes.append(f"abate {shown(changed['debt'], unit)} do saldo devedor")
    if changed["debt"] < 0:
        notes.append(f"deixa {shown(-changed['debt'], unit)} de saldo devedor")
    return f"{text} ({', '.join(notes)})" if notes else text
