"""From what somebody typed or scanned to a voucher: read without a database, then looked up by a keyed hash.

A typo never gets as far as the look-up; a keypad code leads to a voucher only with its holder's document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

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
    places = [_place(keys, item) for keys, item in keyed]
    vouchers = _vouchers(conn, [place.voucher for place in places if place.voucher is not None])
    known = identities(conn, {place.holder for place in places if place.holder is not None})
    holders = {at: str(row["member_id"]) for at, row in known.items()}
    return [_judged(place, vouchers, holders) for place in places]


class _Place(NamedTuple):
    """Where a code leads: a voucher by (programme id, column, hash), a holder by (programme id, blind index)."""

    voucher: tuple[str, str, str] | None
    holder: tuple[str, str] | None


def _place(keys: ProgrammeKeys, item: Sought) -> _Place:
    code_hash, document = _hash(keys, item.typed), item.typed.document
    return _Place(
        None if code_hash is None else (item.programme_id, item.typed.column, code_hash),
        None if document is None else (item.programme_id, keys.blind_index(document)),
    )


def _vouchers(conn: Connection, places: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Row]:
    found: dict[tuple[str, str, str], Row] = {}
    for column in sorted({column for _, column, _ in places}):
        wanted = [(programme_id, code_hash) for programme_id, of, code_hash in places if of == column]
        found |= {(r["programme_id"], column, r[column]): r for r in vouchers_by(conn, column, wanted)}
    return found


def _judged(
    place: _Place, vouchers: Mapping[tuple[str, str, str], Row], holders: Mapping[tuple[str, str], str]
) -> Found | Mistyped:
    if place.voucher is None:
        return Mistyped()
    row = vouchers.get(place.voucher)
    if place.holder is None:
        return Found(row, trusted=False)
    holds = row is not None and row["member_id"] == holders.get(place.holder)
    return Found(row if holds else None, holds)


def _hash(keys: ProgrammeKeys, typed: Typed) -> str | None:
    """Return the keyed hash of a code, `None` for a QR whose signature is not the programme's."""
    try:
        if typed.qr is not None and qr.read(keys, typed.qr).code != typed.code:
            return None
    except Mistyped:
        return None
    return keys.code_hash(typed.code)
