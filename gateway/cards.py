"""Recognises card data that may not be kept (PCI DSS 4.0.1, 3.3.1 and 3.5.1); never shows what it found."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_BARE_OR_GROUPED = re.compile(
    r"(?<![0-9])"
    r"(?:[0-9]{13,19}|[0-9]{4}([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}|[0-9]{4}[ .-][0-9]{6}[ .-][0-9]{4,5})"
    r"(?![0-9])",
)
_LONG_RUN = re.compile(r"[0-9]{4}[ .-]?[0-9]{4,6}[ .-]?[0-9 .-]{5,}")  # wide, but quick to search for
_NO_DIGIT = re.compile(r"[^0-9]")
_DOUBLED = str.maketrans("0123456789", "0246813579")

_FORBIDDEN_NAMES = frozenset({
    "cvv", "cvv2", "cvc", "cvc2", "cardverificationvalue", "securitycode",
    "track", "track1", "track2", "trackdata", "track1data", "track2data", "magneticstripe", "magstripe",
    "iccrelateddata", "iccdata", "emvdata", "arqc", "arcq", "servicecode", "pin", "pinblock",
    "cardexpiredate",
})  # fmt: skip
"""Compared without case, `_` and `-`. Stone's SDK object holds several of them, `arcq` misspelt as there."""

_FORBIDDEN_WORDS = frozenset(name.encode() for name in _FORBIDDEN_NAMES)
_LOWER = bytes(range(256)).lower()
_ZEROS = bytes.maketrans(b"123456789", b"000000000")

_IDENTITY_NAMES = frozenset({
    "atk", "itk", "acquirertransactionkey", "initiatortransactionkey", "barcode", "ean", "gtin", "sku", "nsu",
    "number", "value", "authorizationcode", "phone", "orderid", "reservation", "loyaltyreservation",
    "keys", "links",
})  # fmt: skip
_NAMED_IN_TEXT = re.compile(r"([A-Za-z_-]{1,40})(?:=|%3[Dd])\Z")  # a payment app answers with `...&atk=...`
_IDENTITY_ENDINGS = ("id", "code", "key", "ref")

_CARD_LENGTHS = (13, 14, 15, 16, 17, 18, 19)
_BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[0-8]|6\d|2[2-7])\d{14}"  # Mastercard, Elo, Hipercard, Maestro, Discover
    r"|6\d{12}|6\d{16,18}"  # Hipercard, Maestro, UnionPay
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}",  # Diners
)


def passes_luhn(digits: str) -> bool:
    """Return whether the last of these ASCII digits is the check digit of the others (ISO/IEC 7812-1)."""
    plain, doubled = digits[-1::-2], digits[-2::-2].translate(_DOUBLED)
    return sum(map(int, plain + doubled)) % 10 == 0


def card_numbers(text: str) -> Iterator[re.Match[str]]:
    """Yield the places in `text` that hold 13 to 19 digits, bare or grouped, with a true check digit."""
    for run in _LONG_RUN.finditer(text):
        for found in _BARE_OR_GROUPED.finditer(text, run.start(), run.end()):
            digits = _NO_DIGIT.sub("", found[0])
            if len(digits) in _CARD_LENGTHS and passes_luhn(digits):
                yield found


def is_card_number(digits: str) -> bool:
    """Return whether these digits are a full card number of a brand that exists, at any of its lengths."""
    return _BRANDS.fullmatch(digits) is not None and passes_luhn(digits)


def holds_card_number(text: str) -> bool:
    """Return whether a full card number stands in `text`, bare or grouped."""
    return any(_is_card(_NO_DIGIT.sub("", found[0]), identity=False) for found in card_numbers(text))


def may_hold_card_data(body: bytes) -> bool:
    """Return `False` when `forbidden_card_field` could find nothing in this JSON, without parsing it."""
    if b"\\u" in body:  # an escape may spell anything
        return True
    if not _FORBIDDEN_WORDS.isdisjoint(body.translate(_LOWER, b"_-").split(b'"')):
        return True
    if b"0" * _CARD_LENGTHS[0] not in body.translate(_ZEROS, b" .-"):
        return False
    return holds_card_number(body.decode("latin-1"))


def forbidden_card_field(parsed: Any) -> str | None:
    """Return why parsed JSON may not be kept: the forbidden field's name, or `pan`; `None` if it may.

    A full card number counts when its brand and length exist. One in ten identities passes the check digit
    too, so in a field that names an identity only the lengths of 15 and 16 count: no acquirer's, store's or
    barcode's identity has those.
    """
    waiting: list[tuple[str, Any]] = [("", parsed)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            for key, held in value.items():
                bare = _bare(key)
                if bare in _FORBIDDEN_NAMES and _holds_something(held):
                    return bare
                waiting.append((bare, held))
        elif isinstance(value, list):
            waiting.extend((name, held) for held in value)
        elif _holds_card_number(name, value):
            return "pan"
    return None


@lru_cache(4096)
def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _holds_something(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip(" *"))
    return value not in (None, False, [], {})


def _holds_card_number(name: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value)
    if len(text) < _CARD_LENGTHS[0]:
        return False
    return any(
        _is_card(_NO_DIGIT.sub("", found[0]), identity=_names_identity(_name_of(name, text, found)))
        for found in card_numbers(text)
    )


def _name_of(field: str, text: str, found: re.Match[str]) -> str:
    """Return what a number is called: by the query of a URI that holds it, else by its field."""
    named = _NAMED_IN_TEXT.search(text, max(0, found.start() - 44), found.start())
    return field if named is None else _bare(named[1])


def _names_identity(name: str) -> bool:
    return name in _IDENTITY_NAMES or name.endswith(_IDENTITY_ENDINGS)


def _is_card(digits: str, *, identity: bool) -> bool:
    return _BRANDS.fullmatch(digits) is not None and (not identity or len(digits) in {15, 16})
