"""Reading a vendor's public keys."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Forged, Malformed
from contracts.http import Delivery
from contracts.signatures import RS256, Keys, parse_jwks

GOOD = generate_private_key(65537, 2048).public_key()
SHORT = generate_private_key(65537, 1024).public_key()

# RFC 7515, appendix A.2: a key and a signature made by somebody else.
RFC_KEY = {
    "kty": "RSA",
    "kid": "rfc",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
    "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7"
    "WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91k"
    "zk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RFC_BODY = (
    b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ij"
    b"p0cnVlfQ"
)
RFC_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
    "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
    "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
    "cN_IoypGlUPQGe77Rw"
)


def number(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")


def jwk(key: RSAPublicKey = GOOD, **members: object) -> dict[str, object]:
    numbers = key.public_numbers()
    plain = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": "k1",
        "n": number(numbers.n),
        "e": number(numbers.e),
    }
    return {**plain, **members}


def jwks(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_a_key_reads_back_as_the_key_it_was() -> None:
    found = parse_jwks(jwks(jwk(), jwk(kid="k2", x5c=["unread"])))
    assert {kid: key.public_numbers() for kid, key in found.items()} == dict.fromkeys(
        ("k1", "k2"), GOOD.public_numbers()
    )


def accepted(body: bytes, keys: Keys) -> bool:
    headers = {"x-signature": f"alg=RS256; kid=rfc; signature={RFC_SIGNATURE}"}
    try:
        RS256("https://vendor.example/jwks.json", "x-signature").check(
            Delivery(body, headers), datetime(2026, 8, 3, tzinfo=UTC), keys
        )
    except Forged:
        return False
    return True


def test_the_signature_of_rfc_7515_is_accepted_with_its_key() -> None:
    assert accepted(RFC_BODY, parse_jwks(jwks(RFC_KEY)))
    assert not accepted(RFC_BODY + b".", parse_jwks(jwks(RFC_KEY)))
    assert not accepted(RFC_BODY, parse_jwks(jwks(jwk(kid="rfc"))))


@pytest.mark.parametrize(
    "unusable",
    [
        jwk(SHORT),
        jwk(use="enc"),
        jwk(alg="PS256"),
        jwk(alg="none"),
        jwk(kty="oct", k="c2VjcmV0"),
        {"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AA", "y": "AA"},
        jwk(kid=""),
        jwk(n=""),
        jwk(n="é"),
        jwk(n="A"),
        jwk(e="Ag"),
        jwk(e="AQ"),
        jwk(n="_" * 30_000),
        {"kty": "RSA"},
    ],
    ids=range(14),
)
def test_f94_an_unusable_key_is_left_out_and_does_not_hide_its_neighbour(unusable: dict[str, object]) -> None:
    assert list(parse_jwks(jwks(unusable, jwk(kid="good")))) == ["good"]
    with pytest.raises(Malformed):
        parse_jwks(jwks(unusable))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [null]}',
        jwks(jwk(n=5)),
        jwks(*[jwk()] * 65),
        jwks(jwk()) + b" " * (1 << 16),
        b"[" * 60_000,
        b'{"keys": ' + b"[" * 60_000,
        b'{"keys": [' + b"9" * 60_000 + b"]}",
        b"\xff\xfe",
    ],
    ids=range(14),
)
def test_f94_what_is_no_key_set_is_malformed_so_that_the_old_keys_stay(document: bytes) -> None:
    with pytest.raises(Malformed):
        parse_jwks(document)


@given(st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(jwks))
def test_any_bytes_are_a_key_set_or_malformed(document: bytes) -> None:
    with pytest.raises(Malformed):
        parse_jwks(document)
