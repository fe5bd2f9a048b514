"""How a merchant grants access (shopify.dev/docs/apps/build/authentication-authorization): OAuth, and its tokens.

Tokens are asked for that expire within an hour: from 2027 on Shopify refuses others to public apps.
"""

import hmac
import json
from collections.abc import Mapping
from urllib.parse import urlencode

from adapters.ecommerce.shopify.settings import ShopifyConfig
from adapters.ecommerce.shopify.wire import Token
from contracts import Forged, Malformed, Reply, Request, SignInAgain, Steps, VendorRefused, post
from contracts.wire import parse

PATH = "/admin/oauth/access_token"


def authorize(state: str, redirect_uri: str, config: ShopifyConfig) -> str:
    """Return where the merchant grants the app what it asks for."""
    asked = {
        "client_id": config.client_id,
        "scope": config.scopes,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    return f"https://{config.shop}/admin/oauth/authorize?{urlencode(asked)}"


def exchange(query: Mapping[str, str], _redirect_uri: str, config: ShopifyConfig) -> Steps[Mapping[str, str]]:
    """Return the tokens for the code that came back. `Forged` if Shopify did not send it for this store."""
    secret = config.client_secret.get_secret_value()
    said = "&".join(f"{name}={query[name]}" for name in sorted(query) if name != "hmac")
    true = hmac.new(secret.encode(), said.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(true.encode(), query.get("hmac", "").encode()):
        raise Forged("wrong")
    if query.get("shop") != config.shop:
        raise Forged("other_store")
    if not query.get("code"):
        raise Malformed("code: missing")
    reply = yield _question(config, code=query["code"], expiring="1")
    if reply.status != 200:
        raise VendorRefused(f"http_{reply.status}", "Shopify did not accept the code")
    return _tokens(reply)


def refresh(config: ShopifyConfig) -> Steps[Mapping[str, str]]:
    """Return newer tokens. `SignInAgain` if there are none to be had: the merchant must grant access anew."""
    token = config.refresh_token.get_secret_value()
    if not token:
        raise SignInAgain
    reply = yield _question(config, grant_type="refresh_token", refresh_token=token)
    if reply.status != 200:
        raise SignInAgain
    return _tokens(reply)


def _question(config: ShopifyConfig, **said: str) -> Request:
    app = {"client_id": config.client_id, "client_secret": config.client_secret.get_secret_value()}
    return post(PATH, json.dumps({**app, **said}).encode())


def _tokens(reply: Reply) -> Mapping[str, str]:
    token = parse(Token, reply.body)
    return {"access_token": token.access_token, "refresh_token": token.refresh_token}
