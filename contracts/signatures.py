"""How a delivery proves where it comes from: declared as values, checked before anything is read.

Every check does bounded work, compares in constant time with every active secret, and fails only as `Forged`.
"""

import hmac
import re
from base64 import b64encode
from binascii import a2b_base64, unhexlify
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import BaseModel, Field, ValidationError

from contracts.errors import Forged, Malformed
from contracts.http import Delivery

Keys: TypeAlias = Mapping[str, RSAPublicKey]
"""A vendor's public keys by key id, as `parse_jwks` reads them."""

NO_KEYS: Keys = MappingProxyType({})

Digest: TypeAlias = Literal["sha1", "sha256", "sha512"]
Encoding: TypeAlias = Literal["hex", "base64"]

_HEADER_MAX = 4096
_FIELD_MAX = 256
_JWKS_MAX = 1 << 16


class Signature(Protocol):
    """What every scheme offers."""

    def check(self, delivery: Delivery, now: datetime, keys: Keys = NO_KEYS, /) -> None:
        """Return if the delivery is genuine; raise `Forged` with a reason for a counter.

        The reasons are `absent`, `malformed`, `stale`, `unknown_key` and `wrong`. `now` is aware; `keys`
        are the vendor's, for the one scheme that needs them.
        """


class UnknownKey(Forged):
    """The signature names a key that is not among ours: the vendor may have turned its keys."""

    def __init__(self) -> None:
        super().__init__("unknown_key")


@dataclass(frozen=True, slots=True)
class HmacBody:
    """An HMAC of the raw body in one header, after an optional prefix such as `sha256=`.

    All `secrets` are accepted, so that one can be replaced without a pause; the first one signs.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    header: str
    encoding: Encoding = "hex"
    digest: Digest = "sha256"
    prefix: str = ""

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, a scheme without a secret."""
        _refuse_no_secret(self.secrets)

    def check(self, delivery: Delivery, _now: datetime, _keys: Keys = NO_KEYS, /) -> None:
        """Return if the header holds the HMAC of the body under any of the secrets."""
        claimed = _decoded(_after(self.prefix, _header(delivery, self.header)), self.encoding)
        _refuse_unless_any(claimed, (hmac.digest(key, delivery.body, self.digest) for key in self.secrets))

    def sign(self, body: bytes) -> dict[str, str]:
        """Return the header that a true sender adds."""
        digest = hmac.digest(self.secrets[0], body, self.digest)
        return {self.header.lower(): self.prefix + _encoded(digest, self.encoding)}


