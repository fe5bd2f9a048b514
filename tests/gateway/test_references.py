"""A reference that looks personal becomes a token, and still finds what it names, whoever tells it and however."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.facts import DocumentEvidence, Key, Line, Operation, PaymentEvidence, Tender
from gateway.privacy import ProgrammeKeys, Vault
from gateway.references import kept, kept_key
from gateway.store import tables as t
from tests.gateway.caller import ANA, code, found, open_caller
from tests.gateway.world import open_world

AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
CPF = "71459384644"
DINERS_LIKE_ATK = "36000000000008"


def made(programme_id: str = "prg_a", key: int = 1) -> ProgrammeKeys:
    vault = Vault(bytes(32), lambda size: bytes([key]) * size)
    return vault.programme(programme_id, vault.new_programme_key())


def test_a_token_is_always_the_same_within_a_programme_and_another_elsewhere() -> None:
    keys = made()
    assert keys.reference(CPF) == keys.reference(CPF) == keys.token(CPF)
    assert len({made(name, key).token(CPF) for name in ("prg_a", "prg_b") for key in (1, 2)}) == 4


def test_what_cannot_be_personal_stays_and_slashes_divide() -> None:
    keys = made()
    assert keys.reference("51000000000017") == "51000000000017"
    assert keys.reference(f"settlements/{CPF}") == f"settlements/{keys.token(CPF)}"
    assert keys.reference("714/593/846/44") == keys.token("714/593/846/44")


@given(st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=128))
def test_what_is_kept_is_kept_again_as_it_is_and_fits_where_it_came_from(text: str) -> None:
    keys = made()
    once = keys.reference(text)
    assert keys.reference(once) == once
    assert len(once) <= 128


def test_a_long_row_of_cpfs_becomes_one_token() -> None:
    row = "/".join([CPF] * 10)
    assert made().reference(row) == made().token(row)


def test_every_reference_of_evidence_is_kept_so_and_voucher_codes_only_as_tokens() -> None:
    keys = made()
    told: dict[str, Any] = {
        "keys": (Key("order:loja", CPF),), "links": (Key(f"order:{CPF}", "1"),), "merchant_ref": CPF,
        "terminal_ref": CPF, "operator_ref": CPF, "voucher_codes": ("ABCD",), "as_of": AT,
        "lines": (Line(code=CPF, quantity_milli=1, amount_cents=1),),
        "operations": (Operation(space=CPF, key=CPF, happened_at=AT),),
    }  # fmt: skip
    tender = Tender(keys=(Key("stone:atk", CPF),), amount_cents=1)
    document = kept(keys, DocumentEvidence(**told, kind="order", gross_cents=1, tenders=(tender,)))
    payment = kept(keys, PaymentEvidence(**told))
    assert CPF not in document.model_dump_json() + payment.model_dump_json()
    assert document.voucher_codes == payment.voucher_codes == (keys.token("ABCD"),)
    # What is stored is read again as evidence, so every token must be allowed where it stands.
    for said in (document, payment):
        read = type(said).model_validate_json(said.model_dump_json())
        assert read.model_dump() == said.model_dump()
    assert kept(keys, document) == document


def test_evidence_without_anything_personal_is_the_same_object() -> None:
    evidence = PaymentEvidence(keys=(Key("stone:atk", "51000000000017"),), merchant_ref="loja-1", as_of=AT)
    assert kept(made(), evidence) is evidence
    assert kept_key(made(), Key("stone:atk", "1")) == ("stone:atk", "1")


@pytest.mark.parametrize("atk", [DINERS_LIKE_ATK, "00071459384644"])
async def test_an_atk_that_looks_personal_still_joins_what_webhook_and_till_tell(
    migrated_url: str, atk: str
) -> None:
    async with open_world(migrated_url) as world:
        club = await world.club()
        await club.enrol(ANA)
        assert club.keys.reference(atk) != atk
        key = Key("stone:atk", atk)
        when = world.clock()
        paid = PaymentEvidence(keys=(key,), method="credit", captured_cents=1000, sold_at=when, as_of=when)
        bought = DocumentEvidence(
            keys=(Key("order:loja", "1"),), kind="order", gross_cents=1000, sold_at=when, as_of=when,
            tenders=(Tender(keys=(key,), method="credit", amount_cents=1000),),
        )  # fmt: skip
        first = (await club.tell(paid, source="ins_a")).recorded[0]
        second = (await club.tell(bought, source="ins_b")).recorded[0]
        assert first.sale_id == second.sale_id
        assert (await club.tell(paid, source="ins_a")).recorded[0].duplicate
        assert atk not in str(await world.read(t.evidence)) + str(await world.read(t.evidence_key))


async def test_a_launch_under_a_reference_that_looks_personal_is_found_returned_and_claimed_by_it(
    migrated_url: str,
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        sale = await shop.caller.make("/v1/sales", shop.sale(CPF), "k1")
        again = await shop.caller.post("/v1/sales", shop.sale(CPF), "k2")
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        partner = {"partner_id": shop.partner_id}
        said = {**partner, "launch_ref": CPF, "return_ref": CPF, "amount_cents": 100}
        assert (await shop.caller.post("/v1/sales/returns", said, "r1")).status_code == 201
        assert (await shop.caller.post("/v1/sales/returns", said, "r2")).json()["duplicate"] is True
        key = {"kind": f"launch:{shop.partner_id}", "value": CPF}
        claimed = await shop.caller.post("/v1/sales/claims", {**partner, "key": key, "cpf": ANA}, "c1")
        assert claimed.json()["sale_id"] == sale["sale_id"]
        [shown] = (await shop.caller.post("/v1/sales/lookup", {**partner, "key": key})).json()["data"]
        assert shown["sale_id"] == sale["sale_id"]
        token = shown["first_key"]["value"]
        assert token.startswith("tok_")
        by_token = await shop.caller.post("/v1/sales/lookup", {**partner, "key": {**key, "value": token}})
        assert by_token.json()["data"][0]["sale_id"] == sale["sale_id"]


async def test_places_named_by_what_looks_personal_are_known_by_it_and_taken_once(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        at = f"/v1/partners/{shop.partner_id}"
        operator = {"store_id": shop.store_id, "name": "Zé", "operator_ref": CPF}
        shown = await shop.caller.make(f"{at}/operators", operator)
        assert shown["operator_ref"].startswith("tok_")
        assert code(await shop.caller.post(f"{at}/operators", operator, "o2")) == (409, "conflict")
        await shop.caller.make("/v1/sales", shop.sale(operator_ref=CPF), "k1")


@pytest.mark.parametrize("held", [CPF, "714.593.846-44", "5413 3300 8902 0011", "NzE0NTkzODQ2NDQ="])
async def test_a_name_that_holds_a_document_or_a_card_is_refused_by_its_own_code(
    migrated_url: str, held: str
) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        refused = await shop.caller.post("/v1/partners", {"name": f"Loja {held}"}, "p1")
        expected = "forbidden_card_data" if held.startswith("5413") else "personal_data"
        assert code(refused) == (422, expected)
        assert held not in refused.text
        assert len(await caller.world.read(t.partner)) == 1


async def test_an_amount_of_eleven_digits_is_refused(migrated_url: str) -> None:
    async with open_caller(migrated_url) as caller:
        shop = await found(caller)
        refused = await shop.caller.post("/v1/sales", shop.sale(gross_cents=int(CPF)), "k1")
        assert code(refused) == (422, "invalid")
        assert await caller.world.read(t.evidence) == []
