"""The browsable half of the hub as one FastAPI application: guarded routes, problems, OpenAPI.

An application with a route that declares no scope is not built.
"""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from gateway.http import installations, keys, members, partners, programmes, sales, stores
from gateway.http.guard import check_scopes
from gateway.hub import Hub
from gateway.problems import Problem, install_handlers, problem_response, request_id_of, with_problems
from gateway.store.outages import Unavailable

TITLE = "Ponte"
API_VERSION = "1"

routers: tuple[APIRouter, ...] = (
    programmes.router,
    partners.router,
    stores.router,
    members.router,
    sales.router,
    installations.router,
    keys.router,
)


def build_api(hub: Hub) -> FastAPI:
    """Return the API of an open hub. Refuses (`UnguardedRoute`) a route without a scope."""
    api = FastAPI(
        title=TITLE,
        version=API_VERSION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.hub = hub
    for router in routers:
        api.include_router(router)
    install_handlers(api)
    api.add_exception_handler(Unavailable, _on_outage)
    check_scopes(api)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign] -- FastAPI's own way to change it
    return api


async def _on_outage(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unavailable)
    return problem_response(Problem.busy(error.retry_after_seconds), request_id_of(request.scope))


def _document(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        document = get_openapi(title=TITLE, version=API_VERSION, routes=api.routes, openapi_version="3.1.0")
        api.openapi_schema = with_problems(document)
    return api.openapi_schema
