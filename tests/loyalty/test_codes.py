"""Codes and their QR: every slip of the finger shows without a look-up, and nothing about them can be guessed."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cards import forbidden_card_field
from loyalty import codes, qr
from loyalty.codes import ALPHABET, Mistyped
from loyalty.qr import Ticket

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEEDS = st.integers(0, 2**32)


def code_of(seed: int) -> str:
    return codes.new_code(Random(seed).randbytes)


def keypad_of(seed: int) -> str:
    return codes.new_keypad_code(Random(seed).randbytes)


def refuses(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except Mistyped:
        return True
    return False


@given(SEEDS)
def test_a_code_is_read_as_it_was_drawn_however_people_write_it(seed: int) -> None:
    code, keypad = code_of(seed), keypad_of(seed)
    assert (len(code), len(keypad)) == (16, 16)
    assert set(code) <= set(ALPHABET)
    for text in (code, code.lower(), codes.written(code), f" {codes.written(code).replace('-', ' - ')}\t"):
        assert codes.read_code(text) == code
    assert codes.read_keypad_code(codes.written(keypad)) == codes.read_keypad_code(f" {keypad} ") == keypad
    assert codes.written(code) == "-".join((code[:4], code[4:8], code[8:12], code[12:]))


@given(SEEDS)
def test_every_wrong_symbol_and_every_swap_of_a_code_is_told(seed: int) -> None:
    code = code_of(seed)
    for at, right in enumerate(code):
        for symbol in set(ALPHABET) - {right}:
            assert refuses(codes.read_code, code[:at] + symbol + code[at + 1 :])
    for one, other in combinations(range(15), 2):
        swapped = list(code)
        swapped[one], swapped[other] = code[other], code[one]
        assert refuses(codes.read_code, "".join(swapped)) == (code[one] != code[other])


@given(SEEDS)
def test_every_wrong_digit_and_every_neighbour_swap_of_a_keypad_code_is_told(seed: int) -> None:
    keypad = keypad_of(seed)
    for at, right in enumerate(keypad):
        for digit in set("0123456789") - {right}:
            assert refuses(codes.read_keypad_code, keypad[:at] + digit + keypad[at + 1 :])
    for at in range(15):
        swapped = keypad[:at] + keypad[at + 1] + keypad[at] + keypad[at + 2 :]
        assert refuses(codes.read_keypad_code, swapped) == (keypad[at] != keypad[at + 1])


@pytest.mark.parametrize(
    "text", ["", "2222", "2" * 15, "2" * 17, "É" * 16, "0" * 16, "22222222222222ß", "\x00" * 16]
)
def test_what_no_code_looks_like_is_a_typo(text: str) -> None:
    assert refuses(codes.read_code, text)
    assert refuses(codes.read_keypad_code, text) == (text != "0" * 16)


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert refuses(codes.read_keypad_code, "٠" * 16)
    assert refuses(codes.read_keypad_code, "²" * 16)


@pytest.mark.parametrize("symbol", sorted("01IiLlOo"))
def test_a_look_alike_is_refused_with_a_hint_and_never_guessed_at(symbol: str) -> None:
    text = symbol + code_of(1)[1:]
    assert refuses(codes.read_code, text)
    assert codes.has_look_alike(text)
    assert not codes.has_look_alike(code_of(1))


@given(SEEDS, st.integers(1, 15), st.integers(0, 9))
def test_no_keypad_code_nor_one_mistyped_is_ever_taken_for_a_card_number(
    seed: int, at: int, digit: int
) -> None:
    keypad = keypad_of(seed)
    mistyped = keypad[:at] + str(digit) + keypad[at + 1 :]
    for text in (keypad, codes.written(keypad), mistyped, codes.written(mistyped)):
        assert forbidden_card_field({"keypad_code": text, "other": text}) is None


def test_every_symbol_is_as_likely_as_any_other() -> None:
    draw = Random(7).randbytes
    letters = Counter("".join(codes.new_code(draw)[:15] for _ in range(4000)))
    assert set(letters) == set(ALPHABET)
    expected = 4000 * 15 / len(ALPHABET)
    chi_square = sum((found - expected) ** 2 / expected for found in letters.values())
    assert chi_square < 59.7, "beyond one chance in a thousand with 30 degrees of freedom"


def test_a_byte_beyond_the_last_whole_round_is_thrown_away() -> None:
    """248 % 31 would favour the first eight symbols."""
    answers = iter([bytes([255] * 15), bytes([248] * 14 + [247]), bytes(range(15))])
    assert codes.new_code(lambda _: next(answers))[:15] == ALPHABET[247 % 31] + ALPHABET[:14]


# ---------------------------------------------------------------------------------------------- the QR
TICKETS = st.builds(
    Ticket,
    key_id=st.binary(min_size=4, max_size=4),
    code=SEEDS.map(code_of),
    display_number=st.integers(1, 2**40 - 1),
    amount_cents=st.integers(1, 2**53),
    expires_at=st.none()
    | st.integers(1, 253_402_300_799).map(lambda second: EPOCH + timedelta(seconds=second)),
)


@given(SEEDS)
def test_no_qr_is_ever_taken_for_a_card_number(seed: int) -> None:
    """Small numbers are mostly zeros, and fifteen digits in a row are soon a card's."""
    chance = Random(seed)
    ticket = Ticket(b"key!", code_of(seed), chance.randrange(1, 99), chance.randrange(1, 9999), None)
    text = qr.written(qr.packed(ticket) + chance.randbytes(64))
    assert forbidden_card_field({"qr": text}) is None
    assert not re.search("[0-9]{13}", text)


