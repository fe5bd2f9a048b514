"""CPF and CNPJ, the identities of Brazilian people and companies; a value that exists has true check digits.

They are personal data: neither `repr`, nor `str`, nor an error ever shows one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from contracts.errors import Malformed

_WRITING_MAX = 32
_PUNCTUATION = str.maketrans("", "", ".-/ \N{NO-BREAK SPACE}")
_DIGITS = frozenset("0123456789")
_ALPHANUMERICS = _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class Cpf:
    """A person's number: nine digits and two check digits, bare in `text`. Refuses eleven equal digits."""

    text: str = field(repr=False)
    size: ClassVar[int] = 11

    def __post_init__(self) -> None:
        """Refuse, as `Malformed`, whatever is not a CPF."""
        if len(self.text) != self.size or not _DIGITS.issuperset(self.text):
            raise Malformed("not a CPF")
        # Equal digits satisfy the arithmetic, yet the tax office never issues them.
        if len(set(self.text)) == 1 or not _has_true_digits(self.text, heaviest=11):
            raise Malformed("CPF with wrong check digits")

    @classmethod
    def from_number(cls, number: int) -> "Cpf":
        """Return the CPF that a numeric column holds, its leading zeros restored.

        Only for sources declared numeric: elsewhere a short document is a wrong one.
        """
        return cls(_padded(number, cls.size))

    @property
    def formatted(self) -> str:
        """The CPF as its owner writes it: `529.982.247-25`."""
        t = self.text
        return f"{t[:3]}.{t[3:6]}.{t[6:9]}-{t[9:]}"

    @property
    def masked(self) -> str:
        """What a slip or a screen may show: `***.982.247-**`."""
        return f"***.{self.text[3:6]}.{self.text[6:9]}-**"


@dataclass(frozen=True, slots=True)
class Cnpj:
    """A company's number, bare in `text`: twelve characters and two check digits.

    Since July 2026 the twelve may be letters as well as digits (IN RFB 2.229/2024): a character counts
    as its ASCII code minus 48, so digits keep their value and A is 17.
    """

    text: str = field(repr=False)
    size: ClassVar[int] = 14

    def __post_init__(self) -> None:
        """Refuse, as `Malformed`, whatever is not a CNPJ."""
        if len(self.text) != self.size or not _ALPHANUMERICS.issuperset(self.text):
            raise Malformed("not a CNPJ")
        if len(set(self.text)) == 1 or not _has_true_digits(self.text, heaviest=9):
            raise Malformed("CNPJ with wrong check digits")

    @classmethod
    def from_number(cls, number: int) -> "Cnpj":
        """Return the CNPJ that a numeric column holds, its leading zeros restored. See `Cpf.from_number`."""
        return cls(_padded(number, cls.size))

    @property
    def formatted(self) -> str:
        """The CNPJ as companies print it: `12.ABC.345/01DE-35`."""
        t = self.text
        return f"{t[:2]}.{t[2:5]}.{t[5:8]}/{t[8:12]}-{t[12:]}"

    @property
    def masked(self) -> str:
        """What a slip or a screen may show: `**.ABC.345/****-**`."""
        return f"**.{self.text[2:5]}.{self.text[5:8]}/****-**"


TaxId: TypeAlias = Cpf | Cnpj


def tax_id(text: str) -> TaxId:
    """Return the CPF or CNPJ written in `text`, with or without dots, dashes, slash and spaces.

    Letters of a CNPJ may be lower case. Refused as `Malformed`, without repeating the value: other
    lengths, wrong check digits, equal digits, and what is no ASCII digit or letter, however it looks.
    """
    if len(text) > _WRITING_MAX:
        raise Malformed("not a CPF or CNPJ")
    bare = text.translate(_PUNCTUATION)
    # Before upper(): it turns the long s and the dotless i into plain letters.
    if not bare.isascii():
        raise Malformed("CPF or CNPJ with characters outside ASCII")
    if len(bare) == Cpf.size:
        return Cpf(bare)
    return Cnpj(bare.upper())


def is_tax_id(text: str) -> bool:
    """Return whether `text` is a CPF or a CNPJ, in any writing that `tax_id` reads."""
    try:
        tax_id(text)
    except Malformed:
        return False
    return True


def first_tax_id(texts: Iterable[str | None]) -> str | None:
    """Return the first true CPF or CNPJ as it is written, else the first text; `None` where there is none.

    For a vendor that keeps a document in several places: a mistyped one is told too, and not passed over.
    """
    written = [text for text in texts if text is not None]
    return next(filter(is_tax_id, written), next(iter(written), None))


def _has_true_digits(text: str, heaviest: int) -> bool:
    """Whether the last two characters are the check digits of those before (modulus 11)."""
    return text[-2] == _check_digit(text[:-2], heaviest) and text[-1] == _check_digit(text[:-1], heaviest)


def _check_digit(body: str, heaviest: int) -> str:
    """Return the digit that completes `body`: weights rise from 2 at the right to `heaviest`, then again."""
    weighed = sum(
        (ord(character) - 48) * (2 + place % (heaviest - 1)) for place, character in enumerate(reversed(body))
    )
    remainder = weighed % 11
    return "0" if remainder < 2 else str(11 - remainder)


def _padded(number: int, size: int) -> str:
    if isinstance(number, bool) or not 0 <= number < 10**size:
        raise Malformed("not a CPF or CNPJ")
    return str(number).zfill(size)
