"""Card data that may not be kept, and identities that only look like it."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cards import card_numbers, forbidden_card_field, may_hold_card_data, passes_luhn

VISA = "4111111111111111"
CONNECT = {
    "id": "hook_1",
    "type": "charge.paid",
    "data": {
        "id": "ch_1",
        "code": "38332544765625",
        "amount": 12500,
        "card": {"first_six_digits": "400000", "last_four_digits": "0010", "exp_month": 1, "exp_year": 2031},
        "metadata": {"authorization_code": "M21111", "initiator_transaction_key": "6N000001-4.0.0-AAAAAA-1"},
    },
}
DEEPLINK = {
    "code": "0",
    "amount": "100",
    "atk": "37820073187607",
    "itk": "PB0000X00001-1.17.7-2278-0003",
    "order_id": "4539148803436467000",
    "authorization_code": "187607",
    "pan": "627303****2166",
}


@pytest.mark.parametrize(
    "payload", [CONNECT, DEEPLINK, [], None, "", {"cvv": ""}, {"cvv": None}, {"pin": "***"}]
)
def test_what_stone_really_sends_passes(payload: Any) -> None:
    assert forbidden_card_field(payload) is None


@pytest.mark.parametrize(
    "name",
    [
        "cvv",
        "CVV2",
        "cvc",
        "track_2",
        "iccRelatedData",
        "arqc",
        "arcq",
        "serviceCode",
        "PIN",
        "cardExpireDate",
    ],
)
def test_f102_a_forbidden_field_is_found_at_any_depth(name: str) -> None:
    assert forbidden_card_field({"data": [{"card": {name: "123"}}]}) == name.replace("_", "").lower()


@pytest.mark.parametrize(
    "value",
    [VISA, int(VISA), "4111 1111 1111 1111", "4111-1111-1111-1111", f"card {VISA}.", "378282246310005"],
)
@pytest.mark.parametrize("name", ["pan", "note", "atk", "order_id"])
def test_f102_a_full_card_number_is_found_in_any_field(name: str, value: str | int) -> None:
    assert forbidden_card_field({"a": [{name: value}]}) == "pan"


@pytest.mark.parametrize("value", ["4111111111111112", "411111******1111", "5511987654321", "7891000315507"])
def test_other_numbers_are_no_card_numbers(value: str) -> None:
    assert forbidden_card_field({"note": value}) is None


def test_no_transaction_key_or_order_id_of_ours_is_taken_for_a_card() -> None:
    draw = random.Random(7)
    for _ in range(5000):
        payload = {"atk": str(draw.randrange(10**13, 10**14)), "order_id": str(draw.randrange(2**62, 2**63))}
        assert forbidden_card_field(payload) is None


def test_no_reservation_and_no_answer_of_a_payment_app_is_taken_for_a_card() -> None:
    draw = random.Random(8)
    for _ in range(5000):
        atk, number = str(draw.randrange(10**13, 10**14)), str(draw.randrange(2**62, 2**63))
        answer = f"ponte://pay-response?code=0&atk={atk}&order_id={number}&amount=100"
        assert forbidden_card_field({"reservation": number, "answer": answer}) is None
        assert forbidden_card_field({"keys": [["stone:atk", atk]], "links": [["order:till", number]]}) is None


@pytest.mark.parametrize("name", ["pan", "atk", "order_id", "amount"])
def test_f102_a_full_card_number_is_found_in_the_answer_of_a_payment_app(name: str) -> None:
    assert forbidden_card_field({"answer": f"ponte://pay-response?code=0&{name}={VISA}"}) == "pan"


def test_the_check_digit_is_the_standards() -> None:
    assert passes_luhn("79927398713")
    assert [passes_luhn(f"7992739871{digit}") for digit in range(10)].count(True) == 1


def test_every_way_to_group_a_number_is_found_wherever_it_stands() -> None:
    for number in (VISA, "4111-1111-1111-1111", "3782 822463 10005", "3782.822463.10005"):
        for around in ("{}", "12 {} 34", "1-{}", "x{}x", "2026-11-25 {}", "{} {}"):
            numbers = [match[0] for match in card_numbers(around.format(number, number))]
            assert number in numbers, around


def test_a_grouped_number_is_found_whole() -> None:
    assert [found[0] for found in card_numbers("x 4111-1111-1111-1111 y")] == ["4111-1111-1111-1111"]


def test_nesting_costs_no_recursion() -> None:
    deep: Any = {"cvv": "1"}
    for _ in range(100_000):
        deep = [deep]
    assert forbidden_card_field(deep) == "cvv"
    while isinstance(deep, list):  # or freeing it would recurse
        deep = deep[0]
    assert json.dumps(deep) == '{"cvv": "1"}'


NAMES = st.sampled_from(["cvv", "C-V-V", "track_2", "iccRelatedData", "note", "atk"]) | st.text(max_size=4)
VALUES = st.sampled_from([VISA, int(VISA), "4111 1111 1111 1111", f"card {VISA}.", "1", "", None]) | st.text(
    max_size=4
)


@given(
    parsed=st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
    ),
    ascii_only=st.booleans(),
)
def test_the_quick_look_never_misses_what_the_full_search_finds(*, parsed: Any, ascii_only: bool) -> None:
    body = json.dumps(parsed, ensure_ascii=ascii_only).encode()
    assert may_hold_card_data(body) or forbidden_card_field(parsed) is None


def test_the_quick_look_spares_an_ordinary_delivery_the_full_search() -> None:
    assert not may_hold_card_data(json.dumps(CONNECT).encode())
    assert may_hold_card_data(b'{"c\\u0076v": "1"}')
