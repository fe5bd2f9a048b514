"""Asking a WooCommerce shop: paths of its REST API, and what its ways of saying no mean.

401, 403, 429 and 5xx never arrive here: the gateway's transport turns them into errors.
"""

import re
from typing import TypeVar

from pydantic import BaseModel

from adapters.ecommerce.woocommerce.settings import WooCommerceConfig
from adapters.ecommerce.woocommerce.wire import Fault
from contracts import BasicAuth, Malformed, Reply, Request, Steps, VendorRefused
from contracts.credentials import Credentials
from contracts.wire import parse

M = TypeVar("M", bound=BaseModel)

ROOT = "/wp-json/wc/v3"


def credentials(config: WooCommerceConfig) -> Credentials:
    """Return how the shop is asked. The query string would do too, and would stand in the shop's access log."""
    return BasicAuth(config.consumer_key.get_secret_value(), config.consumer_secret.get_secret_value())


def ask(request: Request, model: type[M]) -> Steps[M | None]:
    """Return the answer, `None` if there is no such thing; any other no is `VendorRefused` with WordPress' code."""
    reply: Reply = yield request
    if reply.status == 404:
        return None
    if reply.status not in {200, 201}:
        raise refusal(reply)
    return parse(model, reply.body)


def refusal(reply: Reply) -> VendorRefused:
    """Return the shop's no: its code, never its text, which repeats what was sent."""
    try:
        code = parse(Fault, reply.body).code
    except Malformed:
        code = ""
    known = re.fullmatch(r"[a-z][a-z0-9_]{1,79}", code)
    return VendorRefused(code if known else f"http_{reply.status}", "the shop did not accept the question")
