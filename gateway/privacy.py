"""Sealing and blind look-up of personal data: master key, then programme key, then one key per member.

Destroying a member's wrapped key makes what it sealed unreadable for ever, in every backup too.
"""

import hmac
import re
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from gateway.personal import may_be_personal
from gateway.ports import Entropy

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
_SHORTEST_SEALED = len(_VERSION) + _NONCE_BYTES + 16
_MEMBERS_CACHED = 8192
_PROGRAMMES_CACHED = 1024
_MONTHS_CACHED = 32
_PURPOSES_CACHED = 64
_TOKEN = re.compile(r"tok_[a-p]{32}")
_TOKEN_BYTES = 16
_REFERENCE_MAX = 128
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class Unreadable(Exception):
    """The key or the sealed value does not belong here. Says neither which value nor which key."""


class Vault:
    """The master key of one hub; hands out the keys of programmes."""

    def __init__(self, master: bytes, entropy: Entropy) -> None:
        if len(master) != _KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self.entropy = entropy
        self._derived = lru_cache(_PURPOSES_CACHED)(partial(_derived, master))
        self._wrapping = self.derive("wrap/programme")
        self._programme = lru_cache(_PROGRAMMES_CACHED)(self._unwrap_programme)

    @property
    def key_id(self) -> str:
        """Return 16 hex digits that name the master key and reveal nothing of it; kept in the database."""
        return self.derive("key-id")[:8].hex()

    def derive(self, purpose: str) -> bytes:
        """Return a 32-byte key for one hub-wide `purpose`, such as hashing API keys."""
        return self._derived(purpose)

    @cached_property
    def hub(self) -> "ProgrammeKeys":
        """Return the keys for what belongs to the hub itself and to no programme."""
        return ProgrammeKeys("", self.derive("hub"), self.entropy)

    def new_secret(self) -> bytes:
        """Return 32 unpredictable bytes, for an API key or a terminal."""
        return self.entropy(_KEY_BYTES)

    def new_programme_key(self) -> bytes:
        """Return a fresh programme key, wrapped (40 bytes), to be stored with the programme."""
        return aes_key_wrap(self._wrapping, self.entropy(_KEY_BYTES))

    def programme(self, programme_id: str, wrapped: bytes) -> "ProgrammeKeys":
        """Return the keys of a programme. Refuses (`Unreadable`) a key wrapped under another master key."""
        return self._programme(programme_id, wrapped)

    def _unwrap_programme(self, programme_id: str, wrapped: bytes) -> "ProgrammeKeys":
        return ProgrammeKeys(programme_id, _unwrapped(self._wrapping, wrapped), self.entropy)


