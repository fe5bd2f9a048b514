"""The browsable half of the hub as one FastAPI application: guarded routes, problems, OpenAPI.

An application with a route that declares no scope is not built.
"""

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from gateway.http import (
    coupons,
    installations,
    keys,
    members,
    partners,
    programmes,
    rewards,
    sales,
    stores,
    vouchers,
)
from gateway.http.guard import check_scopes
from gateway.http.openapi import whole_document
from gateway.http.refusals import install_handlers, problem_response
from gateway.problems import Problem, request_id_of
from gateway.store.outages import Unavailable

TITLE = "Ponte"
API_VERSION = "1"

routers: tuple[APIRouter, ...] = (
    vouchers.router,
    sales.router,
    members.router,
    rewards.router,
    programmes.router,
    partners.router,
    stores.router,
    coupons.router,
    installations.router,
    keys.router,
)
"""What tills ask comes first: each route is asked in turn whether it is meant, at some ten microseconds."""


class _Api(FastAPI):
    """FastAPI with the whole hub in its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document, built once."""
        if self.openapi_schema is None:
            self.openapi_schema = whole_document(super().openapi())
        return self.openapi_schema


@cache
def build_api() -> FastAPI:
    """Return the API, built once; the hub it speaks for comes with each request (`guard.hub`).

    Refuses (`UnguardedRoute`) a route without a scope.
    """
    api = _Api(
        title=TITLE,
        version=API_VERSION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in routers:
        api.include_router(router)
    install_handlers(api)
    api.add_exception_handler(Unavailable, _on_outage)
    check_scopes(api)
    return api


async def _on_outage(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unavailable)
    return problem_response(Problem.busy(error.retry_after_seconds), request_id_of(request.scope))
