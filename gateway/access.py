"""Who calls, and what a caller may do: API keys, scopes, principals.

A key is shown once; what is kept is a keyed hash of its secret part, compared in constant time.
"""

import hmac
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from gateway.privacy import Vault

Scope: TypeAlias = Literal[
    "hub:admin",
    "programme:admin",
    "partners:read",
    "partners:write",
    "members:read",
    "members:write",
    "sales:read",
    "sales:write",
    "installations:admin",
    "keys:admin",
    "ledger:read",
    "vouchers:read",
    "vouchers:write",
]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
HUB_SCOPES: Final[frozenset[Scope]] = frozenset({"hub:admin"})
"""What belongs to the hub as a whole: only keys of no programme hold these, and they hold nothing else."""

PROGRAMME_SCOPES: Final[frozenset[Scope]] = frozenset(SCOPES) - HUB_SCOPES
PARTNER_SCOPES: Final[frozenset[Scope]] = PROGRAMME_SCOPES - {"programme:admin"}
"""The most that a key bound to one partner may hold: a programme's rules are everybody's."""

NO_PROGRAMME: Final = ""
KEY_ID_PREFIX: Final = "key"
_ISSUER: Final = "ponte"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_SIZE, _SECRET_SIZE, _CHECK_SIZE = 26, 43, 6


@dataclass(frozen=True, slots=True)
class Principal:
    """Who an authenticated caller is. `partner_id` `None`: every partner of the programme."""

    programme_id: str
    key_id: str
    scopes: frozenset[str]
    partner_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the key holds `scope`."""
        return scope in self.scopes

    def sees(self, partner_id: str) -> bool:
        """Whether what belongs to `partner_id` exists for this caller."""
        return self.partner_id in (None, partner_id)


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key as stored."""

    principal: Principal
    secret_hash: bytes = field(repr=False)
    active: bool
    expires_at: datetime | None

    def admits(self, presented_hash: bytes, at: datetime) -> bool:
        """Whether the presented secret is this key's, and the key still counts at `at`."""
        genuine = hmac.compare_digest(self.secret_hash, presented_hash)
        return genuine and self.active and (self.expires_at is None or at < self.expires_at)


class Presented(NamedTuple):
    """The parts of a well-formed key; nothing is known of their truth."""

    key_id: str
    secret: str


def new_key(key_id: str, secret_bytes: bytes) -> tuple[str, str]:
    """Return the text of a key and its secret part, for an id of ours and 32 unpredictable bytes."""
    secret = base62(int.from_bytes(secret_bytes, "big"), _SECRET_SIZE)
    name = key_id.removeprefix(f"{KEY_ID_PREFIX}_")
    return f"{_ISSUER}_{name}_{secret}{_checksum(name, secret)}", secret


def presented(text: str) -> Presented | None:
    """Return the parts of a key text, or `None` if its form or checksum is wrong (mostly: a typo)."""
    issuer, _, rest = text.partition("_")
    name, _, body = rest.partition("_")
    if issuer != _ISSUER or len(name) != _KEY_ID_SIZE or len(body) != _SECRET_SIZE + _CHECK_SIZE:
        return None
    secret, checksum = body[:_SECRET_SIZE], body[_SECRET_SIZE:]
    if not rest.isascii() or checksum != _checksum(name, secret):
        return None
    return Presented(f"{KEY_ID_PREFIX}_{name}", secret)


def secret_hash(vault: Vault, secret: str) -> bytes:
    """Return the keyed hash under which a secret is kept."""
    return hmac.digest(vault.derive("api-key"), secret.encode(), "sha256")


def base62(number: int, size: int) -> str:
    """Return `number` in `size` digits of 0-9, A-Z, a-z. Refused with `ValueError`: one that needs more."""
    digits = []
    for _ in range(size):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    if number:
        raise ValueError("the number needs more digits")
    return "".join(reversed(digits))


def _checksum(name: str, secret: str) -> str:
    # Lets scanners and people tell a key from noise without asking anybody.
    return base62(zlib.crc32(f"{name}_{secret}".encode()), _CHECK_SIZE)
