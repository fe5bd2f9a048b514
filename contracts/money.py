"""Reais to centavos and back, in whole numbers; no float passes here and nothing is ever rounded."""

import re
from decimal import Decimal

from contracts.errors import Malformed

CENTS_MAX = 9_999_999_999
"""One amount is below R$ 100 million: ten digits, so that a CPF in a field for amounts is `Malformed`, not kept."""

_WRITING_MAX = 40
_FRACTION_MAX = 18
_PLAIN = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_BRAZILIAN = re.compile(r"(-?)([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,([0-9]+))?")


def cents(amount: str | int | Decimal, *, negative: bool = False) -> int:
    """Return an amount of reais as whole centavos: `"386.990000"` is 38699, `5` is 500.

    Refused as `Malformed`: floats, exponents, signs other than an allowed minus, separators of
    thousands, spaces, digits outside ASCII, NaN, anything finer than a centavo, more than `CENTS_MAX`,
    and a minus unless `negative`.
    """
    return _cents(_PLAIN.fullmatch(_written(amount)), negative=negative)


def reais_br(text: str, *, negative: bool = False) -> int:
    """Return centavos for an amount as Brazilians write it: `"1.234,56"` is 123456, `"1.234"` is 123400.

    Only for sources declared to write so. Refused: what `cents` refuses, and misplaced dots.
    """
    return _cents(_BRAZILIAN.fullmatch(_written(text)), negative=negative)


def brl(amount_cents: int) -> str:
    """Return centavos as a person reads them: 123456 is `"R$ 1.234,56"`, -5 is `"-R$ 0,05"`."""
    reais, rest_cents = divmod(abs(amount_cents), 100)
    sign = "-" if amount_cents < 0 else ""
    return f"{sign}R$ {reais:,}".replace(",", ".") + f",{rest_cents:02d}"


def _written(amount: object) -> str:
    """Return the amount as plain digits. Size comes first: 1E+9999 is never spelt out."""
    match amount:
        case str() if len(amount) <= _WRITING_MAX:
            return amount
        case int() if abs(amount) <= CENTS_MAX:
            return str(amount)
        case Decimal() if amount.is_finite() and _is_short(amount):
            return f"{amount:f}"
    raise Malformed("amount is not a plain decimal number")


def _is_short(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_FRACTION_MAX and amount.adjusted() < _FRACTION_MAX


def _cents(written: re.Match[str] | None, *, negative: bool) -> int:
    if written is None:
        raise Malformed("amount is not a plain decimal number")
    sign, reais, fraction = written.group(1), written.group(2).replace(".", ""), written.group(3) or ""
    if sign and not negative:
        raise Malformed("amount is negative")
    if fraction[2:].strip("0"):
        raise Malformed("amount is finer than a centavo")
    total_cents = int(reais) * 100 + int(fraction[:2].ljust(2, "0"))
    if total_cents > CENTS_MAX:
        raise Malformed("amount is not below one hundred million reais")
    return -total_cents if sign else total_cents
