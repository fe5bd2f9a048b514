"""`ponte trigger`: sends one payload to a hub, signed as its true sender would sign it, and shows the answer.

The bytes of the file go out unchanged; only `--event` and `--account` put another value into them.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from contracts.signatures import RS256, Basic, HmacFields
from gateway.commands.caller import Caller, Heard
from gateway.commands.refusals import CommandRefused
from gateway.ports import system_clock, system_entropy

Scheme: TypeAlias = Literal["hmac", "basic", "rs256"]

STONE_HEADER = "x-webhook-asymmetric-signature"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and how it proves that. `secret` is a shared secret, or `user:password` for Basic."""

    scheme: Scheme
    secret: str | None = field(default=None, repr=False)
    key_file: Path | None = None
    key_id: str = ""
    header: str = STONE_HEADER

    def sign(self, name: str, body: bytes) -> Mapping[str, str]:
        """Return the headers that prove `body`; `name` is who speaks (a terminal, an installation)."""
        if self.scheme == "rs256":
            return RS256("", self.header).sign(body, self.key_id, _private_key(self.key_file))
        if not self.secret:
            raise CommandRefused("Give --secret (or PONTE_SECRET): this scheme signs with it.")
        if self.scheme == "basic":
            user, _, password = self.secret.partition(":")
            return Basic(user, password).sign()
        return signed_fields(name, self.secret, body)


@dataclass(frozen=True, slots=True)
class Claim:
    """A CPF that claims the sale just sent, with the API key that may."""

    cpf: str = field(repr=False)
    api_key: str = field(repr=False)
    key: str | None = None
    partner_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a terminal tells: the answer of its payment application, and a CPF typed before or after."""

    terminal_id: str
    answer: str = field(repr=False)
    cpf: str | None = field(default=None, repr=False)
    reservation: str | None = None


def signed_fields(name: str, secret: str, body: bytes) -> Mapping[str, str]:
    """Return the headers of Ponte's own scheme, as terminals and systems of one's own send them."""
    nonce = system_entropy(16).hex()
    fields = {"x-ponte-key": name, "x-ponte-nonce": nonce}
    return HmacFields((secret.encode(),)).sign(body, system_clock(), fields)


def read_payload(file: Path) -> bytes:
    """Return the bytes of `file`, or of standard input for `-`."""
    try:
        return typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandRefused(f"{file} cannot be read: {error.strerror}.") from error


def altered(body: bytes, event: str | None, account: str | None) -> bytes:
    """Return `body` with another event or account where one is given, else the very same bytes."""
    if event is None and account is None:
        return body
    try:
        message = json.loads(body)
    except ValueError:
        raise CommandRefused("--event and --account need a JSON payload.") from None
    if event is not None:
        message["type"] = event
    if account is not None:
        message["account"] = {**message.get("account", {}), "id": account}
    return json.dumps(message, ensure_ascii=False).encode()


def deliver(hub: str, installation: str, body: bytes, sender: Sender, claim: Claim | None) -> list[Heard]:
    """Return the answers to a webhook, and to the claim of its sale if one was asked for."""

    async def send() -> list[Heard]:
        async with aclosing(Caller(hub)) as caller:
            heard = [await caller.send("POST", f"/in/{installation}", body, sender.sign(installation, body))]
            if claim is not None and heard[0].accepted:
                asked: dict[str, Any] = {"key": _claimed_key(claim.key, body), "cpf": claim.cpf}
                if claim.partner_id is not None:
                    asked["partner_id"] = claim.partner_id
                heard.append(await caller.call("POST", "/v1/sales/claims", claim.api_key, asked))
            return heard

    return asyncio.run(send())


def report(hub: str, told: Report, sender: Sender) -> list[Heard]:
    """Return the answer to a terminal's result."""
    said = {"answer": told.answer, "cpf": told.cpf, "reservation": told.reservation}
    body = json.dumps({name: value for name, value in said.items() if value is not None}).encode()

    async def send() -> list[Heard]:
        async with aclosing(Caller(hub)) as caller:
            headers = sender.sign(told.terminal_id, body)
            return [await caller.send("POST", "/v1/terminal/results", body, headers)]

    return asyncio.run(send())


def show(heard: list[Heard], *, as_json: bool) -> bool:
    """Print the answers; return whether all were accepted."""
    if as_json:
        typer.echo(
            json.dumps([{"status": each.status, "body": each.body} for each in heard], ensure_ascii=False)
        )
    else:
        for each in heard:
            typer.secho(f"HTTP {each.status}", fg="green" if each.accepted else "red", err=True)
            typer.echo(json.dumps(each.body, ensure_ascii=False, indent=2))
    return all(each.accepted for each in heard)


def _claimed_key(given: str | None, body: bytes) -> dict[str, str]:
    if given is not None:
        kind, separator, value = given.partition("=")
        if not separator:
            raise CommandRefused("--claim-key is written kind=value, such as stone:atk=12345678901234.")
        return {"kind": kind, "value": value}
    try:
        charge: Any = json.loads(body)["data"]["id"]
    except (ValueError, KeyError, TypeError):
        raise CommandRefused("Give --claim-key: this payload does not say which sale it is about.") from None
    return {"kind": "pagarme:charge", "value": str(charge)}


def _private_key(file: Path | None) -> RSAPrivateKey:
    if file is None:
        raise CommandRefused("Give --key-file: RS256 signs with a private key in PEM.")
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise CommandRefused(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandRefused(f"{file} holds no private key in PEM.") from error
    if not isinstance(key, RSAPrivateKey):
        raise CommandRefused(f"{file} holds no RSA key.")
    return key
