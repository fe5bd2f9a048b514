"""The acquirer's side of the day: it signs webhooks, publishes its keys, and answers for its charges.

The shapes are those of Stone Connect's webhooks (connect-stone.stone.com.br/reference/retorno-webhook).
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts.signatures import RS256
from gateway.edge import Receive, Scope, read_body
from gateway.http.inbound import answer_json
from gateway.problems import Send

KEY_ID = "demo"
KEY_SET_PATH = "/.well-known/jwks.json"
SIGNATURE_HEADER = "x-webhook-asymmetric-signature"
ZONE = ZoneInfo("America/Sao_Paulo")


@dataclass(frozen=True, slots=True)
class Payment:
    """One card payment, as the acquirer and the terminal both know it."""

    charge_id: str
    atk: str
    order_id: str
    amount_cents: int
    paid_at: datetime
    serial: str
    reservation: str | None = None

    def charge(self, *, returned_cents: int = 0, told_at: datetime | None = None) -> dict[str, Any]:
        """Return the whole state of the charge after `returned_cents` were given back."""
        at = (told_at or self.paid_at).isoformat()
        returned = {"canceled_amount": returned_cents, "canceled_at": at} if returned_cents else {}
        status = "canceled" if returned_cents == self.amount_cents else "paid"
        return {
            "id": self.charge_id,
            "code": self.atk,
            "amount": self.amount_cents,
            "paid_amount": self.amount_cents,
            "status": status,
            "currency": "BRL",
            "payment_method": "cash",
            "paid_at": self.paid_at.isoformat(),
            "created_at": self.paid_at.isoformat(),
            "updated_at": at,
            **returned,
            "order": {"id": self.order_id, "code": self.reservation or self.order_id[-8:], "closed": False},
            "metadata": {
                "account_funding_source": "credit",
                "terminal_serial_number": self.serial,
                "transaction_timestamp": self.paid_at.isoformat(),
            },
        }

    def answer(self, code: str = "0") -> str:
        """Return the URI with which the payment app answers on the terminal; `code` 0 is approved."""
        said = {
            "code": code,
            "success": "true" if code == "0" else "false",
            "amount": str(self.amount_cents),
            "atk": self.atk,
            "authorization_date_time": f"{self.paid_at.astimezone(ZONE):%d/%m/%Y %H:%M:%S}",
            "authorization_code": self.atk[-6:],
            "type": "Crédito",
        }
        if self.reservation is not None:
            said["order_id"] = self.reservation
        return "ponte://pay-response?" + urlencode(said)


def message(account_id: str, event: str, charge: Mapping[str, Any], told_at: datetime) -> bytes:
    """Return a webhook's body."""
    envelope = {
        "id": f"hook_{charge['id'][3:]}",
        "account": {"id": account_id, "name": "DEMO"},
        "type": event,
        "created_at": told_at.isoformat(),
        "data": charge,
    }
    return json.dumps(envelope).encode()


class Acquirer:
    """A small Stone of the demo's own, on this machine."""

    def __init__(self) -> None:
        self._key: RSAPrivateKey = generate_private_key(public_exponent=65537, key_size=2048)
        self.charges: dict[str, Mapping[str, Any]] = {}

    def sign(self, body: bytes) -> Mapping[str, str]:
        """Return the header with which the acquirer signs."""
        return RS256("", SIGNATURE_HEADER).sign(body, KEY_ID, self._key)

    def private_key_pem(self) -> bytes:
        """Return the private key, for a script that wants to sign like this acquirer."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the key set and charges; a PUT to a charge's address sets it."""
        path, charge_id = scope["path"], scope["path"].removeprefix("/charges/")
        if path == KEY_SET_PATH:
            await answer_json(send, 200, self._key_set())
        elif path.startswith("/charges/") and scope["method"] == "PUT":
            self.charges[charge_id] = json.loads(await read_body(receive))
            await answer_json(send, 200, {"id": charge_id})
        elif charge_id in self.charges:
            await answer_json(send, 200, dict(self.charges[charge_id]))
        else:
            await answer_json(send, 404, {"message": "not found"})

    def _key_set(self) -> dict[str, Any]:
        public = self._key.public_key().public_numbers()
        numbers = {"n": _base64(public.n, 256), "e": _base64(public.e, 3)}
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, **numbers}]}


def _base64(number: int, size_bytes: int) -> str:
    return urlsafe_b64encode(number.to_bytes(size_bytes, "big")).rstrip(b"=").decode()
