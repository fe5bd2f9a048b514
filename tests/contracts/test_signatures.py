from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Forged
from contracts.http import Delivery
from contracts.signatures import (
    NO_KEYS,
    RS256,
    Basic,
    BearerToken,
    Digest,
    Encoding,
    HmacBody,
    HmacFields,
    Keys,
    Signature,
    UnknownKey,
    Unsigned,
    _refuse_unless_any,
)

NOW = datetime(2026, 8, 3, 14, 0, tzinfo=UTC)
BODY = b'{"type":"charge.paid","data":{"amount":12345}}'
PRIVATE = generate_private_key(65537, 2048)
KEYS = {"k1": PRIVATE.public_key()}

HMAC_BODY = HmacBody((b"new secret", b"old secret"), "x-hub-signature", prefix="sha256=")
HMAC_FIELDS = HmacFields((b"new secret", b"old secret"))
NAMES = {"x-ponte-key": "key_1", "x-ponte-nonce": "n-1"}
BASIC = Basic("stone", "new password", "old password")
BEARER = BearerToken(("new-token", "old-token"))
RSA = RS256("https://vendor.example/jwks.json", "x-webhook-asymmetric-signature")

GENUINE: list[tuple[Signature, dict[str, str]]] = [
    (HMAC_BODY, HMAC_BODY.sign(BODY)),
    (HMAC_FIELDS, HMAC_FIELDS.sign(BODY, NOW, NAMES)),
    (BASIC, BASIC.sign()),
    (BEARER, BEARER.sign()),
    (RSA, RSA.sign(BODY, "k1", PRIVATE)),
]
SIGNED = [GENUINE[0], GENUINE[1], GENUINE[4]]


def reason(signature: Signature, headers: dict[str, str], body: bytes = BODY, keys: Keys = KEYS) -> str:
    """Return why a delivery is refused, or nothing."""
    try:
        signature.check(Delivery(body, headers), NOW, keys)
    except Forged as forged:
        return forged.reason
    return ""


@pytest.mark.parametrize(("signature", "headers"), GENUINE)
def test_what_a_true_sender_sends_is_accepted(signature: Signature, headers: dict[str, str]) -> None:
    assert reason(signature, headers) == ""


@pytest.mark.parametrize(("signature", "headers"), GENUINE)
def test_f88_a_missing_signature_is_refused(signature: Signature, headers: dict[str, str]) -> None:
    assert reason(signature, {}) == "absent"
    assert reason(signature, dict.fromkeys(headers, "")) == "absent"


@pytest.mark.parametrize(("signature", "headers"), SIGNED)
@given(at=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255))
def test_f88_a_body_changed_in_one_byte_is_refused(
    signature: Signature, headers: dict[str, str], at: int, flip: int
) -> None:
    changed = BODY[:at] + bytes([BODY[at] ^ flip]) + BODY[at + 1 :]
    assert reason(signature, headers, changed) == "wrong"


@pytest.mark.parametrize(
    ("signature", "headers"),
    [
        (HmacBody((b"another",), "x-hub-signature", prefix="sha256="), GENUINE[0][1]),
        (HmacFields((b"another",)), GENUINE[1][1]),
        (Basic("stone", "another"), GENUINE[2][1]),
        (Basic("another", "new password"), GENUINE[2][1]),
        (BearerToken(("another",)), GENUINE[3][1]),
        (RSA, RSA.sign(BODY, "k1", generate_private_key(65537, 2048))),
    ],
)
def test_f88_another_secret_is_refused(signature: Signature, headers: dict[str, str]) -> None:
    assert reason(signature, headers) == "wrong"


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ],
)
def test_the_vectors_of_rfc_2202_and_rfc_4231_are_ours(digest: Digest, expected: str) -> None:
    scheme = replace(HmacBody((b"Jefe",), "x-signature"), digest=digest)
    body = b"what do ya want for nothing?"
    assert scheme.sign(body) == {"x-signature": expected}
    assert reason(scheme, {"x-signature": expected.upper()}, body) == ""
    in_base64 = replace(scheme, encoding="base64")
    assert reason(in_base64, {"x-signature": b64encode(bytes.fromhex(expected)).decode()}, body) == ""


