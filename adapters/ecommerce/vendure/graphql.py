"""Asking a Vendure store: one POST for each question, and what its several ways of saying no mean.

GraphQL says no with status 200, so the status alone proves nothing.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from adapters.ecommerce.vendure.settings import VendureConfig
from adapters.ecommerce.vendure.wire import Errors
from contracts import ApiKeyHeader, Reply, RetryLater, SignInAgain, Steps, VendorRefused
from contracts.credentials import Credentials
from contracts.http import post
from contracts.wire import Wire, parse

M = TypeVar("M", bound=Wire)

# AuthOptions.apiKeyHeaderKey and ApiOptions.channelTokenKey, as a store has them unless it says otherwise.
API_KEY_HEADER = "vendure-api-key"
CHANNEL_HEADER = "vendure-token"
BUSY_SECONDS = 60


def credentials(config: VendureConfig) -> Credentials:
    """Return how the store is asked: the API key of a role made for this."""
    return ApiKeyHeader(API_KEY_HEADER, config.api_key.get_secret_value())


def ask(document: str, variables: Mapping[str, Any], model: type[M], config: VendureConfig) -> Steps[M]:
    """Return the answer. `SignInAgain` if the key may not do this, `RetryLater` if the store broke."""
    body = json.dumps({"query": document, "variables": variables}, ensure_ascii=False).encode()
    channel = config.channel_token
    headers = {} if channel is None else {CHANNEL_HEADER: channel.get_secret_value()}
    reply: Reply = yield post(config.admin_path, body, **headers)
    if reply.status != 200:
        # 400 is a question that the schema does not know, such as a custom field that is not there.
        raise VendorRefused(f"http_{reply.status}", "the store did not accept the question")
    for error in parse(Errors, reply.body).errors:
        raise _refusal(error.extensions.code)
    return parse(model, reply.body)


def _refusal(code: str) -> SignInAgain | RetryLater | VendorRefused:
    if code in {"FORBIDDEN", "UNAUTHORIZED"}:
        return SignInAgain()
    if code == "INTERNAL_SERVER_ERROR":
        return RetryLater(BUSY_SECONDS)
    return VendorRefused("graphql_error", "the store answered with an error")