class ProgrammeKeys:
    """The keys of one programme. `where` is `table/row/column`: a value opens only where it was sealed."""

    def __init__(self, programme_id: str, programme_key: bytes, entropy: Entropy) -> None:
        self._programme_id = programme_id
        self._entropy = entropy
        self._programme_key = programme_key
        self._index = hmac.new(self._derive("index"), digestmod="sha256")
        self._content = hmac.new(self._derive("content"), digestmod="sha256")
        self._reference = hmac.new(self._derive("reference"), digestmod="sha256")
        self._wrapping = self._derive("wrap/member")
        self._config = AESGCM(self._derive("config"))
        self._codes = AESGCM(self._derive("code"))
        self._code_index = hmac.new(self._derive("code/index"), digestmod="sha256")
        self._member = lru_cache(_MEMBERS_CACHED)(self._member_cipher)
        self._month = lru_cache(_MONTHS_CACHED)(self._month_cipher)

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        """Return what signs this programme's voucher QRs; whoever reads one needs only its public half."""
        return Ed25519PrivateKey.from_private_bytes(self._derive("qr"))

    def blind_index(self, document_text: str) -> str:
        """Return 64 hex digits to look a bare CPF or CNPJ up by; they mean nothing in another programme."""
        keyed = self._index.copy()
        keyed.update(document_text.encode())
        return keyed.hexdigest()

    def content_hash(self, content: bytes) -> str:
        """Return 64 hex digits that recognise the same bytes; keyed, so a CPF inside cannot be guessed."""
        keyed = self._content.copy()
        keyed.update(content)
        return keyed.hexdigest()

    def token(self, text: str) -> str:
        """Return `tok_` and 32 letters that stand for `text` within this programme; a token stays as it is."""
        if _TOKEN.fullmatch(text):
            return text
        keyed = self._reference.copy()
        keyed.update(text.encode())
        return "tok_" + keyed.digest()[:_TOKEN_BYTES].hex().translate(_LETTERS)

    def reference(self, text: str) -> str:
        """Return what a reference of another system is kept and looked up as: itself, or tokens where personal.

        The same reference always becomes the same. Slashes divide: of `refund/` and a CPF the first part stays.
        """
        if "/" not in text:
            return self.token(text) if may_be_personal(text) else text
        parts = "/".join(map(self.reference, text.split("/")))
        return self.token(text) if len(parts) > _REFERENCE_MAX or may_be_personal(parts) else parts

    def new_member_key(self) -> bytes:
        """Return a fresh member key, wrapped (40 bytes). Deleting it is the member's erasure."""
        return aes_key_wrap(self._wrapping, self._entropy(_KEY_BYTES))

    def seal(self, wrapped_member_key: bytes, where: str, clear: str) -> bytes:
        """Return `clear` sealed under one member's key for the cell `where`."""
        return self._sealed(self._member(wrapped_member_key), where, clear.encode())

    def open(self, wrapped_member_key: bytes, where: str, sealed: bytes) -> str:
        """Return what was sealed for `where`; refuses (`Unreadable`) another cell, member or programme."""
        return self._opened(self._member(wrapped_member_key), where, sealed).decode()

    def seal_config(self, where: str, clear: bytes) -> bytes:
        """Return an installation's config (vendor secrets) sealed under the programme."""
        return self._sealed(self._config, where, clear)

    def open_config(self, where: str, sealed: bytes) -> bytes:
        """Return a config sealed for `where`; refuses (`Unreadable`) anything else."""
        return self._opened(self._config, where, sealed)

    def code_hash(self, code: str) -> str:
        """Return 64 hex digits to look a bare voucher code up by; without the key they are worth nothing."""
        keyed = self._code_index.copy()
        keyed.update(code.encode())
        return keyed.hexdigest()

    def seal_code(self, voucher_id: str, code: str) -> bytes:
        """Return a voucher's code sealed, to be published in stores."""
        return self._sealed(self._codes, f"voucher/{voucher_id}/code_sealed", code.encode())

    def open_code(self, voucher_id: str, sealed: bytes) -> str:
        """Return the code sealed for a voucher; refuses (`Unreadable`) anything else."""
        return self._opened(self._codes, f"voucher/{voucher_id}/code_sealed", sealed).decode()

    def seal_delivery(self, where: str, received_at: datetime, body: bytes) -> bytes:
        """Return raw bytes sealed under the key of the month (UTC) they were received in."""
        return self._sealed(self._month(_month_of(received_at)), where, body)

    def open_delivery(self, where: str, received_at: datetime, sealed: bytes) -> bytes:
        """Return raw bytes sealed for `where` in that month; refuses (`Unreadable`) anything else."""
        return self._opened(self._month(_month_of(received_at)), where, sealed)

    def _derive(self, purpose: str) -> bytes:
        # The programme's id takes part, so that a key row copied to another programme opens nothing.
        return _derived(self._programme_key, f"{self._programme_id}/{purpose}")

    def _member_cipher(self, wrapped: bytes) -> AESGCM:
        return AESGCM(_unwrapped(self._wrapping, wrapped))

    def _month_cipher(self, month: str) -> AESGCM:
        return AESGCM(self._derive(f"delivery/{month}"))

    def _sealed(self, cipher: AESGCM, where: str, clear: bytes) -> bytes:
        nonce = self._entropy(_NONCE_BYTES)
        return _VERSION + nonce + cipher.encrypt(nonce, clear, self._bound_to(where))

    def _opened(self, cipher: AESGCM, where: str, sealed: bytes) -> bytes:
        if len(sealed) < _SHORTEST_SEALED or sealed[:1] != _VERSION:
            raise Unreadable("not a sealed value")
        nonce, content = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, content, self._bound_to(where))
        except InvalidTag:
            raise Unreadable("sealed elsewhere, or under another key") from None

    def _bound_to(self, where: str) -> bytes:
        return f"{self._programme_id}/{where}".encode()


def _derived(key: bytes, purpose: str) -> bytes:
    # Extraction is skipped: every input key is already uniformly random (RFC 5869 section 3.3).
    return HKDFExpand(SHA256(), _KEY_BYTES, f"ponte/{purpose}".encode()).derive(key)


def _unwrapped(wrapping: bytes, wrapped: bytes) -> bytes:
    try:
        return aes_key_unwrap(wrapping, wrapped)
    except (InvalidUnwrap, ValueError):
        raise Unreadable("wrapped under another key") from None


def _month_of(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.year}-{at.month:02}"