def test_the_house_scheme_signs_key_timestamp_nonce_and_body_joined_by_dots() -> None:
    headers = HmacFields((b"secret",)).sign(b"{}", NOW, NAMES)
    spelt_out = HmacBody((b"secret",), "x-ponte-signature").sign(b"key_1.1785765600.n-1.{}")
    assert headers == {**NAMES, "x-ponte-timestamp": "1785765600", **spelt_out}


def test_header_names_may_be_declared_as_the_vendor_writes_them() -> None:
    fields = HmacFields((b"s",), header="X-Signature", fields=("X-Time", "X-Id"), timestamp="X-Time")
    assert reason(fields, fields.sign(BODY, NOW, {"x-id": "7"})) == ""
    for scheme in (HmacBody((b"s",), "X-Signature"), HmacBody((b"s",), "X-Signature", encoding="base64")):
        assert reason(scheme, scheme.sign(BODY)) == ""


@pytest.mark.parametrize("user_and_password", ["QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "QWxhZGRpbjpvcGVuIHNlc2FtZQ"])
def test_the_vectors_of_rfc_7617_are_accepted(user_and_password: str) -> None:
    assert reason(Basic("Aladdin", "open sesame"), {"authorization": f"bAsIc {user_and_password}"}) == ""
    assert reason(Basic("test", "123\N{POUND SIGN}"), {"authorization": "Basic dGVzdDoxMjPCow=="}) == ""


def test_a_bearer_token_may_stand_bare_in_a_header_of_the_vendors_choosing() -> None:
    scheme = BearerToken(("t0k3n",), "X-Vendor-Token", scheme="")
    assert scheme.sign() == {"x-vendor-token": "t0k3n"}
    assert reason(scheme, {"x-vendor-token": "t0k3n"}) == ""
    assert reason(scheme, {"x-vendor-token": "Bearer t0k3n"}) == "wrong"


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize(
    "hostile",
    [
        *["x", "sha256", "sha256=", "sha256=zz", "sha256=abc", "sha256==", "sha256=====", "sha256=A"],
        *["sha512=" + "00" * 32, ",", ",,", ", ".join(["sha256=00"] * 1000), "sha256=é", "sha256=\ud800"],
        *["sha256=٠٠", "sha256=" + "0" * 1_000_000, "sha256=" + "00" * 32, "sha256=\x00", " sha256=00"],
    ],
    ids=range(19),
)
def test_f89_a_malformed_header_is_forged_whatever_it_holds(hostile: str, encoding: Encoding) -> None:
    assert reason(replace(HMAC_BODY, encoding=encoding), {"x-hub-signature": hostile}) in {
        "malformed",
        "wrong",
    }


@pytest.mark.parametrize(
    "value", ["\ud800", "Bearer \ud800", "Bearer é", "Bearer", "Bearer ", "Basic new-token"]
)
def test_f89_a_token_that_cannot_be_ours_is_forged(value: str) -> None:
    assert reason(BEARER, {"authorization": value}) == "malformed"


@pytest.mark.parametrize("signature", [signature for signature, _ in GENUINE])
@given(value=st.text(st.characters(codec=None), min_size=1), body=st.binary())
def test_f89_any_header_is_refused_as_forged_and_nothing_else(
    signature: Signature, value: str, body: bytes
) -> None:
    names = ["x-hub-signature", "x-ponte-signature", "authorization", RSA.header, *HMAC_FIELDS.fields]
    for written in (value, f"Basic {value}", f"Bearer {value}", f"alg=RS256;kid={value};signature={value}"):
        headers = dict.fromkeys(names, written)
        assert reason(signature, headers, body) in {"malformed", "wrong", "unknown_key"}


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, ""), (300, ""), (-300, ""), (301, "stale"), (-301, "stale")]
)
def test_f90_a_request_outside_the_tolerance_is_stale_on_either_side(seconds: int, expected: str) -> None:
    sent = HMAC_FIELDS.sign(BODY, NOW + timedelta(seconds=seconds), NAMES)
    assert reason(HMAC_FIELDS, sent) == expected