@given(TICKETS, st.binary(min_size=64, max_size=64))
def test_a_ticket_survives_its_way_through_a_qr(ticket: Ticket, signature: bytes) -> None:
    body = qr.packed(ticket)
    text = qr.written(body + signature)
    assert len(text) == 147, "the largest that fits a QR of version 6 at error level M is 154"
    assert set(text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    assert qr.read(text) == body + signature
    assert qr.unpacked(body) == ticket


def test_base45_is_that_of_its_standard() -> None:
    """The examples of RFC 9285, section 4.3 and 4.4."""
    for clear, coded in (
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ):
        assert qr.written(clear) == f"V1:{coded}"
        assert qr.read(f"V1:{coded}") == clear


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=12))
def test_only_what_we_would_have_written_is_read(symbols: str) -> None:
    """One text for one meaning: `GGW` is 65,536, one more than two bytes hold."""
    assert refuses(qr.read, "V1:GGW")
    try:
        signed = qr.read(f"V1:{symbols}")
    except Mistyped:
        return
    assert qr.written(signed) == f"V1:{symbols}".strip()


@pytest.mark.parametrize("text", ["", "V1", "V2:BB8", "BB8", "V1:bb8", "V1:B", "V1:BB8B", "V1:::"])
def test_a_text_that_is_no_qr_of_ours_is_a_typo(text: str) -> None:
    assert refuses(qr.read, text) != (text == "V1:")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x02" + bytes(31),
        b"\x01" + bytes(30),
        b"\x01" + bytes(32),
        b"\x01" + bytes(4) + b"\xff" * 10 + bytes(17),
        b"\x01" + bytes(4) + (1).to_bytes(10, "big") + bytes(17),
        b"\x01" + bytes(26) + b"\xff" * 5,  # the code of zeros changes nothing of what follows
    ],
    ids=["empty", "another version", "short", "long", "beyond any code", "check symbol", "beyond any year"],
)
def test_a_body_of_another_layout_is_a_typo(body: bytes) -> None:
    with pytest.raises(Mistyped):
        qr.unpacked(body)


def test_a_letter_that_only_becomes_one_of_ours_in_capitals_is_a_typo() -> None:
    code = next(made for made in map(code_of, range(1_000)) if "S" in made)
    assert codes.read_code(code.lower()) == code
    with pytest.raises(Mistyped):
        codes.read_code(code.replace("S", "\N{LATIN SMALL LETTER LONG S}", 1))
