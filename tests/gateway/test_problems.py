"""Refusals as RFC 9457 problems."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

import gateway
from gateway.edge import Edge
from gateway.http.refusals import documented, install_handlers, with_problems
from gateway.problems import (
    KINDS,
    MAX_BYTES,
    FieldError,
    Problem,
    field_errors,
    problem_body,
)

CPF = "52998224725"


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    amount_cents: Annotated[int, Field(ge=1)]
    notes: dict[str, int] = {}


class Sale(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    items: list[Item]


def _needs_key() -> None:
    raise Problem("unauthenticated", headers={"www-authenticate": "Bearer"})


def hub() -> FastAPI:
    app = FastAPI()
    install_handlers(app)

    @app.post("/v1/sales", responses=documented("conflict", "forbidden"))
    def post_sale(sale: Sale, limit: int = 1) -> dict[str, int]:
        return {"items": len(sale.items) * limit}

    @app.get("/v1/closed", dependencies=[Depends(_needs_key)])
    def closed() -> None: ...

    @app.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError(f"secret of {CPF}")

    @app.get("/v1/teapot")
    def teapot() -> None:
        raise HTTPException(418, detail=f"echo {CPF}")

    @app.get("/v1/refused")
    def refused() -> None:
        raise Problem.refusal("pack_exhausted", "O pacote de pontos do parceiro acabou.")

    return app


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Edge(hub(), lambda: "req_1"), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://hub")


def shown(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "req_1"
    assert len(answer.content) <= MAX_BYTES
    assert CPF not in answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["request_id"] == "req_1"
    return found


async def test_f101_a_validation_answer_says_where_and_what_but_never_echoes(
    client: httpx.AsyncClient,
) -> None:
    body = {
        "items": [
            {"amount_cents": CPF},
            {"amount_cents": 0, CPF: 1},
            {"amount_cents": 1, "notes": {CPF: "x"}},
        ]
    }
    found = shown(await client.post("/v1/sales", json=body, params={"limit": CPF + "x"}))
    assert found["code"] == "invalid"
    assert found["errors"] == [
        {"pointer": "query/limit", "detail": "Deve ser um número inteiro."},
        {"pointer": "#/items/0/amount_cents", "detail": "Deve ser um número inteiro."},
        {"pointer": "#/items/1/amount_cents", "detail": "Valor abaixo do permitido."},
        {"pointer": "#/items/1", "detail": "Há um campo desconhecido aqui."},
        {"pointer": "#/items/2/notes/…", "detail": "Deve ser um número inteiro."},
    ]


async def test_f85_an_unknown_field_is_refused(client: httpx.AsyncClient) -> None:
    found = shown(await client.post("/v1/sales", json={"items": [], "programme_id": "prg_2"}))
    assert found["errors"] == [{"pointer": "#", "detail": "Há um campo desconhecido aqui."}]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/v1/sales", 405, "method_not_allowed"),
        ("GET", "/v1/closed", 401, "unauthenticated"),
        ("GET", "/v1/teapot", 418, "malformed"),
        ("GET", "/v1/refused", 422, "pack_exhausted"),
        ("GET", "/v1/broken", 500, "internal"),
    ],
)
async def test_every_refusal_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    found = shown(answer)
    assert (answer.status_code, found["code"]) == (status, code)


async def test_a_problems_own_headers_are_sent(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/closed")).headers["www-authenticate"] == "Bearer"
    assert (await client.delete("/v1/sales")).headers["allow"] == "POST"
    assert Problem.busy(3).headers == {"retry-after": "3"}


@given(st.text(max_size=900), st.lists(st.tuples(st.text(max_size=900), st.text(max_size=900)), max_size=60))
def test_no_problem_is_longer_than_4_kb(detail: str, errors: list[tuple[str, str]]) -> None:
    body = problem_body(
        Problem("invalid", detail=detail, errors=[FieldError(*error) for error in errors]), "req_1"
    )
    assert len(body) <= MAX_BYTES
    assert json.loads(body)["code"] == "invalid"


@given(
    st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_f101_nothing_sent_is_found_in_field_errors(sent: Any) -> None:
    marked = {"items": [{"amount_cents": f"{CPF}{sent}", f"x{CPF}": sent, "notes": {f"{CPF}": CPF}}]}
    with pytest.raises(ValidationError) as error:
        TypeAdapter(Sale).validate_python(marked)
    assert CPF not in repr(field_errors(error.value.errors()))


def test_every_stable_code_has_a_sentence_in_portuguese_and_a_status_that_refuses() -> None:
    for code, kind in KINDS.items():
        assert code.islower()
        assert 400 <= kind.status <= 599
        assert kind.detail.endswith(".")
        assert kind.title[0].isupper()


def test_openapi_documents_problems_instead_of_fastapis_own_422() -> None:
    schema = with_problems(hub().openapi())
    responses = schema["paths"]["/v1/sales"]["post"]["responses"]
    assert set(responses) == {"200", "400", "403", "408", "409", "413", "415", "422", "500", "503"}
    for status, response in responses.items():
        if status != "200":
            assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in json.dumps(schema)
    assert schema["components"]["schemas"]["Problem"]["required"]


def test_every_fault_of_our_own_has_a_sentence() -> None:
    sources = (Path(gateway.__file__).parent / "http").glob("*.py")
    ours = {
        kind
        for source in sources
        for kind in re.findall(r'PydanticCustomError\(\s*"(\w+)"', source.read_text())
    }
    assert len(ours) > 10
    told = {kind: field_errors([{"type": kind, "loc": ("body",)}])[0].detail for kind in ours}
    assert [kind for kind, text in told.items() if text == "Valor inválido."] == []