@pytest.mark.parametrize(
    "stamp", ["-1", "1e9", "1785765600.0", "١", "9" * 13, "9" * 300, " 1785765600", "now"]
)
def test_f90_a_signed_timestamp_that_is_no_number_of_seconds_is_malformed(stamp: str) -> None:
    as_any_text = replace(HMAC_FIELDS, fields=("x-time",), timestamp="x-time")
    signature = HmacBody(HMAC_FIELDS.secrets, HMAC_FIELDS.header).sign(f"{stamp}.".encode() + BODY)
    assert reason(as_any_text, {"x-time": stamp, **signature}) == "malformed"


def test_f91_a_replay_inside_the_window_is_genuine_and_left_to_the_business_key() -> None:
    again = HMAC_FIELDS.sign(BODY, NOW - timedelta(seconds=200), NAMES)
    assert [reason(HMAC_FIELDS, again) for _ in range(2)] == ["", ""]


@pytest.mark.parametrize("field", HMAC_FIELDS.fields)
def test_every_field_is_signed_and_none_may_be_absent(field: str) -> None:
    headers = HMAC_FIELDS.sign(BODY, NOW, NAMES)
    assert reason(HMAC_FIELDS, {**headers, field: headers[field] + "0"}) == "wrong"
    assert reason(HMAC_FIELDS, {name: held for name, held in headers.items() if name != field}) == "malformed"


def test_no_two_requests_can_be_read_alike_by_moving_a_separator() -> None:
    headers = HMAC_FIELDS.sign(b"b.BODY", NOW, {**NAMES, "x-ponte-nonce": "a"})
    assert reason(HMAC_FIELDS, headers, b"b.BODY") == ""
    assert reason(HMAC_FIELDS, {**headers, "x-ponte-nonce": "a.b"}, b"BODY") == "malformed"


def test_f92_a_new_and_an_old_secret_are_both_accepted_while_both_are_active() -> None:
    old = HmacBody((b"old secret",), "x-hub-signature", prefix="sha256=")
    assert reason(HMAC_BODY, old.sign(BODY)) == ""
    assert reason(old, HMAC_BODY.sign(BODY)) == "wrong"
    assert reason(HMAC_FIELDS, HmacFields((b"old secret",)).sign(BODY, NOW, NAMES)) == ""
    assert reason(BASIC, Basic("stone", "old password").sign()) == ""
    assert reason(Basic("stone", "new password"), Basic("stone", "old password").sign()) == "wrong"
    assert reason(BEARER, BearerToken(("old-token",)).sign()) == ""


def test_f93_every_secret_is_compared_though_the_first_one_matches() -> None:
    secrets = iter([b"first", b"second", b"third"])
    _refuse_unless_any(b"first", secrets)
    assert next(secrets, b"nothing left") == b"nothing left"
    with pytest.raises(Forged):
        _refuse_unless_any(b"first", iter(()))


def asymmetric(alg: str = "RS256", kid: str = "k1", body: bytes = BODY) -> str:
    signature = b64encode(PRIVATE.sign(body, PKCS1v15(), SHA256())).decode()
    return f"alg={alg}; kid={kid}; signature={signature}"


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode], ids=["standard", "url"])
@pytest.mark.parametrize("padding", ["", "="])
@pytest.mark.parametrize("joint", [";", "; ", " ;  "])
def test_both_base64_alphabets_are_read_with_and_without_padding(
    encode: Callable[[bytes], bytes], padding: str, joint: str
) -> None:
    bodies = [b"%d" % number for number in range(8)]  # some signature holds each of the four odd characters
    for body in bodies:
        signature = encode(PRIVATE.sign(body, PKCS1v15(), SHA256())).decode()
        if not padding:
            signature = signature.rstrip("=")
        value = joint.join(["alg=RS256", "kid=k1", f"signature={signature}"])
        assert reason(RSA, {RSA.header: value}, body) == ""


