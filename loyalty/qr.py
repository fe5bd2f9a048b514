"""What the QR of a voucher holds: a ticket to be signed, without name or document, in letters a QR packs well.

A till that knows the public key can tell our ticket without a network; whether it is spent, only the hub knows.
"""

from datetime import UTC, datetime
from itertools import cycle
from typing import Final, NamedTuple

from loyalty.codes import ALPHABET, CODE_SIZE, Mistyped, read_code

PREFIX: Final = "V1:"
"""How the text begins; it names the layout of what follows."""

KEY_ID_BYTES: Final = 4
BODY_BYTES: Final = 32

_VERSION: Final = b"\x01"
_CODE, _NUMBER, _AMOUNT, _EXPIRY = 10, 5, 7, 5
_BASE45: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_DIGIT_OF: Final = {symbol: place for place, symbol in enumerate(_BASE45)}


class Ticket(NamedTuple):
    """What is signed. `key_id` (4 bytes) names the signing key; `amount_cents` is the worth when it was printed."""

    key_id: bytes
    code: str
    display_number: int
    amount_cents: int
    expires_at: datetime | None


def packed(ticket: Ticket) -> bytes:
    """Return the 32 bytes of a ticket. An expiry is kept to the second, rounded down."""
    code = 0
    for symbol in ticket.code:
        code = code * len(ALPHABET) + ALPHABET.index(symbol)
    expiry = 0 if ticket.expires_at is None else int(ticket.expires_at.timestamp())
    terms = b"".join((
        ticket.display_number.to_bytes(_NUMBER, "big"),
        ticket.amount_cents.to_bytes(_AMOUNT, "big"),
        expiry.to_bytes(_EXPIRY, "big"),
    ))  # fmt: skip
    drawn = code.to_bytes(_CODE, "big")
    return _VERSION + ticket.key_id + drawn + _shuffled(terms, drawn)


def unpacked(body: bytes) -> Ticket:
    """Return the ticket in 32 bytes. Refused as `Mistyped`: another layout, and a code that is none."""
    if len(body) != BODY_BYTES or body[:1] != _VERSION:
        raise Mistyped
    key_id, drawn = body[1 : 1 + KEY_ID_BYTES], body[1 + KEY_ID_BYTES : -_NUMBER - _AMOUNT - _EXPIRY]
    terms = _shuffled(body[-_NUMBER - _AMOUNT - _EXPIRY :], drawn)
    number, amount_cents, expiry = (
        int.from_bytes(part, "big") for part in (terms[:_NUMBER], terms[_NUMBER:-_EXPIRY], terms[-_EXPIRY:])
    )
    try:
        expires_at = datetime.fromtimestamp(expiry, UTC) if expiry else None
    except (ValueError, OverflowError):
        raise Mistyped from None
    return Ticket(key_id, _code_in(drawn), number, amount_cents, expires_at)


def written(signed: bytes) -> str:
    """Return bytes as the text of a QR: `V1:` and base45 (RFC 9285), all of it alphanumeric mode."""
    symbols = []
    for at in range(0, len(signed), 2):
        pair = signed[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, digit = divmod(number, len(_BASE45))
            symbols.append(_BASE45[digit])
    return PREFIX + "".join(symbols)


def read(text: str) -> bytes:
    """Return the bytes behind the text of a QR. Refused as `Mistyped`: whatever `written` never returns."""
    bare = text.strip()
    if not bare.startswith(PREFIX) or not all(symbol in _DIGIT_OF for symbol in bare):
        raise Mistyped
    symbols, signed = bare[len(PREFIX) :], bytearray()
    for at in range(0, len(symbols), 3):
        group = symbols[at : at + 3]
        number = sum(_DIGIT_OF[symbol] * len(_BASE45) ** place for place, symbol in enumerate(group))
        if len(group) == 1 or number >= 256 ** (len(group) - 1):
            raise Mistyped
        signed += number.to_bytes(len(group) - 1, "big")
    return bytes(signed)


def _shuffled(terms: bytes, drawn: bytes) -> bytes:
    """Return terms mixed with the code, and mixed terms back: their zeros would look like a card's digits."""
    return bytes(one ^ other for one, other in zip(terms, cycle(drawn), strict=False))


def _code_in(body: bytes) -> str:
    number, symbols = int.from_bytes(body, "big"), ""
    for _ in range(CODE_SIZE):
        number, place = divmod(number, len(ALPHABET))
        symbols = ALPHABET[place] + symbols
    if number:
        raise Mistyped
    return read_code(symbols)
