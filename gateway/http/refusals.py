"""Problems as FastAPI gives them: its own refusals turned into ours, and all of them in the OpenAPI document."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway.problems import KINDS, MEDIA_TYPE, Problem, field_errors, problem_body, request_id_of

_log = logging.getLogger("ponte.problems")

_CODE_OF_STATUS = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "busy",
}


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return `problem` as a response for FastAPI."""
    headers = {"cache-control": "no-store", **problem.headers}
    return Response(problem_body(problem, request_id), problem.status, headers, MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Make every refusal of `app` a problem: ours, FastAPI's, Starlette's 404 and 405, the unforeseen."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error, request_id_of(request.scope))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    code = "personal_data" if any(fault["type"] == "personal" for fault in faults) else "invalid"
    problem = Problem(code, errors=field_errors(faults))
    return problem_response(problem, request_id_of(request.scope))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODE_OF_STATUS.get(error.status_code, "malformed" if error.status_code < 500 else "internal")
    problem = Problem(code, headers=error.headers)
    problem.status = error.status_code
    return problem_response(problem, request_id_of(request.scope))


async def _on_bug(request: Request, error: Exception) -> Response:
    request_id = request_id_of(request.scope)
    _log.error("bug in request %s", request_id, exc_info=error)
    return problem_response(Problem("internal"), request_id)


PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "In Portuguese; may be shown to a merchant."},
        "code": {"type": "string", "description": "Stable; decide by this one."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_ALWAYS = ("malformed", "internal", "busy")
_WITH_BODY = ("body_timeout", "body_too_large", "unsupported_media_type", "invalid")


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a FastAPI route that may refuse with these codes."""
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {status: _response(grouped) for status, grouped in by_status.items()}


def _response(codes: Sequence[str]) -> dict[str, Any]:
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Return FastAPI's OpenAPI `schema` in place: its 422 replaced, the refusals of the edge documented."""
    for item in schema.get("paths", {}).values():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                _document(operation)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return schema


def _document(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    default = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if str(default.get("$ref", "")).endswith("/HTTPValidationError"):
        responses["422"] = _response(["invalid"])
    always = _ALWAYS + (_WITH_BODY if "requestBody" in operation else ())
    for status, response in documented(*always).items():
        responses.setdefault(str(status), response)