@dataclass(frozen=True, slots=True)
class HmacFields:
    """An HMAC over some headers and the raw body, joined by a separator; one header is the sender's clock.

    The defaults are Ponte's own scheme, spoken by terminals and by systems that send us their sales:
    key id, Unix seconds, nonce and body, joined by dots. Whether a nonce was seen before is not asked
    here: that needs a memory.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    header: str = "x-ponte-signature"
    fields: tuple[str, ...] = ("x-ponte-key", "x-ponte-timestamp", "x-ponte-nonce")
    timestamp: str = "x-ponte-timestamp"
    tolerance_seconds: int = 300
    separator: str = "."
    encoding: Encoding = "hex"
    digest: Digest = "sha256"
    prefix: str = ""

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, no secret, no separator, or a clock left unsigned."""
        _refuse_no_secret(self.secrets)
        if self.timestamp not in self.fields or not self.separator:
            raise ValueError("the timestamp must be among the signed fields, and the separator not empty")

    def check(self, delivery: Delivery, now: datetime, _keys: Keys = NO_KEYS, /) -> None:
        """Return if the header holds the HMAC and the sender's clock is near ours, on either side."""
        claimed = _decoded(_after(self.prefix, _header(delivery, self.header)), self.encoding)
        signed = self._signed(delivery.body, delivery.headers)
        _refuse_unless_any(claimed, (hmac.digest(key, signed, self.digest) for key in self.secrets))
        sent_at = delivery.headers[self.timestamp.lower()]
        if not re.fullmatch(r"[0-9]{1,12}", sent_at):
            raise Forged("malformed")
        if abs(int(now.timestamp()) - int(sent_at)) > self.tolerance_seconds:
            raise Forged("stale")

    def sign(self, body: bytes, now: datetime, headers: Mapping[str, str]) -> dict[str, str]:
        """Return `headers`, which hold the other fields, with the timestamp and the signature added."""
        stamped = {**headers, self.timestamp.lower(): str(int(now.timestamp()))}
        digest = hmac.digest(self.secrets[0], self._signed(body, stamped), self.digest)
        return {**stamped, self.header.lower(): self.prefix + _encoded(digest, self.encoding)}

    def _signed(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return the signed bytes. No field may hold the separator, else two requests would read alike."""
        values = [headers.get(name.lower(), "") for name in self.fields]
        for value in values:
            if not 0 < len(value) <= _FIELD_MAX or not value.isascii() or self.separator in value:
                raise Forged("malformed")
        return self.separator.join([*values, ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Basic:
    """User and password in the authorization header (RFC 7617), as a merchant sets them in a vendor's panel.

    `former_password` is accepted too, while one is being replaced by the other.
    """

    user: str = field(repr=False)
    password: str = field(repr=False)
    former_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, an empty password or a user with a colon."""
        _refuse_no_secret(self._passwords())
        if ":" in self.user:
            raise ValueError("a Basic user may not contain a colon")

    def check(self, delivery: Delivery, _now: datetime, _keys: Keys = NO_KEYS, /) -> None:
        """Return if user and password are ours."""
        claimed = _unbase64(_after_scheme("Basic", _header(delivery, "authorization")))
        _refuse_unless_any(claimed, (self._pair(password) for password in self._passwords()))

    def sign(self) -> dict[str, str]:
        """Return the header that a true sender adds."""
        return {"authorization": f"Basic {b64encode(self._pair(self.password)).decode()}"}

    def _pair(self, password: str) -> bytes:
        return f"{self.user}:{password}".encode()

    def _passwords(self) -> tuple[str, ...]:
        return (self.password,) if self.former_password is None else (self.password, self.former_password)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A shared token in a header: `Authorization: Bearer <token>` by default; an empty scheme means bare."""

    tokens: tuple[str, ...] = field(repr=False)
    header: str = "authorization"
    scheme: str = "Bearer"

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, a scheme without a token."""
        _refuse_no_secret(self.tokens)

    def check(self, delivery: Delivery, _now: datetime, _keys: Keys = NO_KEYS, /) -> None:
        """Return if the header holds any of the tokens."""
        value = _header(delivery, self.header)
        claimed = _after_scheme(self.scheme, value) if self.scheme else value
        _refuse_unless_any(claimed.encode(), (token.encode() for token in self.tokens))

    def sign(self) -> dict[str, str]:
        """Return the header that a true sender adds."""
        return {self.header.lower(): f"{self.scheme} {self.tokens[0]}".lstrip()}


@dataclass(frozen=True, slots=True)
class HeaderSecrets:
    """Fixed secrets in headers of the vendor's choosing, all of them required, such as a key and a token."""

    secrets: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, no header at all or an empty secret."""
        _refuse_no_secret(tuple(self.secrets.values()))

    def check(self, delivery: Delivery, _now: datetime, _keys: Keys = NO_KEYS, /) -> None:
        """Return if every header holds its secret; `absent` when any of them is missing."""
        claimed = [_header(delivery, name).encode() for name in self.secrets]
        genuine = [secret.encode() for secret in self.secrets.values()]
        _refuse_unless_any(b"\n".join(claimed), (b"\n".join(genuine),))

    def sign(self) -> dict[str, str]:
        """Return the headers that a true sender adds."""
        return {name.lower(): secret for name, secret in self.secrets.items()}


@dataclass(frozen=True, slots=True)
class RS256:
    """A header `alg=RS256; kid=<id>; signature=<base64>` over the raw body, as Stone and Pagar.me send.

    RSASSA-PKCS1-v1_5 with SHA-256 and nothing else, whatever the header says (RFC 8725, 3.1). It carries no
    clock: a replay is harmless because what the body says has an identity. The keys stand at `jwks_url`;
    fetching and keeping them is the gateway's work, `check` is given them.
    """

    jwks_url: str
    header: str

    def check(self, delivery: Delivery, _now: datetime, keys: Keys = NO_KEYS, /) -> None:
        """Return if the named key signed the body; `UnknownKey` if that key is not among `keys`."""
        parts = _parts(_header(delivery, self.header))
        kid, signature = parts.get("kid", ""), _unbase64(parts.get("signature", ""))
        if parts.get("alg") != "RS256" or not 0 < len(kid) <= _FIELD_MAX:
            raise Forged("malformed")
        if kid not in keys:
            raise UnknownKey
        try:
            keys[kid].verify(signature, delivery.body, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise Forged("wrong") from None

    def sign(self, body: bytes, kid: str, key: RSAPrivateKey) -> dict[str, str]:
        """Return the header that a sender holding the private key adds."""
        signature = b64encode(key.sign(body, PKCS1v15(), SHA256())).decode()
        return {self.header.lower(): f"alg=RS256; kid={kid}; signature={signature}"}


@dataclass(frozen=True, slots=True)
class Unsigned:
    """The vendor proves nothing; `reason` says why the connector lives with that and what it does instead."""

    reason: str

    def __post_init__(self) -> None:
        """Refuse, as `ValueError`, an empty reason."""
        if not self.reason.strip():
            raise ValueError("an unsigned webhook must say why")

    def check(self, _delivery: Delivery, _now: datetime, _keys: Keys = NO_KEYS, /) -> None:
        """Return: everybody may send."""


def proof_headers(signature: Signature) -> frozenset[str]:
    """Return the headers, in lower case, that hold a sender's proof: they say nothing of what was sent."""
    match signature:
        case HmacBody() | HmacFields() | BearerToken() | RS256():
            return frozenset({signature.header.lower()})
        case HeaderSecrets():
            return frozenset(map(str.lower, signature.secrets))
    return frozenset({"authorization"})


class _Jwk(BaseModel):
    """The members of a JSON Web Key (RFC 7517) that decide; other kinds of key lack some of them."""

    kty: str
    use: str = "sig"
    alg: str = "RS256"
    kid: str = ""
    n: str = ""
    e: str = ""


class _JwkSet(BaseModel):
    keys: list[_Jwk] = Field(max_length=64)


def parse_jwks(document: bytes) -> dict[str, RSAPublicKey]:
    """Return the RS256 keys of a JSON Web Key Set, by key id.

    Left out: other kinds of key, keys for encryption, and unsound ones (a modulus outside 2,048 to 8,192
    bits). `Malformed` when the document is no key set, exceeds 64 KiB, or holds nothing usable.
    """
    if len(document) > _JWKS_MAX:
        raise Malformed("the key set is too long")
    try:
        jwks = _JwkSet.model_validate_json(document).keys
    except ValidationError:
        raise Malformed("not a JSON Web Key Set") from None
    usable = {jwk.kid: key for jwk in jwks if (key := _rsa_key(jwk)) is not None}
    if not usable:
        raise Malformed("the key set holds no usable RS256 key")
    return usable


def _rsa_key(jwk: _Jwk) -> RSAPublicKey | None:
    if (jwk.kty, jwk.use, jwk.alg) != ("RSA", "sig", "RS256") or not jwk.kid:
        return None
    try:
        modulus, exponent = (int.from_bytes(_unbase64(part), "big") for part in (jwk.n, jwk.e))
        if 2048 <= modulus.bit_length() <= 8192:
            return RSAPublicNumbers(exponent, modulus).public_key()
    except (Forged, ValueError):
        pass
    return None


def _header(delivery: Delivery, name: str) -> str:
    value = delivery.headers.get(name.lower(), "")
    if not value:
        raise Forged("absent")
    if len(value) > _HEADER_MAX or not value.isascii():
        raise Forged("malformed")
    return value


def _after(prefix: str, value: str) -> str:
    if not value.startswith(prefix):
        raise Forged("malformed")
    return value.removeprefix(prefix)


def _after_scheme(scheme: str, value: str) -> str:
    """Return what follows the scheme, whose case does not matter (RFC 9110, 11.1)."""
    named, _, rest = value.partition(" ")
    if named.lower() != scheme.lower() or not rest:
        raise Forged("malformed")
    return rest


def _parts(value: str) -> dict[str, str]:
    """Return `a=1; b=2=` as a mapping; only the first equals sign of a part cuts: base64 pads with it."""
    pairs = [part.strip().partition("=") for part in value.split(";", 8)]
    parts = {name: held for name, _, held in pairs}
    if len(parts) != len(pairs):
        raise Forged("malformed")
    return parts


def _decoded(text: str, encoding: Encoding) -> bytes:
    if encoding == "base64":
        return _unbase64(text)
    try:
        return unhexlify(text)
    except ValueError:
        raise Forged("malformed") from None


def _encoded(digest: bytes, encoding: Encoding) -> str:
    return digest.hex() if encoding == "hex" else b64encode(digest).decode()


def _unbase64(text: str) -> bytes:
    """Return the bytes of either base64 alphabet, with or without padding; anything else is `Forged`."""
    if not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", text):
        raise Forged("malformed")
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(bare + "=" * (-len(bare) % 4))
    except ValueError:
        raise Forged("malformed") from None


def _refuse_unless_any(claimed: bytes, genuine: Iterable[bytes]) -> None:
    """Raise unless one matches. All are compared: the time taken must not tell which secret is the newer."""
    if sum(hmac.compare_digest(claimed, expected) for expected in genuine) == 0:
        raise Forged("wrong")


def _refuse_no_secret(secrets: tuple[bytes, ...] | tuple[str, ...]) -> None:
    if not secrets or not all(secrets):
        raise ValueError("a signature needs a secret, and no secret may be empty")
