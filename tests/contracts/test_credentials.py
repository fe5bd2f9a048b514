import traceback
from base64 import b64decode

import pytest

from contracts.credentials import (
    ApiKeyHeader,
    BasicAuth,
    BearerAuth,
    Credentials,
    NoCredentials,
    OAuth2Refresh,
)
from contracts.errors import SignInAgain

SECRET = "s3cr3t-value"  # an invented one

ALL: list[Credentials] = [
    NoCredentials(),
    ApiKeyHeader("x-api-key", SECRET),
    BearerAuth(SECRET),
    BasicAuth(SECRET, SECRET),
    OAuth2Refresh("https://vendor.example/token", "ponte", SECRET, SECRET, SECRET),
]


def test_each_kind_says_its_header() -> None:
    assert [credentials.headers() for credentials in ALL[:3]] == [
        {},
        {"x-api-key": SECRET},
        {"authorization": f"Bearer {SECRET}"},
    ]
    assert ALL[4].headers() == {"authorization": f"Bearer {SECRET}"}


def test_basic_carries_user_and_password_and_a_key_alone_keeps_its_colon() -> None:
    header = BasicAuth("sk_test", "").headers()["authorization"]
    assert b64decode(header.removeprefix("Basic ")) == b"sk_test:"
    header = BasicAuth("maria", "pão:1").headers()["authorization"]
    assert b64decode(header.removeprefix("Basic ")).decode() == "maria:pão:1"


def test_without_an_access_token_the_merchant_must_sign_in_again() -> None:
    with pytest.raises(SignInAgain):
        OAuth2Refresh("https://vendor.example/token", "ponte", SECRET, SECRET).headers()


@pytest.mark.parametrize("credentials", ALL)
def test_no_credentials_show_their_secret(credentials: Credentials) -> None:
    assert SECRET not in f"{credentials} {credentials!r}"


@pytest.mark.parametrize(
    "spoilt", ["", f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\nx-admin: 1", f"{SECRET}é", "\x00"]
)
def test_a_secret_that_no_header_can_carry_is_refused_without_showing_it(spoilt: str) -> None:
    for make in (BearerAuth, lambda key: ApiKeyHeader("x-api-key", key)):
        with pytest.raises(ValueError) as refused:
            make(spoilt)
        assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_user_with_a_colon_would_be_read_as_another_and_is_refused() -> None:
    with pytest.raises(ValueError):
        BasicAuth("ma:ria", "x")
