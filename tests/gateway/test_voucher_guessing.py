"""Whoever guesses at vouchers learns nothing: neither from words, nor from work, nor from the clock, nor often."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway.privacy import Vault
from gateway.store import tables as t
from gateway.vouchers.throttle import ALARMING_TRIES, Attempt
from gateway.worker import run_due
from loyalty import codes, qr
from tests.gateway import test_checkout as checkout
from tests.gateway.caller import ANA, BIA, Shop, code, found, open_caller
from tests.gateway.test_api_vouchers import Counter, opened

REFUSED = (422, "voucher_not_accepted")


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A database whose every statement can be heard. The code above it is the same on PostgreSQL."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.sqlite")
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@contextmanager
def listening() -> Iterator[Callable[[], list[str]]]:
    """Yield a function that returns, and forgets, which tables were read or written since it was last asked."""
    heard: list[str] = []

    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.set_trace_callback(heard.append)

    def taken() -> list[str]:
        said = [found[0] for text in heard for found in re.finditer(r"\b(FROM|INTO|UPDATE) [a-z_]+", text)]
        heard.clear()
        return said

    event.listen(Engine, "connect", connected)
    try:
        yield taken
    finally:
        event.remove(Engine, "connect", connected)


def random_code(shop: Shop) -> str:
    return codes.written(codes.new_code(shop.caller.world.hub.context.vault.entropy))


async def useless_codes(shop: Shop, counter: Counter) -> dict[str, str]:
    """Return a code for every reason for which a store would hear no."""
    caller, member_id = shop.caller, counter.member_id
    elsewhere = (await caller.make("/v1/partners", {"name": "Posto"}))["partner_id"]

    async def issued(**terms: Any) -> dict[str, Any]:
        reward = {"name": "Vale", "kind": "discount", "cost_units": 1, "amount_cents": 100, **terms}
        made = await caller.make("/v1/rewards", reward)
        wish = {"member_id": member_id, "reward_id": made["reward_id"]}
        return await caller.make("/v1/vouchers", wish, made["reward_id"])

    async def used(verb: str) -> str:
        voucher = await issued()
        order = {"code": voucher["code"], "order_ref": voucher["voucher_id"], "order_cents": 5000}
        answer = await counter.verb(verb, partner_id=shop.partner_id, **order)
        assert answer.status_code == 201, answer.text
        return str(voucher["code"])

    revoked, expired = await issued(), await issued(valid_days=1)
    taken = await caller.post(f"/v1/vouchers/{revoked['voucher_id']}/revoke", once="revoke")
    assert taken.status_code == 200
    killed = await issued()
    switch = await caller.patch(f"/v1/rewards/{killed['reward_id']}", {"honoured": False}, 1)
    assert switch.status_code == 200
    known = {
        "spent": await used("redeem"),
        "revoked": revoked["code"],
        "killed": killed["code"],
        "expired": expired["code"],
        "elsewhere": (await issued(partner_id=elsewhere))["code"],
        "too small an order": (await issued(minimum_cents=5001))["code"],
    }
    caller.world.clock.advance(timedelta(days=2))
    await run_due(caller.world.hub)
    return known | {"reserved": await used("reserve")}


def bytes_of(answer: httpx.Response) -> bytes:
    """Return what a caller sees, but for the name of the request."""
    seen = answer.content.replace(answer.json()["request_id"].encode(), b"")
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return repr((answer.status_code, headers)).encode() + seen


async def test_every_reason_is_answered_with_the_same_bytes_after_the_same_reads(sqlite_url: str) -> None:
    with listening() as statements:
        async with open_caller(sqlite_url) as caller:
            shop, other = await found(caller), await found(caller)
            counter, theirs = await opened(shop), await opened(other)
            presented = await useless_codes(shop, counter)
            # What other programmes issued, and what nobody issued, is asked twice: the first time warms caches.
            presented |= {"of another programme": theirs.code, "nobody's": random_code(shop)}
            seen, reads = set(), {}
            for verb, more in (
                ("quote", {}),
                ("reserve", {"order_ref": "o"}),
                ("redeem", {"order_ref": "o"}),
            ):
                order = {"partner_id": shop.partner_id, "order_cents": 5000, **more}
                for _ in range(2):
                    caller.world.clock.advance(timedelta(minutes=1))  # nobody is to wait
                    for name, text in presented.items():
                        statements()
                        answer = await counter.verb(verb, code=text, **order)
                        assert code(answer) == REFUSED, name
                        seen.add(bytes_of(answer))
                        reads[verb, name] = statements()
            assert len(seen) == 1
            for verb in ("quote", "reserve", "redeem"):
                works = {tuple(did) for (asked, _), did in reads.items() if asked == verb}
                assert len(works) == 1, {name: did for (asked, name), did in reads.items() if asked == verb}
            await counter.is_sound()


async def test_the_clock_tells_no_more_than_noise(migrated_url: str) -> None:
    """Both kinds are asked in turn, so that whatever else the machine does falls on both alike."""
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        assert (await counter.at_order("redeem", "o-1")).status_code == 201
        took: dict[str, list[float]] = {"unknown": [], "spent": []}
        for n in range(2 * 120):
            name = ("unknown", "spent")[n % 2]
            text = counter.code if name == "spent" else random_code(counter.shop)
            if n % 8 == 0:  # nobody waits
                caller.world.clock.advance(timedelta(hours=2))
            started = perf_counter()
            answer = await quote(counter, text)
            took[name].append(perf_counter() - started)
            assert code(answer) == REFUSED
        low, _, high = quantiles(took["unknown"] + took["spent"], n=4)
        apart = median(took["spent"]) - median(took["unknown"])
        told = {name: f"{1000 * median(times):.2f} ms" for name, times in took.items()}
        assert abs(apart) < high - low, told


async def quote(counter: Counter, text: str) -> httpx.Response:
    asked = {"code": text, "partner_id": counter.shop.partner_id, "order_cents": 5000}
    return await counter.shop.caller.post("/v1/vouchers/quote", asked)


async def test_a_typo_never_reaches_the_database_and_costs_nobody_anything(sqlite_url: str) -> None:
    with listening() as statements:
        async with open_caller(sqlite_url) as caller:
            counter = await opened(await found(caller))
            right, keypad, signed = counter.code, counter.voucher["keypad_code"], counter.voucher["qr"]
            assert (await quote(counter, right)).status_code == 200
            assert len(statements()) > 0, "the ear works"
            order = {"partner_id": counter.shop.partner_id, "order_cents": 5000, "order_ref": "o"}
            typos: list[dict[str, str]] = [
                {"code": right[1:]},
                {"code": right[:-1] + codes.ALPHABET[codes.ALPHABET.index(right[-1]) - 1]},
                {"keypad_code": keypad[:-1] + str((int(keypad[-1]) + 1) % 10), "cpf": ANA},
                {"qr": signed[:-1]},
                {"qr": "V1:" + right},
            ]
            for _ in range(20):
                for typo in typos:
                    for verb in ("quote", "reserve", "redeem", "lookup"):
                        said = typo | ({} if verb == "lookup" else order)
                        said = {
                            name: text
                            for name, text in said.items()
                            if (verb, name) != ("quote", "order_ref")
                        }
                        assert code(await counter.verb(verb, **said)) == (422, "voucher_mistyped")
            assert statements() == []
            altered = signed[:-3] + ("000" if signed[-3:] != "000" else "001")
            assert code(await counter.verb("lookup", qr=altered)) == (422, "voucher_mistyped")
            assert statements() == [], "a signature is checked before any voucher is looked up"
            assert (await quote(counter, right)).status_code == 200


async def test_a_look_alike_is_hinted_at(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        assert (await quote(counter, "0" + counter.code[1:])).json()["look_alike"] is True
        assert "look_alike" not in (await quote(counter, counter.code[1:])).json()


async def test_f37_whoever_tries_too_many_wrong_codes_waits_and_nobody_else(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        partner_id = counter.shop.partner_id
        store, other = [await counter.shop.keyed("vouchers:write", partner_id=partner_id) for _ in range(2)]
        asked = {"order_cents": 5000}
        for _ in range(10):
            wrong = {"code": random_code(counter.shop), **asked}
            assert code(await store.post("/v1/vouchers/quote", wrong)) == REFUSED
        right = {"code": counter.code, **asked}
        for verb in ("quote", "reserve", "redeem"):
            said = right | ({} if verb == "quote" else {"order_ref": "o"})
            waiting = await store.post(f"/v1/vouchers/{verb}", said, f"k-{verb}")
            assert code(waiting) == (429, "too_many_requests")
            assert waiting.headers["retry-after"] == "6"
        assert (await other.post("/v1/vouchers/quote", right)).status_code == 200
        caller.world.clock.advance(timedelta(seconds=6))
        assert (await store.post("/v1/vouchers/quote", right)).status_code == 200
        assert await caller.world.read(t.voucher_use) == []


async def test_a_store_that_asks_for_too_many_wrong_codes_is_shown_no_card_for_a_while(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url, checkout.till) as caller:
        store = await checkout.opened(await found(caller))
        right = (await checkout.voucher(store))["code"]
        for _ in range(20):
            assert await store.search(typed="NATAL10") == [], "a store has codes of its own"
        for _ in range(10):
            assert await store.search(typed=random_code(store.shop)) == []
        assert await store.search(typed=right) == []
        assert len(await store.search(document=ANA)) == 1, "a balance is no code"
        caller.world.clock.advance(timedelta(seconds=6))
        assert len(await store.search(typed=right)) == 1


async def test_of_one_holder_only_so_many_keypad_codes_are_tried_whoever_tries(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        entropy = caller.world.hub.context.vault.entropy
        keys = [
            await counter.shop.keyed("vouchers:write", partner_id=counter.shop.partner_id) for _ in range(6)
        ]
        tried = []
        for n in range(12):
            said = {"keypad_code": codes.new_keypad_code(entropy), "cpf": ANA, "order_cents": 5000}
            tried.append(code(await keys[n % 6].post("/v1/vouchers/quote", said)))
        assert tried == [REFUSED] * 10 + [(429, "too_many_requests")] * 2
        assert (await quote(counter, counter.code)).status_code == 200, "without the CPF it is another matter"


async def test_while_a_programme_is_guessed_at_a_code_alone_does_not_count(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        throttle, now = caller.world.hub.throttle, caller.world.clock()
        programme_id = (await counter.shop.caller.get("/v1/programme")).json()["programme_id"]
        for n in range(ALARMING_TRIES):
            throttle.missed(Attempt(programme_id, (("key", f"stolen {n}"),), bound=False), now)
        assert code(await quote(counter, counter.code)) == (422, "voucher_needs_cpf")
        asked = {"code": counter.code, "partner_id": counter.shop.partner_id, "order_cents": 5000}
        bound = await counter.shop.caller.post("/v1/vouchers/quote", asked | {"cpf": ANA})
        assert bound.status_code == 200
        stranger = await counter.shop.caller.post("/v1/vouchers/quote", asked | {"cpf": BIA})
        assert code(stranger) == REFUSED
        caller.world.clock.advance(timedelta(minutes=15))
        assert (await quote(counter, counter.code)).status_code == 200


async def test_a_stolen_database_yields_no_code_and_no_way_to_test_one(migrated_url: str) -> None:
    """Whoever holds every row still lacks the master key: hashes are keyed, codes sealed, answers sealed."""
    async with open_caller(migrated_url) as caller:
        counter = await opened(await found(caller))
        assert (await counter.at_order("redeem", "o-1", amount_cents=400)).status_code == 201
        bare = codes.read_code(counter.code)
        keypad = codes.read_keypad_code(counter.voucher["keypad_code"])
        signature = qr.read(counter.voucher["qr"])[qr.BODY_BYTES :]
        secrets = [counter.code, bare, counter.voucher["keypad_code"], keypad, counter.voucher["qr"]]
        hidden = [form for text in secrets for form in (text.encode(), text.encode().hex().encode())]
        hidden += [signature, signature.hex().encode()]
        stolen: list[dict[str, Any]] = []
        for table in t.metadata.sorted_tables:
            stolen += await caller.world.read(table)
        kept = b"".join(
            value if isinstance(value, bytes) else str(value).encode()
            for row in stolen
            for value in row.values()
        )
        assert len(kept) > 10_000
        assert not [form for form in hidden if form in kept]
        assert bare[-4:].encode() in kept, "the tail alone is kept, for support"
        [voucher] = await caller.world.read(t.voucher)
        [programme] = [
            r for r in await caller.world.read(t.programme) if r["programme_id"] == voucher["programme_id"]
        ]
        thief = Vault(bytes(32), caller.world.hub.context.vault.entropy)
        with pytest.raises(Exception, match="wrapped under another key"):
            thief.programme(programme["programme_id"], programme["key_wrapped"])
        ours = caller.world.hub.context.vault.programme(programme["programme_id"], programme["key_wrapped"])
        assert ours.code_hash(bare) == voucher["code_hash"]
        assert ours.code_hash(keypad) == voucher["keypad_hash"]
