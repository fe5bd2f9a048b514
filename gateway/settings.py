"""What the process is told from outside: `PONTE_*` and `DATABASE_URL`, read once, then immutable.

A setting that cannot be honoured stops the start with one sentence; nothing falls back silently.
"""

import base64
import binascii
import ipaddress
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from gateway.ports import Entropy, system_entropy

Mode: TypeAlias = Literal["production", "sandbox"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MASTER_KEY_BYTES = 32
_KEY_FILE = "master.key"
_POSTGRES = "postgresql+asyncpg://"
_KEY_WARNING = (
    "A new master key was written to {path}. Back it up now, apart from the database: "
    "without it no CPF and no connector secret can ever be read again."
)


class SettingsRefused(ValueError):
    """The hub does not start; the text says which setting, why, and what to do. It never repeats a secret."""


class NeverStarted(SettingsRefused):
    """There is no master key yet: a hub was never started with these settings."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"No hub was started in {data_dir} yet: `ponte serve` makes its key and its database."
        )
        self.data_dir = data_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the process needs before it opens the database. Sizes in bytes, spans in seconds.

    `notices` are sentences that the command line prints at start (such as: back up the new key).
    """

    data_dir: Path
    database_url: str = field(repr=False)
    master_key: bytes = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    mode: Mode = "production"
    log_level: LogLevel = "info"
    allow_addresses: tuple[Network, ...] = ()
    body_limit_bytes: int = 256 * 1024
    file_limit_bytes: int = 32 * 1024 * 1024
    body_timeout_seconds: int = 10
    queue_limit: int = 10_000
    unsafe_database: bool = False
    connectors_dir: Path | None = None
    notices: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, environ: Mapping[str, str], entropy: Entropy = system_entropy, *, starting: bool = True
    ) -> "Settings":
        """Return the settings in `environ`; creates the data folder and, at first start, the key file.

        Refuses (`SettingsRefused`) whatever is malformed, and a missing, damaged or readable-by-others key.
        Whoever is not `starting` a hub creates nothing, and without a key hears `NeverStarted`.
        """
        data_dir = Path(environ.get("PONTE_DATA_DIR") or "ponte-data").absolute()
        told = cls(
            data_dir=data_dir,
            database_url=_database_url(environ.get("DATABASE_URL", ""), data_dir),
            master_key=b"",
            host=environ.get("PONTE_HOST") or "127.0.0.1",
            port=_integer(environ, "PONTE_PORT", 8000, 0, 65_535),
            mode=cast("Mode", _choice(environ, "PONTE_MODE", "production", get_args(Mode))),
            log_level=cast("LogLevel", _choice(environ, "PONTE_LOG_LEVEL", "info", get_args(LogLevel))),
            allow_addresses=_networks(environ.get("PONTE_ALLOW_ADDRESSES", "")),
            body_limit_bytes=_integer(environ, "PONTE_BODY_LIMIT_BYTES", 256 * 1024, 1024, 1024**2),
            file_limit_bytes=_integer(environ, "PONTE_FILE_LIMIT_BYTES", 32 * 1024**2, 1024, 1024**3),
            body_timeout_seconds=_integer(environ, "PONTE_BODY_TIMEOUT_SECONDS", 10, 1, 300),
            queue_limit=_integer(environ, "PONTE_QUEUE_LIMIT", 10_000, 1, 1_000_000),
            # For test servers that trade crash safety for speed; a real hub would lose acknowledged sales.
            unsafe_database=_integer(environ, "PONTE_UNSAFE_DATABASE", 0, 0, 1) == 1,
            connectors_dir=connectors_dir(environ),
        )
        path = data_dir / _KEY_FILE
        master_key = _master_key(environ.get("PONTE_MASTER_KEY", ""), path, told.database_url)
        if master_key is None and not starting:
            raise NeverStarted(data_dir)
        if starting:
            _make_private_folder(data_dir)
        if master_key is not None:
            return replace(told, master_key=master_key)
        return replace(told, master_key=_new_key(path, entropy), notices=(_KEY_WARNING.format(path=path),))


def connectors_dir(environ: Mapping[str, str]) -> Path | None:
    """Return the folder with connectors of the operator's own, `None` if there is none."""
    text = environ.get("PONTE_CONNECTORS_DIR")
    return Path(text).absolute() if text else None


def _integer(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise SettingsRefused(f"{name} must be a whole number from {low} to {high}.")
    return int(text)


def _choice(environ: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    text = (environ.get(name) or default).lower()
    if text not in allowed:
        raise SettingsRefused(f"{name} must be one of: {', '.join(allowed)}.")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsRefused(
            "PONTE_ALLOW_ADDRESSES must list addresses or networks, such as 127.0.0.1, 10.0.0.0/8.",
        ) from error


def _database_url(text: str, data_dir: Path) -> str:
    if not text:
        return f"sqlite:///{data_dir / 'ponte.db'}"
    scheme, separator, rest = text.partition("://")
    if separator and scheme in {"postgres", "postgresql", "postgresql+asyncpg"}:
        return _POSTGRES + rest
    if text.startswith("sqlite:///"):
        return text
    raise SettingsRefused("DATABASE_URL must begin with sqlite:/// or postgresql://.")


def _make_private_folder(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsRefused(f"PONTE_DATA_DIR cannot be created: {error.strerror}.") from error


def _master_key(text: str, path: Path, database_url: str) -> bytes | None:
    """Return the key that is told or kept; `None` where none is and no database is seen to need it."""
    if text:
        return _decoded_key(text, "PONTE_MASTER_KEY")
    if path.exists():
        return _key_in(path)
    file = Path(database_url.removeprefix("sqlite:///"))
    if database_url.startswith("sqlite:///") and file.exists():
        # A fresh key beside old data would write values that no backup of the old key can read.
        raise SettingsRefused(f"{path} is missing but the database {file} exists: restore the key file.")
    return None


def _new_key(path: Path, entropy: Entropy) -> bytes:
    key = entropy(MASTER_KEY_BYTES)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def _key_in(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1024)
    except OSError as error:
        raise SettingsRefused(f"{path} cannot be read: {error.strerror}.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise SettingsRefused(f"{path} can be read by others: run chmod 600 on it.")
    return _decoded_key(text.decode("latin-1").strip(), str(path))


def _decoded_key(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise SettingsRefused(f"{source} must be {MASTER_KEY_BYTES} bytes in base64.") from None
    return key
