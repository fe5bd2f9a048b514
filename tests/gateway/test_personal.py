"""What looks like a CPF, a card number or a name in a reference, and what honest references may look like."""

import base64
import random
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.documents import Cpf
from contracts.errors import Malformed
from gateway.personal import may_be_personal

CPF, DOTTED = "71459384644", "714.593.846-44"
PAN, GROUPED = "5413330089020011", "5413 3300 8902 0011"
NAME = "ZULMIRA QUIXABEIRA CANARIO"

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "urlsafe": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "upper hex": lambda text: text.encode().hex().upper(),
}


@pytest.mark.parametrize("encoded", ENCODINGS)
@pytest.mark.parametrize("text", [CPF, DOTTED, PAN, GROUPED, NAME, NAME.replace(" ", "")])
def test_each_writing_of_a_cpf_a_card_and_a_name_is_recognised(text: str, encoded: str) -> None:
    assert may_be_personal(ENCODINGS[encoded](text))


@pytest.mark.parametrize("encoded", ENCODINGS)
@pytest.mark.parametrize("number", [CPF, DOTTED, PAN])
@pytest.mark.parametrize(("before", "after"), [("pedido-", ""), ("", "#2"), ("a/", "/b"), ("x:", ":y")])
def test_a_number_inside_other_text_is_recognised(before: str, number: str, after: str, encoded: str) -> None:
    assert may_be_personal(before + ENCODINGS[encoded](number) + after)


@given(st.integers(min_value=0, max_value=10**9 - 1), st.sampled_from(sorted(ENCODINGS)))
def test_any_cpf_is_recognised_padded_with_zeros_or_as_the_integer_that_lost_one(
    body: int, encoded: str
) -> None:
    text = next((text for check in range(100) if (text := f"{body:09d}{check:02d}") and _is_cpf(text)), "")
    if not text:  # eleven equal digits
        return
    assert may_be_personal(ENCODINGS[encoded](text))
    assert may_be_personal(text.zfill(14)) or text.startswith("00")
    assert may_be_personal(str(int(text))) or text.startswith("00")


def _is_cpf(text: str) -> bool:
    try:
        Cpf(text)
    except Malformed:
        return False
    return True


@pytest.mark.parametrize(
    "reference",
    [
        "51000000000017", "ch_RbPVPWMH2vcOk3X9", "PB0000X00001-1.17.7-2278-0003", "pdv-7/2026-11-24/0192",
        "c56a4180-65aa-42ec-a945-5fd21dec0538", "35261111222333000181650010000001921000001920", "loja-1",
        "sto_01jabcdefghjkmnpqrstvwxyz0", "128000001", "cancellations", "1732471200", "20261124182000",
        "devolucao-12", "11222333000181", "71459384645",
    ],
)  # fmt: skip
def test_an_honest_reference_is_none_of_them(reference: str) -> None:
    assert not may_be_personal(reference)


@pytest.mark.parametrize(
    ("alphabet", "length", "most_in_a_thousand"),
    [
        (string.ascii_letters + string.digits, 16, 1),
        (string.ascii_lowercase + string.digits, 25, 2),
        ("0123456789abcdef", 32, 3),
        (string.digits, 14, 10),
        (string.digits, 11, 15),
        (string.digits, 9, 0),
    ],
)
def test_references_drawn_by_lot_are_rarely_taken_for_personal_ones(
    alphabet: str, length: int, most_in_a_thousand: int
) -> None:
    lot = random.Random(7)
    drawn = ("".join(lot.choices(alphabet, k=length)) for _ in range(10_000))
    assert sum(map(may_be_personal, drawn)) <= 10 * most_in_a_thousand


@given(st.text(max_size=128) | st.from_regex(r"[0-9A-Fa-f%+/=_.-]{0,64}", fullmatch=True))
def test_any_text_gets_an_answer(text: str) -> None:
    assert may_be_personal(text) in {True, False}
