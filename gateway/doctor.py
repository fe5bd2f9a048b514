"""What must be right on a machine before a hub can be trusted there: one finding for each check.

Nothing is mended and no database is created; every failed finding says what to do.
"""

import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.catalogue import Catalogue, CatalogueRefused
from gateway.custody import check_key
from gateway.ledger.queries import latest_learned_at
from gateway.ports import Clock, system_entropy
from gateway.privacy import Vault
from gateway.settings import NeverStarted, Settings, SettingsRefused, connectors_dir
from gateway.store import Connection
from gateway.store.engine import open_database
from gateway.store.outages import DatabaseHeld, DatabaseRefused
from gateway.store.snapshot import snapshot, sqlite_file

DISTRIBUTION = "ponte-hub"
PACKAGES = ("contracts", "loyalty", "gateway", "adapters")
OLDEST_SANE = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK_SLACK = timedelta(minutes=5)
FREE_BYTES_MIN = 256 * 1024**2
SQLITE_MIN = (3, 35, 0)  # RETURNING and upsert as the store writes them


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, whether it is right, and one sentence."""

    check: str
    right: bool
    sentence: str


async def examine(environ: Mapping[str, str], clock: Clock) -> list[Finding]:
    """Return every finding; what depends on settings that cannot be read is left out."""
    findings = [_python(), _packages(), _connectors(environ), _zones(), _sane_clock(clock())]
    try:
        settings = Settings.read(environ, starting=False)
    except NeverStarted as fresh:
        return [*findings, Finding("settings", right=True, sentence=str(fresh)), _space(fresh.data_dir)]
    except SettingsRefused as refused:
        return [*findings, Finding("settings", right=False, sentence=str(refused))]
    findings += [
        Finding("settings", right=True, sentence=f"Data in {settings.data_dir}."),
        _space(settings.data_dir),
    ]
    return [*findings, *[found async for found in _database(settings, clock())]]


def _python() -> Finding:
    right = sys.version_info >= (3, 11) and sqlite3.sqlite_version_info >= SQLITE_MIN
    have = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    return Finding("python", right, f"{have}." if right else f"{have}; needed: Python 3.11, SQLite 3.35.")


def _packages() -> Finding:
    """The names are plain words: another distribution might bring a package of the same name."""
    folders = {name: _folder(name) for name in PACKAGES}
    strangers = sorted(name for name, folder in folders.items() if folder != folders["gateway"])
    if strangers:
        return Finding(
            "packages",
            right=False,
            sentence=f"Not of this distribution: {', '.join(strangers)}. Uninstall it.",
        )
    try:
        installed = version(DISTRIBUTION)
    except PackageNotFoundError:
        return Finding(
            "packages", right=False, sentence=f"{DISTRIBUTION} is not installed: run pip install -e ."
        )
    return Finding("packages", right=True, sentence=f"{DISTRIBUTION} {installed} in {folders['gateway']}.")


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent.parent if spec is not None and spec.origin else None


def _connectors(environ: Mapping[str, str]) -> Finding:
    try:
        slugs = Catalogue.load(folder=connectors_dir(environ)).slugs
    except CatalogueRefused as refused:
        return Finding("connectors", right=False, sentence=" ".join(str(refused).split("\n")))
    if not slugs:
        return Finding("connectors", right=False, sentence="None is installed: run pip install again.")
    return Finding("connectors", right=True, sentence=f"{', '.join(slugs)}.")


def _zones() -> Finding:
    try:
        ZoneInfo("America/Sao_Paulo")
    except ZoneInfoNotFoundError:
        return Finding("time zones", right=False, sentence="America/Sao_Paulo is unknown: install tzdata.")
    return Finding("time zones", right=True, sentence="America/Sao_Paulo is known.")


def _sane_clock(now: datetime) -> Finding:
    right = now >= OLDEST_SANE
    return Finding("clock", right, f"{now:%Y-%m-%d %H:%M:%S} UTC{'.' if right else ': set the clock (NTP).'}")


def _space(folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    right = free >= FREE_BYTES_MIN
    return Finding(
        "disk", right, f"{free // 1024**2} MiB free{'.' if right else '; at least 256 are needed.'}"
    )


async def _database(settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    vault = Vault(settings.master_key, system_entropy)

    def looked(conn: Connection) -> datetime | None:
        check_key(vault, conn)
        return latest_learned_at(conn)

    try:
        file = sqlite_file(settings.database_url)
        if file is not None and not file.exists():
            yield Finding("database", right=True, sentence="None yet: `ponte serve` creates it.")
            return
        learned_at = await snapshot(settings.database_url, looked)
    except DatabaseRefused as refused:
        yield Finding("database", right=False, sentence=str(refused))
        return
    yield Finding("database", right=True, sentence="Reached; its schema is this version's, its key ours.")
    if learned_at is not None and learned_at > now + CLOCK_SLACK:
        yield Finding(
            "clock", right=False, sentence=f"Behind the ledger, which learned something at {learned_at}."
        )
    try:
        database = await open_database(settings.database_url, allow_unsafe=settings.unsafe_database)
    except DatabaseHeld:
        yield Finding(
            "writer", right=True, sentence="A running hub holds the database and has checked its durability."
        )
    except DatabaseRefused as refused:
        yield Finding("writer", right=False, sentence=str(refused))
    else:
        await database.close()
        yield Finding("writer", right=True, sentence="The database is free and keeps what it acknowledges.")
