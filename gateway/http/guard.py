"""The door of /v1: who calls, and whether the key holds the scope that the route declares.

A route without a declared scope stops the start; a caller never learns why a key is not accepted.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

from fastapi import FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import iter_route_contexts
from fastapi.security.base import SecurityBase

from gateway import access
from gateway.access import Credential, Principal, Scope
from gateway.context import ANY_PROGRAMME
from gateway.hub import Hub
from gateway.keys import actions, queries
from gateway.problems import Problem

_DESCRIPTION = "An API key of the hub: `Authorization: Bearer ponte_...`"
_CHALLENGE = {"www-authenticate": "Bearer"}


class UnguardedRoute(Exception):
    """The hub does not start: these routes declare no scope."""


class Requirement(SecurityBase):
    """A dependency that answers the caller, or refuses: 401 without a valid key, 403 without the scope."""

    def __init__(self, scope: Scope) -> None:
        self.scheme_name = "api_key"
        self.model = HTTPBearer(description=_DESCRIPTION)
        self.scope = scope

    async def __call__(self, request: Request) -> Principal:
        """Return the authenticated caller."""
        caller = await authenticate(hub(request), request.headers.get("authorization", ""))
        if not caller.may(self.scope):
            raise Problem("forbidden")
        return caller


def requires(scope: Scope) -> Any:
    """Return the parameter default by which a route declares its scope and receives its caller."""
    return Security(Requirement(scope), scopes=[scope])


def hub(request: Request) -> Hub:
    """Return the hub that serves this request."""
    return cast("Hub", request.state.hub)


async def authenticate(hub: Hub, authorization: str) -> Principal:
    """Return who presents this `Authorization` header. Refuses (401) whatever is not a living key of ours."""
    scheme, _, text = authorization.partition(" ")
    shown = access.presented(text.strip()) if scheme.lower() == "bearer" else None
    if shown is None:
        raise Problem("unauthenticated", headers=_CHALLENGE)
    presented_hash = access.secret_hash(hub.context.vault, shown.secret)
    now = hub.context.clock()
    known: Credential | None = hub.context.memory.peek(ANY_PROGRAMME, ("key", shown.key_id))
    if known is None:
        # Strangers are read, not written down: only a key that was right once costs the writer anything.
        known = await hub.read(partial(queries.credential, key_id=shown.key_id))
        if known is not None and known.admits(presented_hash, now):
            known = await hub.submit(actions.remember, shown.key_id)
    if known is None or not known.admits(presented_hash, now):
        raise Problem("unauthenticated", headers=_CHALLENGE)
    return known.principal


def check_scopes(app: FastAPI) -> None:
    """Refuse (`UnguardedRoute`) an application with a /v1 route that declares no scope, or more than one."""
    unguarded = [
        f"{', '.join(sorted(context.methods or ()))} {context.path}"
        for context in iter_route_contexts(app.routes)
        if (context.path or "").startswith("/v1") and len(scopes_of(context)) != 1
    ]
    if unguarded:
        raise UnguardedRoute("No scope is declared by: " + "; ".join(sorted(unguarded)))


def scopes_of(context: Any) -> list[Scope]:
    """Return the scopes that a route declares."""
    dependant: Dependant | None = getattr(context, "dependant", None)
    return [] if dependant is None else list(_scopes(dependant))


def _scopes(dependant: Dependant) -> Iterator[Scope]:
    if isinstance(dependant.call, Requirement):
        yield dependant.call.scope
    for inner in dependant.dependencies:
        yield from _scopes(inner)
