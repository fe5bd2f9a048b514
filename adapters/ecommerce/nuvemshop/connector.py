"""The Nuvemshop connector as one record: a signed hint, the order behind it, vouchers as coupons, and the sign-in.

Found by the entry point `nuvemshop`; nothing imports it by name.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from adapters.ecommerce.nuvemshop import coupons
from adapters.ecommerce.nuvemshop.asking import ask, credentials, request, understood
from adapters.ecommerce.nuvemshop.changes import EVERY_SECONDS, page, receive, signature, start
from adapters.ecommerce.nuvemshop.settings import NuvemshopConfig
from adapters.ecommerce.nuvemshop.wire import Store, Token
from contracts import (
    Account,
    Connector,
    Coupons,
    Limits,
    Malformed,
    Poll,
    Reply,
    SignIn,
    Steps,
    VendorRefused,
    Webhook,
    post,
)


def authorize(state: str, _redirect_uri: str, config: NuvemshopConfig) -> str:
    """Return where the merchant installs the app; where it leads back to is fixed in the app's own settings."""
    return f"{config.login_url}/apps/{config.app_id}/authorize?{urlencode({'state': state})}"


def exchange(
    query: Mapping[str, str], _redirect_uri: str, config: NuvemshopConfig
) -> Steps[Mapping[str, str]]:
    """Return the store and its token for the code that came back. Refused: another store than before."""
    if not query.get("code"):
        raise Malformed("code: missing")
    asked = {
        "client_id": config.app_id,
        "client_secret": config.app_secret.get_secret_value(),
        "grant_type": "authorization_code",
        "code": query["code"],
    }
    reply: Reply = yield post("/apps/authorize/token", json.dumps(asked).encode())
    token = understood(reply, Token)
    if config.store_id not in {"", token.user_id}:
        raise VendorRefused("other_store", "the code is another store's")
    return {"store_id": token.user_id, "access_token": token.access_token}


def check(config: NuvemshopConfig) -> Steps[Account]:
    """Return the store that the token opens. One that does not sell in reais is refused."""
    store = yield from ask(request(config, "GET", "/store"), Store)
    if store is None or store.id != config.store_id:
        raise VendorRefused("other_store", "the token does not open this store")
    if store.main_currency != "BRL":
        raise VendorRefused("foreign_currency", "the store does not sell in reais")
    return Account(store.id, store.original_domain)


connector = Connector(
    slug="nuvemshop",
    name="Nuvemshop",
    config=NuvemshopConfig,
    docs="adapters/ecommerce/nuvemshop/README.md",
    trusts=("confirmed", "declared"),
    base_url=lambda config: config.api_url,
    credentials=credentials,
    # A bucket of 40 that drains by two a second, for each store and app.
    limits=Limits(requests_per_minute=120, concurrent=2),
    webhook=Webhook(signature=signature, receive=receive),
    poll=Poll(every_seconds=EVERY_SECONDS, start=start, page=page),
    coupons=Coupons(create=coupons.create, find=coupons.find, revoke=coupons.revoke),
    # Tokens do not expire: they end when the merchant removes the app or signs in anew.
    sign_in=SignIn(authorize=authorize, exchange=exchange, base_url=lambda config: config.login_url),
    check=check,
)
