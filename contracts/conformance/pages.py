"""What a connector's folder is: pure Python, all of it reached by samples, and a page for whoever connects it.

Nothing here runs a vendor's message except to see which lines it reaches.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from contracts.conformance.conversations import OffScript, hold
from contracts.conformance.doors import scheme_of
from contracts.conformance.folders import Folder, afresh
from contracts.conformance.samples import Unreadable

HEADINGS = ("## What it does", "## Connect it", "## What it cannot do", "## How we know")
SPOKEN = frozenset({"contracts", "pydantic", "typing_extensions", "annotated_types"})
WORLDLY = frozenset(
    {
        *("asyncio", "concurrent", "ftplib", "http", "multiprocessing", "os", "pathlib", "random", "secrets"),
        *(
            "select",
            "shutil",
            "smtplib",
            "socket",
            "socketserver",
            "sqlite3",
            "ssl",
            "subprocess",
            "tempfile",
        ),
        *("threading", "time"),
    }
)
ELSEWHERE = frozenset({"tests", "node_modules", "__pycache__"})


def four_headings(folder: Folder) -> Iterator[str]:
    """The page says what it does, how to connect it, what it cannot do, and how we know."""
    page = page_of(folder)
    if page is None:
        yield f"there is no page {folder.connector.docs}"
        return
    lines = page.read_text(encoding="utf-8").splitlines()
    yield from (f"{page.name} has no heading `{heading}`" for heading in HEADINGS if heading not in lines)


def contracts_alone(folder: Folder) -> Iterator[str]:
    """It imports the contracts and what is pure: no clock, no randomness, no network, no other connector."""
    for path in _modules(folder):
        for name in _imports(path):
            room = name.partition(".")[0]
            own = name.startswith(_package(folder)) or folder.path.joinpath(f"{room}.py").exists()
            if room in WORLDLY or not (own or room in SPOKEN or room in sys.stdlib_module_names):
                yield f"{path.name} imports {name}"


def every_branch(folder: Folder) -> Iterator[str]:
    """The samples alone reach every line and every branch of the connector."""
    import coverage

    measured = coverage.Coverage(
        data_file=None, config_file=False, branch=True, include=[f"{folder.path}/*"], messages=False
    )
    # Nothing is excused by a remark in the code; what is written for the type checker is none of ours.
    measured.set_option("report:exclude_lines", [r"^\s*if TYPE_CHECKING:"])
    measured.start()
    try:
        with afresh(folder) as connector:
            _reach(Folder(folder.path, connector))
    finally:
        measured.stop()
    for path in _modules(folder):
        _, _, _, missing, _ = measured.analysis2(str(path))
        partial = [line for line, (exits, taken) in measured.branch_stats(str(path)).items() if taken < exits]
        lines = sorted({*missing, *partial})
        if lines:
            yield f"no sample reaches all of {path.relative_to(folder.path)}, lines {_spans(lines)}"


def _reach(folder: Folder) -> None:
    for sample in folder.samples:
        try:
            hold(sample, folder.connector)
            if sample.kind in {"webhook", "checkout"}:
                scheme_of(sample, folder.connector)
        except (OffScript, Unreadable):
            continue


def page_of(folder: Folder) -> Path | None:
    """Return the page that the connector names, from its folder or any above."""
    for place in (folder.path, *folder.path.parents):
        if place.joinpath(folder.connector.docs).is_file():
            return place.joinpath(folder.connector.docs)
    return None


def _modules(folder: Folder) -> list[Path]:
    return [path for path in sorted(folder.path.rglob("*.py")) if not ELSEWHERE & {*path.parts}]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def _package(folder: Folder) -> str:
    """Return the package of the folder as imports write it."""
    parts, place = [folder.path.name], folder.path.parent
    while place.joinpath("__init__.py").exists():
        parts, place = [place.name, *parts], place.parent
    return ".".join(parts)


def _spans(lines: list[int]) -> str:
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
