"""Asking Nuvemshop: paths of one store, the header that every request must have, and what a no means.

401, 403, 429 and 5xx never arrive here: the gateway's transport turns them into errors.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from adapters.ecommerce.nuvemshop.settings import NuvemshopConfig
from contracts import ApiKeyHeader, Reply, Request, SignInAgain, Steps, VendorRefused
from contracts.credentials import Credentials, NoCredentials
from contracts.wire import parse

M = TypeVar("M", bound=BaseModel)


def credentials(config: NuvemshopConfig) -> Credentials:
    """Return how the store is asked; before the sign-in there is no token."""
    token = config.access_token.get_secret_value()
    # `Authentication`, and `bearer` in lower case: the API reference insists on both.
    return ApiKeyHeader(config.auth_header, f"bearer {token}") if token else NoCredentials()


def request(
    config: NuvemshopConfig,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Request:
    """Return a request to the store. `SignInAgain` if nobody has signed in yet."""
    if not config.store_id:
        raise SignInAgain
    # Without a User-Agent that names app and contact, every answer is 400.
    headers = {"user-agent": f"Ponte ({config.contact})", "content-type": "application/json"}
    content = b"" if body is None else json.dumps(body).encode()
    return Request(method, f"/{config.api_version}/{config.store_id}{path}", content, headers, query or {})


def ask(wanted: Request, model: type[M]) -> Steps[M | None]:
    """Return the answer, `None` if there is no such thing, which a page after the last one is, too."""
    reply: Reply = yield wanted
    if reply.status == 404:
        return None
    return understood(reply, model)


def understood(reply: Reply, model: type[M]) -> M:
    """Return what an answer says; any no is `VendorRefused`, without its text, which repeats what was sent."""
    if reply.status not in {200, 201}:
        raise VendorRefused(f"http_{reply.status}", "the store did not accept the question")
    return parse(model, reply.body)
