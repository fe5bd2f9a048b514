"""Signs deliveries as a true sender would, and forges them as a false one.

A scheme of the connector's own cannot be signed here: it needs a sample that carries the vendor's signature.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from contracts.http import Delivery
from contracts.signatures import (
    NO_KEYS,
    RS256,
    Basic,
    BearerToken,
    HeaderSecrets,
    HmacBody,
    HmacFields,
    Keys,
    Signature,
)

KEY_ID = "key-of-the-kit"
STRANGER = "a-secret-that-nobody-gave"


@dataclass(frozen=True, slots=True)
class Signed:
    """A delivery as it arrives: when, and with which public keys of the vendor it is checked."""

    delivery: Delivery
    now: datetime
    keys: Keys = field(repr=False)


def signed(scheme: Signature, delivery: Delivery, now: datetime) -> Signed | None:
    """Return the delivery with the true signature of a scheme, `None` for one that cannot be signed here."""
    return _signed(scheme, delivery, now, _key(0))


def forgeries(scheme: Signature, true: Signed) -> Iterator[tuple[str, Signed]]:
    """Yield what must not be believed, and what is wrong with it."""
    delivery = true.delivery
    yield "without a signature", replace(true, delivery=replace(delivery, headers=_bare(scheme, delivery)))
    if isinstance(scheme, HmacBody | HmacFields | RS256):
        yield "with another body", replace(true, delivery=replace(delivery, body=delivery.body + b" "))
    if isinstance(scheme, HmacFields):
        late = timedelta(seconds=scheme.tolerance_seconds + 1)
        yield "with an old time stamp", replace(true, now=true.now + late)
        yield "with a time stamp of the future", replace(true, now=true.now - late)
    stranger = _signed(
        _strangers(scheme), replace(delivery, headers=_bare(scheme, delivery)), true.now, _key(1)
    )
    if stranger is not None:
        yield "with the secret of a stranger", replace(stranger, keys=true.keys)


def _signed(scheme: Signature, delivery: Delivery, now: datetime, key: RSAPrivateKey) -> Signed | None:
    keys: Keys = NO_KEYS
    match scheme:
        case HmacBody():
            headers: Mapping[str, str] = scheme.sign(delivery.body)
        case HmacFields():
            named = {name.lower(): "kit" for name in scheme.fields if name != scheme.timestamp}
            headers = scheme.sign(delivery.body, now, {**named, **delivery.headers})
        case Basic() | BearerToken() | HeaderSecrets():
            headers = scheme.sign()
        case RS256():
            headers, keys = scheme.sign(delivery.body, KEY_ID, key), {KEY_ID: key.public_key()}
        case _:
            return None
    return Signed(replace(delivery, headers={**delivery.headers, **headers}), now, keys)


def _strangers(scheme: Any) -> Any:
    """Return the scheme under a secret that is not the installation's."""
    match scheme:
        case HmacBody() | HmacFields():
            return replace(scheme, secrets=(STRANGER.encode(),))
        case Basic():
            return replace(scheme, password=STRANGER, former_password=None)
        case BearerToken():
            return replace(scheme, tokens=(STRANGER,))
        case HeaderSecrets():
            return replace(scheme, secrets=dict.fromkeys(scheme.secrets, STRANGER))
    return scheme


def _bare(scheme: Any, delivery: Delivery) -> dict[str, str]:
    """Return the headers without those that a scheme reads; of a scheme unknown here, without any."""
    match scheme:
        case HmacBody() | RS256() | BearerToken():
            read = {scheme.header.lower()}
        case HmacFields():
            read = {scheme.header.lower(), *(name.lower() for name in scheme.fields)}
        case Basic():
            read = {"authorization"}
        case HeaderSecrets():
            read = {name.lower() for name in scheme.secrets}
        case _:
            read = set(delivery.headers)
    return {name: value for name, value in delivery.headers.items() if name not in read}


@cache
def _key(_number: int) -> RSAPrivateKey:
    """Return a key of the kit's own, made once; one number, one key."""
    return generate_private_key(public_exponent=65537, key_size=2048)
