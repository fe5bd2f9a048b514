"""A voucher at a payment terminal: asked about and spent before payment, given back if nobody paid."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.store import tables as t
from loyalty import codes, qr
from tests.faults.sender import ANA, BIA, DEVICE, Sender, open_sender
from tests.gateway.caller import code


@dataclass
class Counter:
    """A terminal of the club, and a voucher of ANA's worth R$ 10.00."""

    sender: Sender
    terminal_id: str
    voucher: dict[str, Any]

    @property
    def keypad(self) -> dict[str, Any]:
        """What somebody keys in for an order of R$ 15.00."""
        return {"keypad_code": self.voucher["keypad_code"], "cpf": ANA, "order_cents": 1500}

    async def ask(self, verb: str, said: Any = None, nonce: str | None = None) -> httpx.Response:
        """Ask as the terminal does; `nonce` names the request."""
        body = b"" if said is None else json.dumps(said).encode()
        names = {
            "x-ponte-key": self.terminal_id,
            "x-ponte-nonce": nonce or self.sender.club.world.hub.context.ids.new("n"),
        }
        proof = DEVICE.sign(body, self.sender.club.world.clock(), names) | {
            "content-type": "application/json"
        }
        method = "GET" if verb == "key" else "POST"
        return await self.sender.http.request(
            method, f"/v1/terminal/vouchers/{verb}", content=body, headers=proof
        )

    async def shown(self) -> dict[str, Any]:
        """Return the voucher as it stands."""
        answer = await self.sender.ask("GET", f"/v1/vouchers/{self.voucher['voucher_id']}")
        shown: dict[str, Any] = answer.json()
        return shown

    async def spent(self) -> tuple[int, int]:
        """Return what is free and what is spent of it, in sound books."""
        assert await self.sender.club.breaches() == []
        shown = await self.shown()
        return shown["free_cents"], shown["spent_cents"]


async def opened(sender: Sender) -> Counter:
    club = sender.club
    member, once = club.member_of[ANA], {"idempotency-key": "k"}
    gift = await sender.ask("POST", f"/v1/members/{member}/goodwill", {"units": 1000}, **once)
    assert gift.is_success, gift.text
    said = {"name": "Vale", "kind": "discount", "cost_units": 1000, "amount_cents": 1000}
    reward = (await sender.ask("POST", "/v1/rewards", said)).json()["reward_id"]
    issued = await sender.ask(
        "POST", "/v1/vouchers", {"member_id": member, "reward_id": reward}, **{"idempotency-key": "v"}
    )
    assert issued.status_code == 201, issued.text
    terminal_id = await club.terminal(await club.install("stone", {"account_id": "acc_1"}))
    return Counter(sender, terminal_id, issued.json())


