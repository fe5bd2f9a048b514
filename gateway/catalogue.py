"""Finds the connectors that are installed and refuses the broken ones before anything is served.

Connectors are never imported by name: the entry point group `ponte.connectors` is one door, and a folder that
the operator names (`PONTE_CONNECTORS_DIR`) the other.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts.conformance.folders import MODULE, open_folder
from contracts.conformance.samples import Unreadable
from contracts.connector import AnyConnector, Connector
from contracts.facts import TRUSTS

GROUP = "ponte.connectors"
API = 1
CAPABILITIES = ("webhook", "poll", "file", "terminal", "checkout", "coupons")
_SLUG = re.compile(r"[a-z][a-z0-9_-]{1,31}")


class CatalogueRefused(Exception):
    """The hub does not start: one sentence for each fault, saying which connector and what to mend."""


class UnknownConnector(LookupError):
    """No connector of that slug is installed."""


class Catalogue:
    """The connectors of this process, by slug."""

    def __init__(self, connectors: Mapping[str, AnyConnector]) -> None:
        self._connectors = dict(connectors)

    @classmethod
    def load(cls, points: Iterable[EntryPoint] | None = None, *, folder: Path | None = None) -> "Catalogue":
        """Return every installed connector, and those in `folder`. Refuses (`CatalogueRefused`) unusable ones."""
        found: list[tuple[str, AnyConnector]] = []
        faults: list[str] = []
        for point in entry_points(group=GROUP) if points is None else points:
            try:
                loaded = point.load()
            except Exception as error:  # noqa: BLE001 an author's module may raise anything while it is imported
                faults.append(f"{point.name} cannot be imported from {point.value} ({type(error).__name__}).")
                continue
            if isinstance(loaded, Connector):
                found.append((point.value, loaded))
            else:
                faults.append(f"{point.name} must name a Connector, but {point.value} is something else.")
        for place in [] if folder is None else connectors_in(folder):
            try:
                found.append((str(place), connector_at(place)))
            except CatalogueRefused as refused:
                faults.append(str(refused))
        return cls._checked(found, faults)

    @classmethod
    def of(cls, *connectors: AnyConnector) -> "Catalogue":
        """Return a catalogue of just these, for tests and one-file connectors. Refuses as `load` does."""
        return cls._checked([("given", connector) for connector in connectors], [])

    @classmethod
    def _checked(cls, found: Iterable[tuple[str, AnyConnector]], faults: list[str]) -> "Catalogue":
        by_slug: dict[str, AnyConnector] = {}
        place_of: dict[str, str] = {}
        for place, connector in found:
            faults.extend(_faults_of(connector))
            first = place_of.setdefault(connector.slug, place)
            if connector.slug in by_slug:
                faults.append(f"{connector.slug} is there twice, as {first} and as {place}: keep one.")
            by_slug[connector.slug] = connector
        if faults:
            raise CatalogueRefused("\n".join(faults))
        return cls(by_slug)

    def __iter__(self) -> Iterator[AnyConnector]:
        """Yield the connectors in the order of their slugs."""
        return iter([self._connectors[slug] for slug in sorted(self._connectors)])

    @property
    def slugs(self) -> tuple[str, ...]:
        return tuple(sorted(self._connectors))

    def get(self, slug: str) -> AnyConnector:
        """Return the connector; `UnknownConnector` if none has that slug."""
        try:
            return self._connectors[slug]
        except KeyError:
            raise UnknownConnector(f"no connector {slug!r} is installed") from None


def connectors_in(folder: Path) -> list[Path]:
    """Return where the connectors in a folder stand: folders with a `connector.py`, and files of one connector.

    What begins with `_` or `.` is passed over. Refuses (`CatalogueRefused`) what is no folder of connectors.
    """
    if not folder.is_dir():
        raise CatalogueRefused(f"There is no folder {folder} of connectors.")
    if (folder / MODULE).exists():
        raise CatalogueRefused(f"{folder} is itself a connector: name the folder above it.")
    places = [place for place in sorted(folder.iterdir()) if place.name[0] not in "_."]
    return [place for place in places if place.suffix == ".py" or (place / MODULE).is_file()]


def connector_at(place: Path) -> AnyConnector:
    """Return the connector of a folder or of a file. Refuses (`CatalogueRefused`) what does not define one."""
    if place.is_dir() and not (place / MODULE).is_file():
        raise CatalogueRefused(f"{place} has no {MODULE}.")
    if place.stem in sys.stdlib_module_names:  # its folder may stand on the path, before Python's own
        raise CatalogueRefused(f"{place} has the name of a module of Python: give it another.")
    try:
        return open_folder(place.resolve()).connector if place.is_dir() else _connector_of(place.resolve())
    except Unreadable as refused:
        raise CatalogueRefused(f"{refused}.") from None
    except Exception as error:
        raise CatalogueRefused(f"{place} cannot be imported ({type(error).__name__}: {error}).") from error


def _connector_of(file: Path) -> AnyConnector:
    name = f"connector_of_{file.stem}"
    held = sys.modules.get(name)
    if held is None or held.__file__ != str(file):
        spec = spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise Unreadable(f"{file.name} is no Python file")
        held = sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(held)
        except BaseException:
            del sys.modules[name]
            raise
    found = getattr(held, "connector", None)
    if not isinstance(found, Connector):
        raise Unreadable(f"{file.name} does not define `connector = Connector(...)`")
    return found


def _faults_of(record: Any) -> Iterator[str]:
    # Typed as anything: the record is another author's, and this check is what makes its types true.
    slug, limits = record.slug, record.limits
    can_do = any(getattr(record, name) is not None for name in CAPABILITIES)
    calls = record.poll or record.coupons
    has_model = isinstance(record.config, type) and issubclass(record.config, BaseModel)
    signed = record.webhook is None or callable(record.webhook.signature)
    checks = (
        (_SLUG.fullmatch(str(slug)), f"{slug!r} is no slug: 2 to 32 of a-z, 0-9, _ and -, a letter first."),
        (record.api == API, f"{slug} is written for api {record.api}; this hub speaks api {API}."),
        (has_model, f"{slug} must declare its config as a pydantic model."),
        (can_do, f"{slug} can do nothing: give it one of {', '.join(CAPABILITIES)}."),
        (signed, f"{slug} has a webhook without a signature: if the vendor has none, say Unsigned(reason)."),
        (record.base_url or not calls, f"{slug} calls its vendor but declares no base_url."),
        (record.trusts, f"{slug} must list the trusts that it may be granted."),
        (set(record.trusts) <= set(TRUSTS), f"{slug} lists a trust that is none of: {', '.join(TRUSTS)}."),
        (min(limits.requests_per_minute, limits.concurrent) > 0, f"{slug} must allow at least one request."),
    )
    yield from (sentence for holds, sentence in checks if not holds)
