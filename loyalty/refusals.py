"""The closed list of business "no": values with a stable code and a sentence a merchant can read.

A refusal is an answer, never an exception; every code has its text here and nowhere else.
"""

from dataclasses import dataclass
from typing import Final

TEXTS: Final[dict[str, str]] = {
    "below_minimum": "A compra ficou abaixo do valor mínimo do programa.",
    "no_rate": "O parceiro não tinha taxa de conversão válida na data da compra.",
    "unmatched": "A compra aguarda o cadastro do CPF no programa.",
    "no_cpf": "A compra não tem CPF informado.",
    "late_match_expired": "O CPF foi cadastrado depois do prazo para creditar esta compra.",
    "pack_exhausted": "O pacote de pontos do parceiro acabou; o crédito aguarda a recarga.",
    "not_in_file": "A adquirente não confirmou esta venda no arquivo do dia.",
    "given_back": "A compra foi cancelada ou devolvida por inteiro.",
    "nothing_captured": "Nenhum valor foi capturado nesta compra.",
    "quarantined": "A mesma transação foi informada por outro parceiro; a venda está em análise.",
    "test": "Venda de teste: não gera crédito.",
    "rounds_to_zero": "O valor não alcança uma unidade do programa.",
    "daily_limit": "O limite diário de créditos do participante foi atingido.",
    "programme_inactive": "O programa ainda não foi ativado.",
    "insufficient_balance": "Saldo insuficiente.",
    "redemption_blocked": "O resgate está bloqueado para este participante.",
    "debt_outstanding": "Há um saldo devedor a compensar antes do próximo resgate.",
    "already_claimed": "Esta compra já foi atribuída a outro CPF.",
    "sale_unknown": "A venda não foi encontrada.",
    "member_unknown": "CPF não cadastrado no programa.",
    "member_exists": "Este CPF já está cadastrado no programa.",
    "launch_conflict": "Já existe um lançamento com esta referência e outro conteúdo.",
    "return_exceeds_sale": "A devolução é maior que o valor da venda.",
    "rate_backdated": "A taxa não pode valer a partir de uma data anterior ao registro.",
    "programme_mode_fixed": "Unidade e modalidade do programa não mudam depois da ativação.",
    "account_installed": "Esta conta já está integrada a este programa.",
    "document_invalid": "CPF ou CNPJ inválido.",
    "nonce_reused": "Este pedido já foi enviado com outro conteúdo.",
    "reservation_unknown": "Reserva não encontrada.",
    "reservation_closed": "Esta reserva já foi encerrada.",
    "reservation_used": "Esta reserva já foi usada em outra venda.",
    "cashout_too_small": "O valor escolhido é menor que o mínimo para resgate.",
    "cashout_too_large": "O valor escolhido é maior que o máximo para resgate.",
    "reward_closed": "Este cupom não está disponível.",
    "reward_out_of_stock": "Este cupom esgotou.",
    "reward_limit_reached": "O participante já resgatou este cupom o número máximo de vezes.",
    "voucher_not_accepted": "Voucher não aceito.",
    "voucher_mistyped": "O código foi digitado com erro; confira e digite de novo.",
    "voucher_needs_cpf": "Informe também o CPF do titular do voucher.",
    "voucher_expired": "Este voucher venceu.",
    "voucher_revoked": "Este voucher foi cancelado.",
    "voucher_elsewhere": "Este voucher não vale neste parceiro.",
    "voucher_reserved": "Este voucher está reservado em outra compra.",
    "voucher_spent": "Este voucher já foi usado.",
    "voucher_too_small": "O voucher não tem esse valor disponível.",
    "order_below_minimum": "A compra ficou abaixo do valor mínimo do voucher.",
    "use_released": "Esta reserva do voucher já foi liberada ou venceu.",
    "use_committed": "Este voucher já teve baixa nesta compra.",
    "use_unknown": "Reserva de voucher não encontrada.",
    "rollback_exceeds_use": "O estorno é maior que a baixa.",
    "future_sale": "A data da venda está no futuro.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A business "no". `code` is stable; `text` is the pt-BR sentence."""

    code: str

    def __post_init__(self) -> None:
        if self.code not in TEXTS:
            raise KeyError(self.code)

    @property
    def text(self) -> str:
        """The sentence for the merchant or the member."""
        return TEXTS[self.code]
