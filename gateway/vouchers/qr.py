"""The QR of a voucher: its ticket signed with Ed25519 under the programme's key, and the picture of it.

A signature proves that the ticket is ours, never that it is unspent: the hub is asked, or a till bears the risk.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import segno
from cryptography.exceptions import InvalidSignature

from gateway.privacy import ProgrammeKeys
from loyalty import qr
from loyalty.codes import Mistyped
from loyalty.qr import BODY_BYTES, KEY_ID_BYTES, Ticket

SIGNATURE_BYTES = 64


def text(keys: ProgrammeKeys, voucher: Mapping[str, Any], code: str) -> str:
    """Return what the QR of a voucher row says; `code` is its bare code."""
    ticket = Ticket(
        key_id=key_id(keys),
        code=code,
        display_number=voucher["display_number"],
        amount_cents=voucher["free_cents"],
        expires_at=voucher["expires_at"],
    )
    body = qr.packed(ticket)
    return qr.written(body + keys.signer.sign(body))


def read(keys: ProgrammeKeys, said: str) -> Ticket:
    """Return the ticket in a QR of this programme. Refused as `Mistyped`: everything that we did not sign."""
    signed = qr.read(said)
    body, signature = signed[:BODY_BYTES], signed[BODY_BYTES:]
    try:
        keys.signer.public_key().verify(signature, body)
    except InvalidSignature:
        raise Mistyped from None
    return qr.unpacked(body)


def public_key(keys: ProgrammeKeys) -> bytes:
    """Return the 32 bytes that tell this programme's tickets from all others."""
    return keys.signer.public_key().public_bytes_raw()


def key_id(keys: ProgrammeKeys) -> bytes:
    """Return the 4 bytes by which a ticket names its key."""
    return sha256(public_key(keys)).digest()[:KEY_ID_BYTES]


def picture(said: str) -> str:
    """Return the QR as an SVG element, dark on light, with the quiet zone that scanners need."""
    return segno.make_qr(said, error="m").svg_inline(scale=4, light="#fff")