async def test_a_terminal_asks_what_a_voucher_gives_and_spends_it_before_payment(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        asked = await counter.ask("quote", counter.keypad | {"amount_cents": 600})
        assert asked.json() == {
            "display_number": counter.voucher["display_number"],
            "discount_cents": 600,
            "free_cents": 1000,
        }
        assert await counter.spent() == (1000, 0)
        redeemed = await counter.ask("redeem", counter.keypad | {"amount_cents": 600})
        assert redeemed.status_code == 200
        assert redeemed.json()["amount_cents"] == redeemed.json()["spent_cents"] == 600
        assert await counter.spent() == (400, 600)
        over = await counter.ask("quote", counter.keypad | {"amount_cents": 401})
        assert code(over) == (422, "voucher_too_small"), "whoever names the holder hears the reason"


async def test_a_payment_that_failed_gives_the_voucher_back(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        use_id = (await counter.ask("redeem", counter.keypad)).json()["use_id"]
        undone = await counter.ask(f"uses/{use_id}/rollback")
        assert (undone.status_code, undone.json()["state"], undone.json()["spent_cents"]) == (
            200,
            "rolled_back",
            0,
        )
        again = await counter.ask(f"uses/{use_id}/rollback")
        assert (again.status_code, again.json()["amount_cents"]) == (200, 0)
        assert await counter.spent() == (1000, 0)


async def test_a_repeated_redeem_spends_once_by_its_nonce_and_by_its_reservation(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        said = counter.keypad | {"amount_cents": 300, "reservation": "77"}
        first = await counter.ask("redeem", said, "n-1")
        assert (await counter.ask("redeem", said, "n-1")).json() == first.json()
        assert code(await counter.ask("redeem", said | {"amount_cents": 301}, "n-1")) == (409, "nonce_reused")
        other = (await counter.ask("redeem", said, "n-2")).json()
        assert (other["use_id"], other["repeated"]) == (first.json()["use_id"], True)
        assert await counter.spent() == (700, 300)
        assert (await counter.ask("redeem", counter.keypad | {"amount_cents": 300}, "n-3")).status_code == 200
        assert await counter.spent() == (400, 600)


async def test_a_qr_is_scanned_and_its_refusals_tell_nothing(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        scanned = {"qr": counter.voucher["qr"], "order_cents": 1500}
        assert (await counter.ask("quote", scanned)).json()["discount_cents"] == 1000
        assert code(await counter.ask("quote", scanned | {"amount_cents": 1001})) == (
            422,
            "voucher_not_accepted",
        )
        assert code(await counter.ask("redeem", scanned | {"cpf": BIA})) == (422, "voucher_not_accepted")
        assert (await counter.ask("redeem", scanned, "n-1")).status_code == 200
        assert code(await counter.ask("redeem", scanned | {"order_cents": 1501}, "n-1")) == (
            409,
            "nonce_reused",
        )
        assert await counter.spent() == (0, 1000)
        assert code(await counter.ask("redeem", scanned)) == (422, "voucher_not_accepted")
        assert code(await counter.ask("redeem", scanned | {"cpf": ANA})) == (422, "voucher_spent")


async def test_a_terminal_that_knows_the_public_key_knows_our_tickets(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        told = (await counter.ask("key")).json()
        signed = qr.read(counter.voucher["qr"])
        body, signature = signed[: qr.BODY_BYTES], signed[qr.BODY_BYTES :]
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["public_key"])).verify(signature, body)
        ticket = qr.unpacked(body)
        assert ticket.key_id.hex() == told["key_id"]
        assert ticket.code == codes.read_code(counter.voucher["code"])
        assert (ticket.display_number, ticket.amount_cents, ticket.expires_at) == (1, 1000, None)


async def test_a_forged_qr_is_a_typo_and_leads_nowhere(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        other = await sender.club.world.club()
        signed = bytearray(qr.read(counter.voucher["qr"]))
        forger = other.keys.signer.sign(bytes(signed[: qr.BODY_BYTES]))
        signed[-1] ^= 1
        body = bytes(signed[: qr.BODY_BYTES])
        for text in (qr.written(bytes(signed)), qr.written(body), qr.written(body + forger), "V1:GGW"):
            refused = await counter.ask("redeem", {"qr": text, "order_cents": 1500})
            assert code(refused) == (422, "voucher_mistyped")
        assert await counter.spent() == (1000, 0)


async def test_what_is_missing_or_wrong_is_told_and_spends_nothing(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        keypad = counter.voucher["keypad_code"]
        wrong = keypad[:-1] + str((int(keypad[-1]) + 1) % 10)
        for said, answer in (
            ({"keypad_code": keypad, "order_cents": 1500}, (422, "invalid")),
            ({"order_cents": 1500, "cpf": ANA}, (422, "invalid")),
            (counter.keypad | {"qr": counter.voucher["qr"]}, (422, "invalid")),
            (counter.keypad | {"order_cents": 0}, (422, "invalid")),
            (counter.keypad | {"cpf": "529.982.247-26"}, (422, "document_invalid")),
            (counter.keypad | {"keypad_code": wrong}, (422, "voucher_mistyped")),
            (counter.keypad | {"cpf": BIA}, (422, "voucher_not_accepted")),
        ):  # fmt: skip
            assert code(await counter.ask("redeem", said)) == answer, said
        assert code(await counter.ask("uses/use_unknown/rollback")) == (404, "use_unknown")
        assert code(await counter.ask("nothing")) == (404, "not_found")
        assert await counter.spent() == (1000, 0)


async def test_a_terminal_of_another_partner_gives_nothing_back(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        use_id = (await counter.ask("redeem", counter.keypad)).json()["use_id"]
        other = await sender.club.partner()
        stranger = await other.terminal(await other.install("stone", {"account_id": "acc_2"}))
        refused = await Counter(sender, stranger, counter.voucher).ask(f"uses/{use_id}/rollback")
        assert code(refused) == (404, "use_unknown")
        assert await counter.spent() == (0, 1000)


async def test_a_terminal_that_tries_wrong_codes_has_to_wait(migrated_url: str) -> None:
    async with open_sender(migrated_url) as sender:
        counter = await opened(sender)
        for _ in range(10):
            keypad = codes.new_keypad_code(sender.club.world.hub.context.vault.entropy)
            wrong = counter.keypad | {"keypad_code": keypad, "cpf": BIA}
            assert code(await counter.ask("quote", wrong)) == (422, "voucher_not_accepted")
        answer = await counter.ask("quote", counter.keypad)
        assert code(answer) == (429, "too_many_requests")
        assert answer.headers["retry-after"] == "6"
        assert await sender.club.rows(t.voucher_use) == []
