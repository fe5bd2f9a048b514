"""How a connector signs in at its vendor: declared as values here, applied to every request by the gateway.

No secret appears in `repr` or in an error.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from contracts.errors import SignInAgain


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """The vendor asks for none, or nothing is ever asked of the vendor."""

    def headers(self) -> Mapping[str, str]:
        """Return no header."""
        return {}


@dataclass(frozen=True, slots=True)
class ApiKeyHeader:
    """A fixed key in a header of the vendor's choosing."""

    name: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, a key that no header can carry."""
        _refuse_unprintable(self.key)

    def headers(self) -> Mapping[str, str]:
        """Return the one header."""
        return {self.name: self.key}


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """`Authorization: Bearer <token>` (RFC 6750)."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, a token that no header can carry."""
        _refuse_unprintable(self.token)

    def headers(self) -> Mapping[str, str]:
        """Return the authorization header."""
        return {"authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """`Authorization: Basic <user:password>` (RFC 7617); an API key as user with no password is common."""

    user: str = field(repr=False)
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, a user with a colon: the vendor would read another password."""
        if ":" in self.user:
            raise ValueError("a Basic user may not contain a colon")

    def headers(self) -> Mapping[str, str]:
        """Return the authorization header."""
        pair = f"{self.user}:{self.password}".encode()
        return {"authorization": f"Basic {b64encode(pair).decode()}"}


@dataclass(frozen=True, slots=True)
class OAuth2Refresh:
    """Declared only: whoever holds the network trades the refresh token for an access token (RFC 6749, 6)."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)

    def headers(self) -> Mapping[str, str]:
        """Return the access token as bearer; `SignInAgain` while there is none."""
        if self.access_token is None:
            raise SignInAgain
        return BearerAuth(self.access_token).headers()


Credentials: TypeAlias = NoCredentials | ApiKeyHeader | BearerAuth | BasicAuth | OAuth2Refresh


def _refuse_unprintable(secret: str) -> None:
    # A pasted line end would otherwise surface, with the secret, in the HTTP client's own error.
    if not secret or not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise ValueError("a key or token must be printable ASCII without spaces around it")
