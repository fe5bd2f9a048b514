"""`GET /oauth/callback`: a merchant comes back from the vendor with a code; the hub trades it for access.

Who began the sign-in is in `state`: an installation, an end, and our signature over both.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from contracts.errors import Forged, Malformed, RetryLater, SignInAgain, VendorRefused
from gateway.asking import ask_for_access
from gateway.edge import Receive, Scope
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations.actions import ConfigChange
from gateway.privacy import Vault
from gateway.problems import Problem, Send

PATH: Final = "/oauth/callback"
VALID: Final = timedelta(minutes=30)
_DONE: Final = "Conexão concluída. Você já pode fechar esta janela."
_REFUSED: Final = "A loja não confirmou o acesso. Comece de novo pelo painel."


def state_of(vault: Vault, installation_id: str, now: datetime) -> str:
    """Return a `state` that is good for half an hour."""
    said = f"{installation_id}.{int((now + VALID).timestamp())}"
    return f"{said}.{_signature(vault, said)}"


def redirect_uri(base_url: str) -> str:
    """Return the address that the vendor sends the merchant back to; it must be known to the vendor's app."""
    return base_url.rstrip("/") + PATH


async def finish_sign_in(hub: Hub, scope: Scope, _receive: Receive, send: Send) -> None:
    """Trade the code of one sign-in. 400: a `state` that is not ours or too old, or a vendor that said no."""
    if scope["method"] != "GET":
        raise Problem("method_not_allowed", headers={"allow": "GET"})
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    installation_id = _begun(hub.context.vault, query.get("state", ""), hub.context.clock())
    installed = None if installation_id is None else await hub.installed(installation_id)
    if installed is None or installed.connector.sign_in is None:
        raise Problem("malformed", detail=_REFUSED)
    sign_in, back = installed.connector.sign_in, redirect_uri(_origin(scope))
    try:
        fields = await ask_for_access(hub, installed, lambda config: sign_in.exchange(query, back, config))
    except RetryLater as later:
        raise Problem.busy(later.after_seconds) from None
    except (Forged, SignInAgain, VendorRefused, Malformed):
        raise Problem("malformed", detail=_REFUSED) from None
    change = ConfigChange(installed.programme_id, installed.installation_id, installed.version, dict(fields))
    await hub.submit(installations.change_config, change)
    await _say(send, _DONE)


def _begun(vault: Vault, state: str, now: datetime) -> str | None:
    """Return which installation's sign-in this is, `None` if it is none of ours, or over."""
    said, _, signature = state.rpartition(".")
    if not hmac.compare_digest(signature, _signature(vault, said)):
        return None
    installation_id, _, until = said.partition(".")
    return installation_id if int(until) > now.timestamp() else None


def _signature(vault: Vault, said: str) -> str:
    return hmac.digest(vault.derive("sign-in"), said.encode(), "sha256").hex()


def _origin(scope: Scope) -> str:
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    host = headers.get(b"host", b"localhost").decode("latin-1")
    return f"{scope['scheme']}://{host}"


async def _say(send: Send, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"referrer-policy", b"no-referrer"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
