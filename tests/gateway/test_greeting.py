"""A vendor tries an address before it uses it, without a signature: that is answered, and nothing else is."""

import dataclasses

import pytest

from adapters.erp.generic.connector import connector as generic
from contracts import Delivery, Webhook
from gateway.store import tables as t
from tests.faults.sender import Sender, open_sender

PING = b"webhook_id=142"


def greeting(delivery: Delivery) -> bool:
    return delivery.body == PING


def receive(*_: object) -> list[object]:
    raise AssertionError("a greeting is never read")


shop = dataclasses.replace(
    generic,
    slug="shop",
    webhook=Webhook(signature=generic.webhook.signature, receive=receive, greeting=greeting),  # type: ignore[union-attr, arg-type]
)


def counted(sender: Sender) -> bool:
    metrics, _ = sender.club.world.hub.metrics.render()
    return b'ponte_deliveries_total{connector="shop",outcome="greeted"} 1.0' in metrics


async def test_a_greeting_is_answered_200_without_a_signature_and_nothing_of_it_is_kept(
    migrated_url: str,
) -> None:
    async with open_sender(migrated_url, shop) as sender:
        shopper = dataclasses.replace(sender, installation_id=await sender.club.install("shop"))
        answer = await shopper.send(PING, {"content-type": "application/x-www-form-urlencoded"})
        assert (answer.status_code, answer.json()) == (200, {"outcome": "greeted"})
        assert not await sender.club.rows(t.delivery)
        assert counted(sender)


@pytest.mark.parametrize("body", [PING + b"0", b" " + PING, PING + b"&facts=[]", b'{"facts": []}', b""])
async def test_whatever_only_looks_like_a_greeting_must_be_signed(migrated_url: str, body: bytes) -> None:
    async with open_sender(migrated_url, shop) as sender:
        shopper = dataclasses.replace(sender, installation_id=await sender.club.install("shop"))
        answer = await shopper.send(body, {})
        assert answer.status_code == 401
        assert not await sender.club.rows(t.delivery)


async def test_an_installation_whose_vendor_greets_nobody_answers_no_greeting(migrated_url: str) -> None:
    async with open_sender(migrated_url, shop) as sender:
        assert (await sender.send(PING, {})).status_code == 401
