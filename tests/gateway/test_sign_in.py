"""A merchant signs in at a store's vendor, and the hub keeps the access alive."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import BaseModel, SecretStr

from contracts import (
    BearerAuth,
    Connector,
    Limits,
    Page,
    Plan,
    Poll,
    SignIn,
    SignInAgain,
    Steps,
    VendorRefused,
    get,
    post,
)
from contracts.credentials import Credentials, NoCredentials
from gateway.store import tables as t
from gateway.worker import run_due
from tests.gateway.caller import Caller, code, found, open_caller
from tests.gateway.vendors import vendor


class TokenConfig(BaseModel):
    """One store's access; empty until its merchant signed in."""

    base_url: str
    access_token: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")


@dataclass
class TokenVendor:
    """A vendor whose tokens rotate: each refresh token is good once."""

    good: set[str] = field(default_factory=set)
    rotating: set[str] = field(default_factory=set)
    traded: int = 0

    def pair(self) -> dict[str, str]:
        """Return a new pair of tokens; the former access tokens are no longer good."""
        self.traded += 1
        made = {"access_token": f"access-{self.traded}", "refresh_token": f"refresh-{self.traded}"}
        self.good = {made["access_token"]}
        self.rotating.add(made["refresh_token"])
        return made

    def answer(self, path: str, head: str, body: bytes) -> tuple[int, bytes]:
        """Answer one request."""
        if path == "/token":
            said = json.loads(body)
            if said.get("code") == "good-code":
                return 200, json.dumps(self.pair()).encode()
            if said.get("refresh") in self.rotating:
                self.rotating.discard(said["refresh"])
                return 200, json.dumps(self.pair()).encode()
            return 400, b'{"error": "invalid_grant"}'
        token = head.lower().partition("authorization: bearer ")[2].split("\r\n")[0]
        return (200, b"[]") if token in self.good else (401, b"")

    async def speak(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer over the wire."""
        head, _, body = request.partition(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        status, answer = self.answer(path, head.decode("latin-1"), body)
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer)


def authorize(state: str, redirect_uri: str, config: TokenConfig) -> str:
    return f"{config.base_url}/authorize?" + urlencode({"state": state, "redirect_uri": redirect_uri})


def _traded(said: Mapping[str, str]) -> Steps[Mapping[str, str]]:
    reply = yield post("/token", json.dumps(dict(said)).encode())
    if reply.status != 200:
        if b"invalid_grant" in reply.body and "refresh" in said:
            raise SignInAgain
        raise VendorRefused("code_refused", "no")
    pair: dict[str, str] = json.loads(reply.body)
    return pair


def exchange(query: Mapping[str, str], _back: str, _config: TokenConfig) -> Plan[Mapping[str, str]]:
    return _traded({"code": query.get("code", "")})


def refresh(config: TokenConfig) -> Plan[Mapping[str, str]]:
    return _traded({"refresh": config.refresh_token.get_secret_value()})


def _page(cursor: str) -> Steps[Page]:
    yield get("/orders")
    return Page((), cursor, done=True)


def page(cursor: str, _config: TokenConfig) -> Plan[Page]:
    return _page(cursor)


def credentials(config: TokenConfig) -> Credentials:
    token = config.access_token.get_secret_value()
    return BearerAuth(token) if token else NoCredentials()


tokens = Connector(
    slug="tokens",
    name="Loja com acesso",
    config=TokenConfig,
    docs="none",
    base_url=lambda config: config.base_url,
    credentials=credentials,
    limits=Limits(requests_per_minute=10_000),
    poll=Poll(60, datetime.isoformat, page),
    sign_in=SignIn(authorize, exchange, refresh),
)


async def signed_in(caller: Caller, url: str) -> str:
    """Install the store and sign in as its merchant would; return the installation."""
    shop = await found(caller)
    said = {"partner_id": shop.partner_id, "connector": "tokens", "name": "L", "config": {"base_url": url}}
    installation_id: str = (await shop.caller.make("/v1/installations", said))["installation_id"]
    begun = await shop.caller.post(f"/v1/installations/{installation_id}/sign-in")
    query = parse_qs(urlsplit(begun.json()["authorize_url"]).query)
    assert query["redirect_uri"] == ["http://hub/oauth/callback"]
    back = urlencode({"code": "good-code", "state": query["state"][0]})
    answer = await caller.http.get(f"/oauth/callback?{back}")
    assert answer.status_code == 200
    assert "concluída" in answer.text
    return installation_id


async def state(caller: Caller) -> tuple[str, str | None]:
    [row] = await caller.world.read(t.installation, connector="tokens")
    [poll] = await caller.world.read(t.poll)
    return row["state"], poll["reason"]


async def test_a_merchant_signs_in_and_the_store_is_asked_with_the_new_token(migrated_url: str) -> None:
    seller = TokenVendor()
    async with open_caller(migrated_url, tokens) as caller, vendor(seller.speak) as url:
        await signed_in(caller, url)
        assert await run_due(caller.world.hub)
        assert await state(caller) == ("active", None)
        assert (await caller.world.read(t.poll))[0]["read_at"] is not None


async def test_a_state_that_is_forged_or_old_opens_nothing(migrated_url: str) -> None:
    seller = TokenVendor()
    async with open_caller(migrated_url, tokens) as caller, vendor(seller.speak) as url:
        shop = await found(caller)
        said = {
            "partner_id": shop.partner_id,
            "connector": "tokens",
            "name": "L",
            "config": {"base_url": url},
        }
        made = await shop.caller.make("/v1/installations", said)
        begun = await shop.caller.post(f"/v1/installations/{made['installation_id']}/sign-in")
        true = parse_qs(urlsplit(begun.json()["authorize_url"]).query)["state"][0]
        caller.world.clock.advance(timedelta(minutes=31))
        for forged in (true, true[:-1] + "0", "a.9999999999.b", ""):
            answer = await caller.http.get("/oauth/callback?" + urlencode({"code": "x", "state": forged}))
            assert code(answer) == (400, "malformed")
        assert seller.traded == 0
        assert (await caller.world.read(t.installation, connector="tokens"))[0]["state"] == "needs_attention"


async def test_f69_a_token_that_ran_out_is_refreshed_once_and_stored_before_it_is_used(
    migrated_url: str,
) -> None:
    seller = TokenVendor()
    async with open_caller(migrated_url, tokens) as caller, vendor(seller.speak) as url:
        await signed_in(caller, url)
        await run_due(caller.world.hub)
        for _ in range(5):
            seller.good.clear()
            caller.world.clock.advance(timedelta(seconds=60))
            await run_due(caller.world.hub)
            assert await state(caller) == ("active", None)
        assert seller.traded == 6
        assert seller.rotating == {"refresh-6"}


async def test_f69_a_refusal_of_the_refresh_token_asks_the_merchant_to_sign_in_again(
    migrated_url: str,
) -> None:
    seller = TokenVendor()
    async with open_caller(migrated_url, tokens) as caller, vendor(seller.speak) as url:
        await signed_in(caller, url)
        seller.good.clear()
        seller.rotating.clear()
        await run_due(caller.world.hub)
        assert await state(caller) == ("needs_attention", "sign_in_again")
