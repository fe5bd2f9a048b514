"""From what somebody typed or scanned to a voucher: read without a database, then looked up by a keyed hash.

A typo never gets as far as the look-up; a keypad code leads to a voucher only with its holder's document.
"""

from dataclasses import dataclass, field

from gateway.members.queries import identity
from gateway.privacy import ProgrammeKeys
from gateway.store import Connection
from gateway.vouchers import qr
from gateway.vouchers.queries import Row, vouchers_by
from loyalty import codes
from loyalty import qr as tickets
from loyalty.codes import Mistyped

NO_VOUCHER = "vou_none"
"""Stands for a voucher that was not found, so that looking further costs what a found one costs."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A code free of typos, bare: `column` holds its hash. `document` is the holder's, if it was given."""

    column: str
    code: str = field(repr=False)
    document: str | None = field(default=None, repr=False)
    qr: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What a code led to. `trusted`: the holder's document was given too."""

    row: Row | None
    trusted: bool

    @property
    def voucher_id(self) -> str:
        """The voucher, or one that does not exist."""
        return NO_VOUCHER if self.row is None else str(self.row["voucher_id"])


def typed_code(text: str, document: str | None = None) -> Typed:
    """Return a code as typed. Refused: `Mistyped`."""
    return Typed("code_hash", codes.read_code(text), document)


def typed_keypad_code(text: str, document: str) -> Typed:
    """Return a numeric code as typed, with its holder's document. Refused: `Mistyped`."""
    return Typed("keypad_hash", codes.read_keypad_code(text), document)


def scanned(text: str, document: str | None = None) -> Typed:
    """Return the code in a QR; who signed it is seen at the look-up. Refused: `Mistyped`."""
    signed = tickets.read(text)
    if len(signed) != tickets.BODY_BYTES + qr.SIGNATURE_BYTES:
        raise Mistyped
    ticket = tickets.unpacked(signed[: tickets.BODY_BYTES])
    return Typed("code_hash", ticket.code, document, text)


def find(conn: Connection, keys: ProgrammeKeys, programme_id: str, typed: Typed) -> Found:
    """Return what a code leads to in a programme; with a document, only a voucher of that holder.

    Refused before the look-up, as `Mistyped`: a QR that the programme did not sign.
    """
    if typed.qr is not None and qr.read(keys, typed.qr).code != typed.code:
        raise Mistyped
    rows = vouchers_by(conn, typed.column, [(programme_id, keys.code_hash(typed.code))])
    row = rows[0] if rows else None
    if typed.document is None:
        return Found(row, trusted=False)
    owner = identity(conn, programme_id, keys.blind_index(typed.document))
    holds = row is not None and owner is not None and owner["member_id"] == row["member_id"]
    return Found(row if holds else None, holds)
