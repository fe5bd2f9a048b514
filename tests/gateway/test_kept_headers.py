"""What a hub keeps beside a delivery's bytes: headers that say something, and none that prove something."""

import dataclasses
import json

import pytest

from adapters.erp.generic.connector import connector as generic
from contracts import BearerToken, HeaderSecrets, HmacBody, Webhook
from contracts.signatures import Signature, proof_headers
from gateway.installations.actions import headers_place
from gateway.store import tables as t
from tests.faults.sender import open_sender

BODY = b"nobody understands this"
WORD = "palavra-de-passe-da-loja"
SIGNED = HmacBody((WORD.encode(),), "X-Loja-Assinatura", prefix="sha256=")
SCHEMES: tuple[tuple[Signature, dict[str, str]], ...] = (
    (SIGNED, SIGNED.sign(BODY)),
    (BearerToken((WORD,), "X-Loja-Senha", scheme=""), {"x-loja-senha": WORD}),
    (HeaderSecrets({"X-Loja-Conta": "loja", "X-Loja-Palavra": WORD}), {"x-loja-conta": "loja", "x-loja-palavra": WORD}),
)  # fmt: skip


@pytest.mark.parametrize(("scheme", "proof"), SCHEMES, ids=lambda value: type(value).__name__)
async def test_a_proof_is_not_kept_in_whatever_language_its_header_is_named(
    migrated_url: str, scheme: Signature, proof: dict[str, str]
) -> None:
    assert proof_headers(scheme) == proof.keys()
    webhook = dataclasses.replace(
        generic.webhook or Webhook(lambda _: scheme, lambda *_: []), signature=lambda _: scheme
    )
    shop = dataclasses.replace(generic, slug="loja", webhook=webhook)
    async with open_sender(migrated_url, shop) as sender:
        installation_id = await sender.club.install("loja")
        shopper = dataclasses.replace(sender, installation_id=installation_id)
        answer = await shopper.send(BODY, {**proof, "x-loja-topic": "order/paid"})
        assert (answer.status_code, answer.json()["outcome"]) == (202, "parked")
        (row,) = await sender.club.rows(t.delivery)
        installed = await sender.club.world.hub.installed(installation_id)
        assert installed is not None
        place = headers_place(row["delivery_id"])
        kept = json.loads(installed.keys.open_delivery(place, row["received_at"], row["headers_sealed"]))
        assert kept == {"x-loja-topic": "order/paid"}
