"""From what somebody typed or scanned to a voucher: read without a database, then looked up by a keyed hash.

A typo never gets as far as the look-up; a keypad code leads to a voucher only with its holder's document.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.context import Context
from gateway.members.queries import identities
from gateway.partners.queries import known_partners
from gateway.privacy import ProgrammeKeys
from gateway.problems import Problem
from gateway.programmes.queries import keys as keys_of
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


@dataclass(frozen=True, slots=True)
class Sought:
    """A code and the programme it is to be found in; `partner_id` must be one of its partners."""

    programme_id: str
    typed: Typed
    partner_id: str | None = None


Keyed: TypeAlias = tuple[ProgrammeKeys, Sought]


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


def look_up(context: Context, conn: Connection, items: Sequence[Sought]) -> list[Found | Mistyped | Problem]:
    """Return what codes led to, all of them by the same few questions. Refused: `find`'s, and a foreign partner."""
    partners = known_partners(
        conn, {(i.programme_id, i.partner_id) for i in items if i.partner_id is not None}
    )
    keyed = [(keys_of(context, conn, item.programme_id), item) for item in items]
    return [
        found
        if item.partner_id is None or (item.programme_id, item.partner_id) in partners
        else Problem("not_found")
        for item, found in zip(items, find(conn, keyed), strict=True)
    ]


def find(conn: Connection, keyed: Sequence[Keyed]) -> list[Found | Mistyped]:
    """Return what codes lead to in their programmes; with a document, only a voucher of that holder.

    Refused, as `Mistyped`: a QR that the programme did not sign; it leads nowhere. Right or wrong, a code
    costs the same questions.
    """
    hashes = [_hash(keys, item.typed) for keys, item in keyed]
    vouchers = _vouchers(
        conn, [(item, code_hash) for (_, item), code_hash in zip(keyed, hashes, strict=True)]
    )
    holders = _holders(conn, keyed)
    return [
        Mistyped()
        if code_hash is None
        else _judged(
            item,
            vouchers.get((item.programme_id, item.typed.column, code_hash)),
            holders.get(_holder(keys, item)),
        )
        for (keys, item), code_hash in zip(keyed, hashes, strict=True)
    ]


def _judged(item: Sought, row: Row | None, member_id: str | None) -> Found:
    if item.typed.document is None:
        return Found(row, trusted=False)
    holds = row is not None and row["member_id"] == member_id
    return Found(row if holds else None, holds)


def _vouchers(
    conn: Connection, wanted: Sequence[tuple[Sought, str | None]]
) -> dict[tuple[str, str, str], Row]:
    """Return vouchers by programme, column and hash."""
    found: dict[tuple[str, str, str], Row] = {}
    for column in sorted({item.typed.column for item, _ in wanted}):
        at = [(i.programme_id, h) for i, h in wanted if h is not None and i.typed.column == column]
        found |= {(row["programme_id"], column, row[column]): row for row in vouchers_by(conn, column, at)}
    return found


def _holders(conn: Connection, keyed: Sequence[Keyed]) -> dict[tuple[str, str] | None, str]:
    """Return the members whom documents name, by programme and blind index."""
    wanted = {at for keys, item in keyed if (at := _holder(keys, item)) is not None}
    found = identities(conn, wanted)
    return {(row["programme_id"], row["document_index"]): row["member_id"] for row in found}


def _holder(keys: ProgrammeKeys, item: Sought) -> tuple[str, str] | None:
    document = item.typed.document
    return None if document is None else (item.programme_id, keys.blind_index(document))


def _hash(keys: ProgrammeKeys, typed: Typed) -> str | None:
    """Return the keyed hash of a code, `None` for a QR whose signature is not the programme's."""
    try:
        if typed.qr is not None and qr.read(keys, typed.qr).code != typed.code:
            return None
    except Mistyped:
        return None
    return keys.code_hash(typed.code)
