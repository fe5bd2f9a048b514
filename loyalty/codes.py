"""Voucher codes: how they are drawn, written and read. Randomness is passed in; a typo is told without a look-up.

Two of them for every voucher: letters and digits for shoppers, digits alone for a terminal's keypad.
"""

from collections.abc import Callable
from string import digits
from typing import Final, TypeAlias

Draw: TypeAlias = Callable[[int], bytes]
"""Returns that many unpredictable bytes."""

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""31 symbols, a prime: 0, 1, I, L and O look like others and are left out."""

CODE_SIZE: Final = 16
KEYPAD_SIZE: Final = 16
LOOK_ALIKES: Final = frozenset("01ILO")

_INDEX: Final = {symbol: place for place, symbol in enumerate(ALPHABET)}
_NO_CARD: Final = "01789"
_SPACES: Final = str.maketrans("", "", " -\t")
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
"""H. M. Damm's totally anti-symmetric quasigroup of order 10: every wrong digit and swap shows."""


class Mistyped(ValueError):
    """The text is no code at all: a symbol that none has, a wrong length, or a check symbol that disagrees."""


def new_code(draw: Draw) -> str:
    """Return 15 drawn symbols (74 bits) and their check symbol, bare."""
    payload = _drawn(draw, CODE_SIZE - 1, ALPHABET)
    return payload + _check(payload)


def new_keypad_code(draw: Draw) -> str:
    """Return 15 drawn digits (48 bits) and their check digit: redeemable only together with the CPF.

    The first is of those that begin no payment card: the hub refuses card numbers wherever it sees them, and
    neither a code nor a slip of the finger in it may be taken for one.
    """
    payload = _drawn(draw, 1, _NO_CARD) + _drawn(draw, KEYPAD_SIZE - 2, digits)
    return payload + str(_damm(payload))


def written(code: str) -> str:
    """Return a bare code as people read it, in four groups of four with hyphens between."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def read_code(text: str) -> str:
    """Return the bare code that was typed, in any case, with or without hyphens and spaces.

    Refused as `Mistyped`: look-alikes that no code has (they are not guessed at), and any single wrong or
    swapped symbol.
    """
    typed = text.translate(_SPACES)
    bare = typed.upper()
    # Before upper(): it turns the long s into a plain one.
    if len(bare) != CODE_SIZE or not typed.isascii() or not all(symbol in _INDEX for symbol in bare):
        raise Mistyped
    if _check(bare[:-1]) != bare[-1]:
        raise Mistyped
    return bare


def read_keypad_code(text: str) -> str:
    """Return the bare numeric code that was typed; refused as `Mistyped`: any single wrong or swapped digit."""
    bare = text.translate(_SPACES)
    if len(bare) != KEYPAD_SIZE or not (bare.isascii() and bare.isdigit()) or _damm(bare):
        raise Mistyped
    return bare


def has_look_alike(text: str) -> bool:
    """Return whether a symbol was typed that is left out because it looks like another."""
    return not LOOK_ALIKES.isdisjoint(text.upper())


def _check(payload: str) -> str:
    weighted = sum(place * _INDEX[symbol] for place, symbol in enumerate(payload, 1))
    return ALPHABET[weighted % len(ALPHABET)]


def _damm(text: str) -> int:
    interim = 0
    for digit in text:
        interim = _DAMM[interim][int(digit)]
    return interim


def _drawn(draw: Draw, size: int, symbols: str) -> str:
    """Return `size` even choices: a byte beyond the last whole round would favour some, and is thrown away."""
    limit = 256 - 256 % len(symbols)
    chosen: list[str] = []
    while len(chosen) < size:
        chosen.extend(symbols[byte % len(symbols)] for byte in draw(size) if byte < limit)
    return "".join(chosen[:size])
