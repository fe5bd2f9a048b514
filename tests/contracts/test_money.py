from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Malformed
from contracts.money import CENTS_MAX, brl, cents, reais_br

amounts = st.integers(0, CENTS_MAX)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0.29", 29),
        ("1.15", 115),
        ("4.35", 435),
        ("19.99", 1999),
        ("1005.01", 100501),
        ("64.10", 6410),
        ("64.1", 6410),
        ("64", 6400),
        ("386.990000", 38699),
        ("007.00", 700),
        ("99999999.99", CENTS_MAX),
        (5, 500),
        (Decimal("0.29"), 29),
        (Decimal("1E+2"), 10000),
        (Decimal("1.500000000000000000"), 150),
    ],
)
def test_reais_become_the_centavos_they_say(written: str | int | Decimal, expected: int) -> None:
    assert cents(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        *[
            "",
            " ",
            "1 ",
            " 1",
            "1\n",
            "+1",
            "--1",
            ".5",
            "5.",
            "1.2.3",
            "1,50",
            "1.234,56",
            "1,234.56",
            "R$ 1",
        ],
        *["1e2", "1E+2", "1_000", "0x10", "NaN", "nan", "Infinity", "-inf", "nã0"],
        *["١٢", "1٢.00", "１.00", "1²", "-1", "-0", "0.001", "1.005", "1000000000.01"],
        *[
            "9" * 40,
            pytest.param("9" * 5000, id="5000 nines"),
            pytest.param("0." + "0" * 5000, id="5000 zeros"),
        ],
        *[10**9 + 1, pytest.param(10**5000, id="10**5000"), -1],
        *[Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+999999"), Decimal("0E-999999")],
        *[Decimal("0.001"), Decimal(-1), Decimal("9" * 50)],
    ],
)
def test_f32_what_is_not_a_plain_amount_of_centavos_is_malformed(written: str | int | Decimal) -> None:
    with pytest.raises(Malformed):
        cents(written)


@pytest.mark.parametrize("written", [0.29, 1.0, True, None, b"1", [1], {"value": "1"}, complex(1, 0)])
def test_a_float_or_any_other_type_is_malformed(written: object) -> None:
    with pytest.raises(Malformed):
        cents(written)  # type: ignore[arg-type]


def test_a_minus_is_read_only_when_asked_for() -> None:
    assert cents("-12.34", negative=True) == -1234
    assert cents(Decimal("-12.34"), negative=True) == -1234
    assert reais_br("-1.234,56", negative=True) == -123456
    with pytest.raises(Malformed):
        reais_br("-1,00")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1.234,56", 123456),
        ("1234,56", 123456),
        ("1.234", 123400),
        ("0,5", 50),
        ("99.999.999,99", CENTS_MAX),
        ("12", 1200),
    ],
)
def test_f32_brazilian_writing_is_read(written: str, expected: int) -> None:
    assert reais_br(written) == expected


@pytest.mark.parametrize(
    "written",
    ["1,234.56", "12.34", "1.23,45", "1234.567,00", ".123,00", "1.,00", "1,", ",5", "1,005", "R$ 1,00"],
)
def test_f32_misplaced_dots_and_foreign_writing_are_malformed(written: str) -> None:
    with pytest.raises(Malformed):
        reais_br(written)


def test_people_read_amounts_in_brazilian_writing() -> None:
    assert [brl(c) for c in (0, 5, 100, 123456, 100_000_000_000, -5)] == [
        "R$ 0,00",
        "R$ 0,05",
        "R$ 1,00",
        "R$ 1.234,56",
        "R$ 1.000.000.000,00",
        "-R$ 0,05",
    ]


@given(amounts)
def test_every_centavo_survives_every_writing(amount_cents: int) -> None:
    plain = f"{amount_cents // 100}.{amount_cents % 100:02d}"
    assert cents(plain) == amount_cents
    assert cents(plain + "0000") == amount_cents
    assert cents(Decimal(plain)) == amount_cents
    assert reais_br(brl(amount_cents).removeprefix("R$ ")) == amount_cents


@given(st.text() | st.text("0123456789.,-", max_size=12) | st.decimals() | st.integers() | st.floats())
def test_any_input_gives_bounded_centavos_or_malformed(written: object) -> None:
    readers: list[Callable[..., int]] = [cents, reais_br]
    for read in readers:
        try:
            result = read(written, negative=True)
        except Malformed:
            continue
        assert type(result) is int
        assert abs(result) <= CENTS_MAX


def test_the_refusal_does_not_repeat_the_amount() -> None:
    with pytest.raises(Malformed) as refused:
        cents("52998224725x")
    assert "529" not in str(refused.value)
