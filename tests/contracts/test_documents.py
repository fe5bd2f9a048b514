"""CPF and CNPJ against two independent implementations."""

import random
import traceback
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.br import cnpj as stdnum_cnpj
from stdnum.br import cpf as stdnum_cpf
from validate_docbr import CNPJ as DOCBR_CNPJ
from validate_docbr import CPF as DOCBR_CPF

from contracts.documents import Cnpj, Cpf, first_tax_id, tax_id
from contracts.errors import Malformed

PAIRS = [a + b for a, b in product("0123456789", repeat=2)]
ALPHANUMERICS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

cpf_bodies = st.text("0123456789", min_size=9, max_size=9).filter(lambda body: len(set(body)) > 1)
cnpj_bodies = st.text(ALPHANUMERICS, min_size=12, max_size=12).filter(lambda body: len(set(body)) > 1)
cnpj_numbers = st.text("0123456789", min_size=12, max_size=12).filter(lambda body: len(set(body)) > 1)


def accepted(text: str) -> bool:
    try:
        tax_id(text)
    except Malformed:
        return False
    return True


def test_f39_of_all_check_digit_pairs_of_10000_cpfs_exactly_one_is_accepted() -> None:
    chance = random.Random(39)
    bodies = [f"{number:09d}" for number in chance.sample(range(10**9), 10_000)]
    for body in bodies:
        assert sum(accepted(body + pair) for pair in PAIRS) == 1, body


@given(cpf_bodies)
def test_f39_two_other_implementations_accept_the_same_check_digits_of_a_cpf(body: str) -> None:
    ours = [pair for pair in PAIRS if accepted(body + pair)]
    assert len(ours) == 1
    assert ours == [pair for pair in PAIRS if stdnum_cpf.is_valid(body + pair)]
    assert ours == [pair for pair in PAIRS if DOCBR_CPF().validate(body + pair)]


@pytest.mark.parametrize("digit", "0123456789")
def test_f40_equal_digits_are_refused_though_the_arithmetic_accepts_them(digit: str) -> None:
    assert not accepted(digit * 11)
    assert not accepted(digit * 14)


@pytest.mark.parametrize(
    "writing",
    ["529.982.247-25", "52998224725", " 529 982 247 25 ", "529.982.24725", "529\N{NO-BREAK SPACE}982 247-25"],
)
def test_f41_a_cpf_is_read_in_every_writing(writing: str) -> None:
    assert tax_id(writing) == Cpf("52998224725")


@pytest.mark.parametrize(
    "writing",
    [
        "٥٢٩٩٨٢٢٤٧٢٥",  # Arabic digits, which int() accepts
        "５２９９８２２４７２５",  # full-width digits, which int() accepts
        "5299822472⁵",  # a superscript, which isdigit() accepts
        "529–982–247–25",  # dashes that are not hyphens
        "529.982.247-25\n",
        "529_982_247_25",
        "+52998224725",
        "5299822472",
        "529982247255",
        "52998224725\x00",
        "",
        "." * 33,
        pytest.param("5" * 100_000, id="100000 fives"),
    ],
)
def test_f41_digits_of_other_alphabets_and_other_lengths_are_refused(writing: str) -> None:
    assert not accepted(writing)


def test_f41_leading_zeros_are_restored_only_where_the_connector_declares_a_number() -> None:
    assert Cpf.from_number(191).text == "00000000191"
    assert Cnpj.from_number(191).formatted == "00.000.000/0001-91"
    assert not accepted("191")
    for number in (-191, 10**11, 10**5000):
        with pytest.raises(Malformed):
            Cpf.from_number(number)
    with pytest.raises(Malformed):
        Cnpj.from_number(number=True)


@pytest.mark.parametrize(
    ("writing", "text"),
    [
        ("12.ABC.345/01DE-35", "12ABC34501DE35"),  # the example of the tax office's technical note
        ("12abc34501de35", "12ABC34501DE35"),
        ("00.000.000/0001-91", "00000000000191"),
        ("11 222 333 0001 81", "11222333000181"),
    ],
)
def test_f42_a_cnpj_is_read_in_every_writing_letters_included(writing: str, text: str) -> None:
    assert tax_id(writing) == Cnpj(text)


@pytest.mark.parametrize(
    "writing",
    [
        "12ABC34501DE36",
        "12ABC34501DE3A",  # letters never stand for check digits
        "12ABC34501D35",
        "12ABCſ4501DE35",  # upper() makes S of a long s
        "12ABCı4501DE35",  # and I of a dotless i
        "12ABC34501ß35",  # and two letters of a sharp s
        "12@BC34501DE35",
    ],
)
def test_f42_a_wrong_or_foreign_character_in_a_cnpj_is_refused(writing: str) -> None:
    assert not accepted(writing)


@given(cnpj_bodies | cnpj_numbers)
def test_f42_two_other_implementations_accept_the_same_check_digits_of_a_cnpj(body: str) -> None:
    ours = [pair for pair in PAIRS if accepted(body + pair)]
    assert len(ours) == 1
    assert ours == [pair for pair in PAIRS if stdnum_cnpj.is_valid(body + pair)]
    assert ours == [pair for pair in PAIRS if DOCBR_CNPJ().validate(body + pair)]


@given(cpf_bodies)
def test_a_cpf_survives_its_own_writing(body: str) -> None:
    cpf = next(Cpf(body + pair) for pair in PAIRS if accepted(body + pair))
    assert tax_id(cpf.formatted) == tax_id(cpf.text) == Cpf.from_number(int(cpf.text)) == cpf


@given(cnpj_bodies)
def test_a_cnpj_survives_its_own_writing(body: str) -> None:
    cnpj = Cnpj(body + stdnum_cnpj.calc_check_digits(body))
    assert tax_id(cnpj.formatted) == tax_id(cnpj.formatted.lower()) == cnpj


def test_a_mask_shows_the_middle_and_nothing_else() -> None:
    assert Cpf("52998224725").masked == "***.982.247-**"
    assert Cnpj("12ABC34501DE35").masked == "**.ABC.345/****-**"


def test_a_document_never_shows_itself_nor_in_the_refusal() -> None:
    for document in (Cpf("52998224725"), Cnpj("12ABC34501DE35")):
        assert document.text not in f"{document} {document!r} {[document]}"
    for wrong in ("529.982.247-26", "12ABC34501DE36", "529982247", "529982247２５"):
        with pytest.raises(Malformed) as refused:
            tax_id(wrong)
        shown = "".join(traceback.format_exception(refused.value))
        assert wrong not in str(refused.value)
        assert wrong not in shown


@given(st.text() | st.text(ALPHANUMERICS + "abc.-/ ", max_size=20))
def test_any_text_is_a_document_or_malformed(text: str) -> None:
    try:
        document = tax_id(text)
    except Malformed:
        return
    assert tax_id(document.formatted) == document


@given(st.text(max_size=16))
def test_no_document_with_wrong_digits_can_be_made_by_hand(text: str) -> None:
    for kind in (Cpf, Cnpj):
        with pytest.raises(Malformed):
            kind(text + "x")


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ((), None),
        ((None, None), None),
        (("529.982.247-26", None), "529.982.247-26"),
        (("", "529.982.247-25", "111.444.777-35"), "529.982.247-25"),
        ((None, "Loja", "11.222.333/0001-81"), "11.222.333/0001-81"),
        (("Loja", "Casa"), "Loja"),
    ],
)
def test_of_several_places_the_first_true_document_counts_else_the_first_text(
    places: tuple[str | None, ...], found: str | None
) -> None:
    assert first_tax_id(places) == found
