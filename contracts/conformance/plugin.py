"""The kit in pytest: each check of each sample is a test, wherever a `connector.py` has `samples/` beside it.

In a run that meets no such folder it collects nothing, and no connector is imported.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.conformance.folders import MODULE, Folder, folder_of_slug, open_folder
from contracts.conformance.kit import FOLDER_CHECKS, checks_of, faults
from contracts.conformance.meaning import accept
from contracts.conformance.samples import Sample, Unreadable

OPENED = pytest.StashKey[dict[Path, Folder]]()
ACCEPTED = pytest.StashKey[list[str]]()


class Nonconforming(Exception):
    """What a check found, one sentence each."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the kit's two options."""
    group = parser.getgroup("ponte", "connectors of Ponte")
    group.addoption(
        "--accept",
        action="store_true",
        help="write the expectations of samples from what the connectors say now",
    )
    group.addoption(
        "--connector",
        action="append",
        default=[],
        metavar="SLUG",
        help="try the installed connector of that slug",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let installed connectors be named by their slug."""
    config.stash[OPENED] = {}
    config.stash[ACCEPTED] = []
    try:
        folders = [str(folder_of_slug(slug)) for slug in config.getoption("--connector")]
    except Unreadable as error:
        raise pytest.UsageError(str(error)) from None
    if folders:
        asked = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
        config.args[:] = [*asked, *folders]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a connector and each of its samples, and nothing else."""
    if file_path.name == MODULE and file_path.parent.joinpath("samples").is_dir():
        return ConnectorFile.from_parent(parent, path=file_path)
    beside = file_path.parent.parent.joinpath(MODULE)
    if file_path.suffix == ".http" and file_path.parent.name == "samples" and beside.is_file():
        return SampleFile.from_parent(parent, path=file_path)
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name what was accepted, so that it is read."""
    for name in config.stash[ACCEPTED]:
        terminalreporter.write_line(f"accepted {name}: read the difference before you commit it")


class SampleFile(pytest.File):
    """One sample: the checks that concern it."""

    def collect(self) -> Iterable[pytest.Item]:
        folder = _opened(self.config, self.path.parents[1])
        sample = folder.named(self.path.stem)
        if self.config.getoption("--accept"):
            yield _Acceptance.from_parent(self, name="accept", sample=sample, folder=folder)
            return
        for check in checks_of(sample):
            yield _Check.from_parent(
                self,
                name=check.name,
                found=lambda check=check: check.found(sample, folder),
                full_name=f"{folder.connector.slug}::{sample.name}::{check.name}",
            )


class ConnectorFile(pytest.File):
    """One connector: what its samples must show together."""

    def collect(self) -> Iterable[pytest.Item]:
        if self.config.getoption("--accept"):
            return
        folder = _opened(self.config, self.path.parent)
        for check in FOLDER_CHECKS:
            if check.concerns(folder):
                yield _Check.from_parent(
                    self,
                    name=check.name,
                    found=lambda check=check: check.found(folder),
                    full_name=f"{folder.connector.slug}::{check.name}",
                )


class _Check(pytest.Item):
    def __init__(self, *, found: Callable[[], Iterator[str]], full_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = found
        self.full_name = full_name

    def runtest(self) -> None:
        said = faults(self.found)
        if said:
            raise Nonconforming("\n".join(said))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Nonconforming):
            return f"{self.full_name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.full_name


class _Acceptance(pytest.Item):
    def __init__(self, *, sample: Sample, folder: Folder, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sample = sample
        self.folder = folder

    def runtest(self) -> None:
        if accept(self.sample, self.folder):
            self.config.stash[ACCEPTED].append(self.sample.expectation.name)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.folder.connector.slug}::{self.sample.name}::accept"


def _opened(config: pytest.Config, path: Path) -> Folder:
    """Return the folder, opened once in a run."""
    held = config.stash[OPENED]
    if path not in held:
        try:
            held[path] = open_folder(path)
            held[path].samples  # noqa: B018 read now, so that an unreadable sample is told of while collecting
        except Unreadable as error:
            raise pytest.Collector.CollectError(str(error)) from None
    return held[path]
