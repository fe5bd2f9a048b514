"""The slip that our app prints after Stone's own receipt: 32 columns of text for the customer.

Stone lets nobody add a line to its receipt, so what was earned is said on a slip of our own.
"""

from collections.abc import Sequence
from textwrap import wrap

from adapters.stone.settings import StoneConfig
from contracts import SlipFacts, brl

COLUMNS = 32
RULE = "-" * COLUMNS

NOTES = {
    "pending": "Crédito em confirmação: o saldo será atualizado em breve.",
    "held": "Crédito em análise: o saldo será atualizado em breve.",
    "received": "Compra recebida: o crédito será lançado em breve.",
    "unmatched": "CPF ainda não cadastrado: cadastre-se para receber o crédito desta compra.",
    "no_cpf": "Compra sem CPF: informe o CPF antes de pagar e acumule na próxima.",
    "declined": "Pagamento não aprovado: nada foi creditado.",
    "cancelled": "Venda cancelada: o crédito da compra foi ajustado.",
}


def slip(facts: SlipFacts, config: StoneConfig) -> Sequence[str]:
    """Return the lines to print, none wider than 32 columns. The CPF comes masked and stays so."""
    del config
    name = wrap(facts.programme_name, COLUMNS) or [""]
    lines = [line.center(COLUMNS).rstrip() for line in name]
    lines.append(RULE)
    if facts.cpf_mask is not None:
        lines += _row("CPF", facts.cpf_mask)
    if facts.sold_cents:
        lines += _row("Compra", brl(facts.sold_cents))
    label = "Cashback" if facts.unit == "cashback" else "Pontos"
    if facts.earned_units:
        lines += _row(label, _signed(facts))
    if facts.balance_units is not None:
        lines += _row("Saldo", _amount(facts.balance_units, facts.unit))
    if note := NOTES.get(facts.outcome):
        lines += [*([] if lines[-1] == RULE else [RULE]), *wrap(note, COLUMNS)]
    return lines


def _row(label: str, value: str) -> list[str]:
    """Return label left and value right; on two lines where one is too narrow."""
    if len(label) + 1 + len(value) > COLUMNS:
        return [label, value.rjust(COLUMNS)]
    return [label + value.rjust(COLUMNS - len(label))]


def _signed(facts: SlipFacts) -> str:
    sign = "+" if facts.earned_units > 0 else ""
    return sign + _amount(facts.earned_units, facts.unit)


def _amount(units: int, unit: str) -> str:
    """Return units as people read them: cashback is money, points have thousands."""
    return brl(units) if unit == "cashback" else f"{units:,}".replace(",", ".")
