"""What a caller reads when something is refused: RFC 9457 problems with stable codes.

No problem ever repeats what the caller sent: validation answers with places and sentences, never with values.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MEDIA_TYPE = "application/problem+json"
MAX_BYTES = 4096
_MAX_ERRORS = 20
_MAX_TEXT = 400
_NAME = re.compile(r"[A-Za-z_]{1,2}[A-Za-z_0-9]{0,38}")


class Kind(NamedTuple):
    """One stable code: status, English title, and the pt-BR sentence used when nothing better is known."""

    status: int
    title: str
    detail: str


KINDS: Mapping[str, Kind] = {
    "malformed": Kind(400, "Malformed request", "A requisição não pôde ser entendida."),
    "malformed_json": Kind(400, "Malformed JSON", "O corpo não é um JSON válido."),
    "repeated_header": Kind(400, "Repeated header", "Um cabeçalho de segurança foi enviado mais de uma vez."),
    "idempotency_key_missing": Kind(400, "Idempotency key missing", "Envie o cabeçalho Idempotency-Key."),
    "unauthenticated": Kind(401, "Unauthenticated", "Credencial ausente, inválida ou vencida."),
    "stale_timestamp": Kind(
        401,
        "Stale timestamp",
        "O relógio do terminal está errado; acerte-o pelo cabeçalho Date desta resposta.",
    ),
    "forbidden": Kind(403, "Forbidden", "Esta credencial não permite esta operação."),
    "not_found": Kind(404, "Not found", "Não encontrado."),
    "method_not_allowed": Kind(405, "Method not allowed", "Este endereço não aceita este método."),
    "not_acceptable": Kind(406, "Not acceptable", "Nenhum formato aceito pelo cliente está disponível."),
    "body_timeout": Kind(408, "Body too slow", "O corpo da requisição demorou demais para chegar."),
    "conflict": Kind(409, "Conflict", "O pedido conflita com o estado atual."),
    "in_flight": Kind(409, "Still running", "O mesmo pedido ainda está em andamento."),
    "precondition_failed": Kind(412, "Precondition failed", "O registro mudou desde a última leitura."),
    "body_too_large": Kind(413, "Body too large", "O corpo da requisição é grande demais."),
    "unsupported_media_type": Kind(415, "Unsupported media type", "Formato do corpo não aceito."),
    "invalid": Kind(422, "Invalid fields", "Há campos inválidos; veja a lista de erros."),
    "forbidden_card_data": Kind(
        422,
        "Forbidden card data",
        "Dados proibidos de cartão (CVV, trilha, número completo) foram recusados; nada foi guardado.",
    ),
    "personal_data": Kind(
        422,
        "Personal data where it does not belong",
        "Há um CPF, CNPJ ou número de cartão num campo que não é para isso; nada foi guardado.",
    ),
    "idempotency_key_reused": Kind(
        422,
        "Idempotency key reused",
        "Esta Idempotency-Key já foi usada com outro conteúdo.",
    ),
    "precondition_required": Kind(428, "Precondition required", "Envie o cabeçalho If-Match."),
    "too_many_requests": Kind(429, "Too many requests", "Muitas requisições; aguarde e tente de novo."),
    "internal": Kind(500, "Internal error", "Erro interno. Informe o request_id ao suporte."),
    "busy": Kind(503, "Busy", "O sistema está ocupado; tente de novo em instantes."),
    "not_ready": Kind(503, "Not ready", "O sistema ainda não está pronto."),
}

_FAULTS = {
    "missing": "Campo obrigatório.",
    "extra_forbidden": "Há um campo desconhecido aqui.",
    "string_too_short": "Texto curto demais.",
    "string_too_long": "Texto longo demais.",
    "string_pattern_mismatch": "Formato inválido.",
    "too_short": "Curto demais.",
    "too_long": "Longo demais.",
    "greater_than": "Valor abaixo do permitido.",
    "greater_than_equal": "Valor abaixo do permitido.",
    "less_than": "Valor acima do permitido.",
    "less_than_equal": "Valor acima do permitido.",
    "timezone_aware": "Informe a data e hora com fuso.",
    "literal_error": "Opção desconhecida.",
    "enum": "Opção desconhecida.",
    "personal": "Tire daqui o CPF, o CNPJ ou o número de cartão.",
    "tax_id": "CPF ou CNPJ inválido.",
    "one_document": "Informe um CPF ou um CNPJ, e só um.",
    "one_code": "Informe o código em uma só das formas.",
    "cpf_needed": "O código de teclado precisa do CPF.",
    "one_name": "Diga de qual venda se trata de uma só forma.",
    "one_rate": "Informe a taxa em uma só das formas.",
    "no_rate": "A taxa deve ser maior que zero.",
    "discount": "O desconto é maior que o valor.",
    "loyalty": "O pagamento com fidelidade é maior que o total.",
    "zone": "Fuso horário desconhecido.",
    "order": "O fim deve ser depois do início.",
    "empty_interval": "O fim deve ser depois do início.",
    "repeated": "Há repetições.",
    "null": "Não pode ser nulo.",
}
_FAULT_FAMILIES = (
    ("int_", "Deve ser um número inteiro."),
    ("string_", "Deve ser um texto."),
    ("bool_", "Deve ser verdadeiro ou falso."),
    ("datetime_", "Data e hora inválidas (use ISO 8601 com fuso)."),
    ("date_", "Data inválida (use AAAA-MM-DD)."),
    ("list_", "Deve ser uma lista."),
    ("tuple_", "Deve ser uma lista."),
    ("model_", "Deve ser um objeto."),
    ("dict_", "Deve ser um objeto."),
    ("union_tag_", "Tipo desconhecido."),
    ("json_", "O corpo não é um JSON válido."),
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in what was sent: where (`#/items/0/amount_cents`, `query/limit`) and a pt-BR sentence."""

    pointer: str
    detail: str


