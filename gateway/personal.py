"""Recognises personal data in a reference that another system chose: a CPF, a card number, a person's name.

Alone or inside other text, plain or encoded; it never shows what it found. One number in a hundred passes for
a CPF: whoever acts on the answer must do something that is right for an honest number, too.
"""

import re
from binascii import a2b_base64
from urllib.parse import unquote

from contracts.documents import Cpf
from contracts.errors import Malformed
from gateway.cards import holds_card_number, is_card_number

_SHORTEST = 10
_LONG_HEX = 2 * _SHORTEST
_NAME_LETTERS = 14

_LONG = re.compile(r"[0-9](?:[ .+/_-]?[0-9]){9}")
_RUN = re.compile(r"[0-9]{10,}")
_GROUPED = re.compile(
    r"(?<![0-9])[0-9]{3}[ .+/_-]?[0-9]{3}[ .+/_-]?[0-9]{3}[ .+/_-]?[0-9]{2}(?![0-9])",
)
_NO_DIGIT = re.compile(r"[^0-9]")
_WORDS = re.compile(r"[^\W\d_]++(?:[ .,'+_-]++[^\W\d_]++)*+\.?")
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?:[A-Z][a-z]{2,})+")
_TWO_WORDS = re.compile(r"[^\W\d_]{2,}[ +]+[^\W\d_]{2,}")

_HEX_NUMBER = re.compile(r"(?:3[0-9]|2[0BDEFbdef]){10,}")
_HEX_NAME = re.compile(r"(?:[4-7][0-9A-Fa-f]|2[0-9A-Fa-f]){10,}")
# Three bytes between space and `?`, where digits and their punctuation are, become four such characters;
# three letters or spaces become four of the second kind.
_BASE64_NUMBER = re.compile(r"(?:[I-P][CDSTijyz][AEIMQUYcgkosw048][g-z0-9+/_-]){3}")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]+")
_BASE64_NAME = re.compile(r"(?:[IQ-WY-e][CE-HSU-Xik-ny0-3][A-Za-z0-9]{2}){3,}[A-Za-z0-9]{0,3}={0,2}")
_URLSAFE = str.maketrans("-_", "+/")


def may_be_personal(text: str) -> bool:
    """Return whether a reference holds a CPF or a card number in any writing, or reads like a name.

    Writings: dotted or bare, as an integer that lost its leading zero, URL-encoded, hexadecimal, base64. A
    name is letters only: two words, or fourteen letters and more. A shorter one is not told from a code, and
    one among digits is not found.
    """
    if len(text) < _SHORTEST:
        return False
    if text.isdigit():  # the keys of acquirers
        return _is_cpf(text) or is_card_number(text) or (len(text) >= _LONG_HEX and _hides_something(text))
    clear = unquote(text) if "%" in text else text
    return _says_something(clear) or _hides_something(clear)


def _says_something(text: str) -> bool:
    return _holds_number(text) or _is_name(text)


def _holds_number(text: str) -> bool:
    if _LONG.search(text) is None:
        return False
    grouped = (_NO_DIGIT.sub("", found[0]) for found in _GROUPED.finditer(text))
    runs = (found[0] for found in _RUN.finditer(text))
    return any(map(_is_cpf, grouped)) or any(map(_is_cpf, runs)) or holds_card_number(text)


def _is_cpf(digits: str) -> bool:
    """Return whether digits are a CPF, padded with zeros, or with its own first zero lost in a number."""
    bare = digits.lstrip("0")
    if len(digits) != Cpf.size and len(bare) not in {Cpf.size - 1, Cpf.size}:
        return False
    try:
        Cpf(bare.zfill(Cpf.size))
    except Malformed:
        return False
    return True


def _is_name(text: str) -> bool:
    if _WORDS.fullmatch(text) is None:
        return False
    words = _WORD.findall(text)
    if not all(map(_is_word, words)):
        return False
    return _TWO_WORDS.search(text) is not None or sum(map(len, words)) >= _NAME_LETTERS


def _is_word(letters: str) -> bool:
    """Return whether letters are cased as people write; an identity drawn by lot hardly ever is."""
    cased = letters.islower() or letters.isupper() or letters.istitle()
    return cased or _CAMEL.fullmatch(letters) is not None


def _hides_something(text: str) -> bool:
    """Return whether parts of `text` are hexadecimal or base64 of numbers, or the whole is that of words."""
    if _HEX_NUMBER.search(text) or _BASE64_NUMBER.search(text):
        written = [bytes.fromhex(found[0]).decode() for found in _HEX_NUMBER.finditer(text)]
        encoded = [_run_around(text, found.start()) for found in _BASE64_NUMBER.finditer(text)]
        if any(map(_holds_number, (*written, *map(_from_base64, encoded)))):
            return True
    if _HEX_NAME.fullmatch(text):
        return _is_name(bytes.fromhex(text).decode())
    return _BASE64_NAME.fullmatch(text) is not None and _is_name(_from_base64(text.rstrip("=")))


def _run_around(text: str, place: int) -> str:
    """Return the base64 that stands at `place`, from its beginning in the same alignment."""
    begins = place
    while begins >= 4 and _BASE64_RUN.fullmatch(text, begins - 4, begins):
        begins -= 4
    found = _BASE64_RUN.match(text, begins)
    assert found is not None
    return found[0]


def _from_base64(run: str) -> str:
    bare = run[: len(run) - (len(run) % 4 == 1)].translate(_URLSAFE)
    return a2b_base64(bare + "=" * (-len(bare) % 4)).decode("latin-1")
