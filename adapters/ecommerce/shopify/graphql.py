"""Asking a Shopify store: one POST for each question, and what its several ways of saying no mean.

GraphQL says no with status 200, so the status alone proves nothing.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from adapters.ecommerce.shopify.settings import ShopifyConfig
from adapters.ecommerce.shopify.wire import Changed, Errors
from contracts import ApiKeyHeader, Reply, RetryLater, SignInAgain, Steps, VendorRefused
from contracts.credentials import Credentials, NoCredentials
from contracts.http import post
from contracts.wire import Wire, parse

M = TypeVar("M", bound=Wire)

# The bucket of a store holds ten to twenty seconds of what flows in (shopify.dev/docs/api/usage/limits).
BUSY_SECONDS = 20
# ACCESS_DENIED also says that the app has no approval for personal data: the merchant's to mend, not ours.
LOCKED = frozenset({"ACCESS_DENIED", "UNAUTHORIZED", "FORBIDDEN"})
BUSY = frozenset({"THROTTLED", "INTERNAL_SERVER_ERROR", "TIMEOUT"})


def credentials(config: ShopifyConfig) -> Credentials:
    """Return how the store is asked; before the sign-in there is no token."""
    token = config.access_token.get_secret_value()
    return ApiKeyHeader("x-shopify-access-token", token) if token else NoCredentials()


def ask(document: str, variables: Mapping[str, Any], model: type[M], config: ShopifyConfig) -> Steps[M]:
    """Return the answer. `SignInAgain` if the token may not do this, `RetryLater` if the store is busy."""
    body = json.dumps({"query": document, "variables": variables}, ensure_ascii=False).encode()
    reply: Reply = yield post(f"/admin/api/{config.api_version}/graphql.json", body)
    if reply.status != 200:
        raise VendorRefused(f"http_{reply.status}", "the store did not accept the question")
    for error in parse(Errors, reply.body).errors:
        raise _refusal(error.extensions.code)
    return parse(model, reply.body)


def refuse(changed: Changed) -> None:
    """Raise `VendorRefused` if a mutation was not made; with Shopify's code, never its message."""
    for error in changed.errors:
        known = re.fullmatch(r"[A-Z][A-Z_]{1,63}", error.code or "")
        raise VendorRefused(known[0].lower() if known else "unknown", "the store did not make the change")


def _refusal(code: str) -> SignInAgain | RetryLater | VendorRefused:
    if code in LOCKED:
        return SignInAgain()
    if code in BUSY:
        return RetryLater(BUSY_SECONDS)
    return VendorRefused("graphql_error", "the store answered with an error")