class Problem(Exception):
    """A refused request. Raise it anywhere under HTTP; `detail` is pt-BR and holds nothing that was sent."""

    def __init__(
        self,
        code: str,
        *,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        kind = KINDS[code]
        self.code = code
        self.status, self.title = kind.status, kind.title
        self.detail = kind.detail if detail is None else detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions: Mapping[str, Any] = {}

    @classmethod
    def refusal(
        cls, code: str, detail: str, status: int = 422, extensions: Mapping[str, Any] | None = None
    ) -> "Problem":
        """Return a business "no" (a refusal of `loyalty`) as a problem: its own code and pt-BR sentence.

        `extensions` are further members of the problem: small, ours, and without anything personal.
        """
        problem = cls("invalid", detail=detail)
        problem.code, problem.status, problem.title = code, status, "Refused"
        problem.extensions = dict(extensions or {})
        problem.args = (code,)
        return problem

    @classmethod
    def busy(cls, retry_after_seconds: int = 1) -> "Problem":
        """Return the 503 of a full queue."""
        return cls("busy", headers={"retry-after": str(retry_after_seconds)})


def problem_body(problem: Problem, request_id: str) -> bytes:
    """Return the JSON of `problem`, never more than 4 kB: errors beyond that are left out, last first."""
    members: dict[str, Any] = {
        "type": f"urn:ponte:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail[:_MAX_TEXT],
        "code": problem.code,
        "request_id": request_id,
        **problem.extensions,
    }
    errors = [
        {"pointer": error.pointer[:_MAX_TEXT], "detail": error.detail[:_MAX_TEXT]}
        for error in problem.errors[:_MAX_ERRORS]
    ]
    while True:
        if errors:
            members["errors"] = errors
        body = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) <= MAX_BYTES:
            return body
        errors.pop()


async def send_problem(send: Send, problem: Problem, request_id: str) -> None:
    """Answer `problem` over plain ASGI; for the edge and the hot lane."""
    body = problem_body(problem, request_id)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def request_id_of(scope: Mapping[str, Any]) -> str:
    """Return the id that the edge gave to this request, or an empty text outside the edge."""
    return str(scope.get("state", {}).get("request_id", ""))


def field_errors(faults: Iterable[Mapping[str, Any]]) -> tuple[FieldError, ...]:
    """Return pydantic's `faults` as places and sentences: their `input`, `ctx` and `msg` repeat values."""
    return tuple(_field_error(fault) for fault in faults)


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    kind = str(fault.get("type", ""))
    place = list(fault.get("loc", ()))
    if kind == "extra_forbidden":
        place = place[:-1]  # the unknown name is the caller's text
    if kind.startswith("json_"):
        place = place[:1]
    source = str(place[0]) if place and place[0] in {"query", "path", "header", "cookie"} else "#"
    steps = place[1:] if place and place[0] in {"body", "query", "path", "header", "cookie"} else place
    pointer = "/".join([source, *map(_shown_step, steps)])
    return FieldError(pointer, _fault_text(kind))


def _shown_step(step: object) -> str:
    # A key of a free mapping is the caller's text too: only what looks like a field name of ours is shown.
    if isinstance(step, int):
        return str(step)
    text = str(step)
    return text if _NAME.fullmatch(text) and sum(map(str.isdigit, text)) <= 2 else "…"


def _fault_text(kind: str) -> str:
    if kind in _FAULTS:
        return _FAULTS[kind]
    return next((text for family, text in _FAULT_FAMILIES if kind.startswith(family)), "Valor inválido.")
