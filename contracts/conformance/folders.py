"""A connector's folder: `connector.py`, its `samples/`, its page. Found by path, or by slug among the installed.

Importing is the only thing done to a connector here; nothing of it is run.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from contracts.conformance.samples import Sample, Unreadable, read
from contracts.connector import AnyConnector, Connector

GROUP = "ponte.connectors"
MODULE = "connector.py"


@dataclass(frozen=True)
class Folder:
    """One connector where it is written."""

    path: Path
    connector: AnyConnector

    @cached_property
    def samples(self) -> list[Sample]:
        """Its samples, in the order of their names."""
        return [read(path) for path in self.sample_paths]

    @property
    def sample_paths(self) -> list[Path]:
        """Where its samples stand, in the order of their names."""
        return sorted(self.path.joinpath("samples").glob("*.http"))

    def named(self, name: str) -> Sample:
        """Return the sample of that name; `Unreadable` if there is none."""
        for sample in self.samples:
            if sample.name == name:
                return sample
        raise Unreadable(f"no sample {name}.http")


def open_folder(path: Path) -> Folder:
    """Return the connector that `path/connector.py` defines as `connector`. Refuses (`Unreadable`) any other."""
    found = getattr(_imported(path), "connector", None)
    if not isinstance(found, Connector):
        raise Unreadable(f"{path.name}/{MODULE} does not define `connector = Connector(...)`")
    return Folder(path, found)


def folder_of_slug(slug: str) -> Path:
    """Return where the installed connector of that slug is written. Refuses (`Unreadable`) if it is nowhere."""
    for point in entry_points(group=GROUP):
        found = folder_of(point)
        if point.name == slug and found is not None:
            return found
    raise Unreadable(f"no connector {slug} is installed with a folder of its own")


def installed_folders() -> list[Path]:
    """Return the folders of installed connectors that come with samples, in the order of their names."""
    found = [folder_of(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]
    return [path for path in found if path is not None and path.joinpath("samples").is_dir()]


def folder_of(point: EntryPoint) -> Path | None:
    """Return where an installed connector is written, `None` if it has no folder of its own."""
    try:
        spec = importlib.util.find_spec(point.module)
    except ModuleNotFoundError:
        return None
    origin = Path(spec.origin) if spec is not None and spec.origin else None
    return origin.parent if origin is not None and origin.name == MODULE else None


@contextmanager
def afresh(folder: Folder) -> Iterator[AnyConnector]:
    """Yield the connector imported once more, as if never before; afterwards all is as it was."""
    held = {name: module for name, module in sys.modules.items() if _is_within(module, folder.path)}
    _forget(held)
    try:
        yield open_folder(folder.path).connector
    finally:
        _forget({name: module for name, module in sys.modules.items() if _is_within(module, folder.path)})
        for name, module in held.items():
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, module)


def _forget(modules: dict[str, ModuleType]) -> None:
    for name in modules:
        del sys.modules[name]


def _is_within(module: Any, path: Path) -> bool:
    written = getattr(module, "__file__", None)
    return written is not None and path in Path(written).parents


def _imported(path: Path) -> ModuleType:
    """Import by the name that the package gives; a folder in no package by one made from its own name."""
    parts, root = [MODULE.removesuffix(".py")], path
    while root.joinpath("__init__.py").exists():
        parts, root = [root.name, *parts], root.parent
    if len(parts) > 1:
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        return importlib.import_module(".".join(parts))
    name = f"connector_in_{path.name}"
    held = sys.modules.get(name)
    if held is not None and held.__file__ == str(path.joinpath(MODULE)):
        return held
    spec = importlib.util.spec_from_file_location(name, path.joinpath(MODULE))
    if spec is None or spec.loader is None:
        raise Unreadable(f"{path.name} has no {MODULE}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