def test_an_unknown_part_of_the_header_is_no_reason_to_refuse() -> None:
    assert reason(RSA, {RSA.header: asymmetric() + "; version=1"}) == ""


@pytest.mark.parametrize("alg", ["none", "None", "", "HS256", "rs256", "RS512", "PS256", "RS256 "])
def test_f94_the_algorithm_is_pinned(alg: str) -> None:
    written = asymmetric(alg=alg)
    expected = "" if alg.strip() == "RS256" else "malformed"
    assert reason(RSA, {RSA.header: written}) == expected


def test_f94_a_key_used_with_another_padding_or_digest_is_refused() -> None:
    pss = PRIVATE.sign(BODY, PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH), SHA256())
    sha1 = PRIVATE.sign(BODY, PKCS1v15(), SHA1())
    for signature in (pss, sha1):
        value = f"alg=RS256; kid=k1; signature={b64encode(signature).decode()}"
        assert reason(RSA, {RSA.header: value}) == "wrong"


def test_f94_the_public_key_is_no_hmac_secret() -> None:
    public = str(KEYS["k1"].public_numbers().n).encode()
    digest = HmacBody((public,), "x", encoding="base64").sign(BODY)["x"]
    assert reason(RSA, {RSA.header: f"alg=HS256; kid=k1; signature={digest}"}) == "malformed"
    assert reason(RSA, {RSA.header: f"alg=RS256; kid=k1; signature={digest}"}) == "wrong"


def test_f94_an_unknown_key_is_told_apart_so_that_the_keys_may_be_fetched_again() -> None:
    for kid, keys in (("k2", KEYS), ("K1", KEYS), ("k1", NO_KEYS)):
        with pytest.raises(UnknownKey):
            RSA.check(Delivery(BODY, {RSA.header: asymmetric(kid=kid)}), NOW, keys)
    with pytest.raises(Forged) as forged:
        RSA.check(Delivery(b"other", {RSA.header: asymmetric()}), NOW, KEYS)
    assert not isinstance(forged.value, UnknownKey)


@pytest.mark.parametrize(
    "value",
    [
        asymmetric() + "; alg=RS256",
        asymmetric() + "; kid=k1",
        "alg=RS256; kid=k1",
        "alg=RS256; kid=k1; signature=",
        "alg=RS256; kid=k1; signature====",
        "alg=RS256; kid=k1; signature=A",
        "alg=RS256; kid=; signature=AAAA",
        "alg=RS256; kid=" + "k" * 257 + "; signature=AAAA",
        "alg=RS256 kid=k1 signature=AAAA",
        ";" * 4000,
        ";" * 1_000_000,
        "=;" * 2000,
        "alg=RS256; kid=k1; signature=" + "A" * 1_000_000,
    ],
    ids=range(13),
)
def test_f89_a_malformed_asymmetric_header_never_reaches_the_keys(value: str) -> None:
    assert reason(RSA, {RSA.header: value}) == "malformed"


def test_an_unsigned_webhook_must_say_why() -> None:
    assert reason(Unsigned("the vendor signs nothing; the charge is fetched instead"), {}) == ""
    with pytest.raises(ValueError):
        Unsigned(" ")


def test_a_scheme_without_a_secret_cannot_be_declared() -> None:
    for make in (
        lambda: HmacBody((), "x"),
        lambda: HmacBody((b"secret", b""), "x"),
        lambda: HmacFields(()),
        lambda: Basic("user", ""),
        lambda: Basic("user", "password", ""),
        lambda: Basic("us:er", "password"),
        lambda: BearerToken(()),
        lambda: BearerToken(("",)),
        lambda: HmacFields((b"secret",), fields=("x-ponte-key",)),
        lambda: HmacFields((b"secret",), separator=""),
    ):
        with pytest.raises(ValueError):
            make()


@pytest.mark.parametrize("signature", [HMAC_BODY, HMAC_FIELDS, BASIC, BEARER])
def test_no_scheme_shows_its_secrets(signature: Signature) -> None:
    shown = f"{signature} {signature!r}"
    for secret in ("new secret", "old secret", "new password", "old password", "new-token", "old-token"):
        assert secret not in shown
