"""What the tidy rules read: every file of the repository that people write, parsed once."""

import ast
import functools
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "loyalty", "gateway", "adapters")
WRITTEN_ELSEWHERE = {"LICENSE"}
LEFT_BEHIND = {".git", ".venv", "__pycache__", "build", "data", "dist", "node_modules"}
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


class Module(NamedTuple):
    """A Python file: its path from the root with slashes, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    def within(self, *places: str) -> bool:
        """Whether the module is one of `places`, or lies in one of them."""
        return any(self.path == f"{place}.py" or self.path.startswith(f"{place}/") for place in places)


def module(path: str, text: str) -> Module:
    """Parse `text` as the module at `path`."""
    return Module(path, text, ast.parse(text))


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every written file. Folders that tools leave behind are passed over, for a clone may lack git to ask."""
    for entry in sorted(root.iterdir()):
        if entry.is_dir():
            leftover = entry.name in LEFT_BEHIND or entry.name.endswith(("_cache", ".egg-info"))
            hidden = entry.name.startswith(".") and entry.name != ".ci"
            if not leftover and not hidden:
                yield from files(entry)
        elif entry.name not in WRITTEN_ELSEWHERE:
            yield entry


@functools.cache
def texts() -> dict[str, str]:
    """Path and text of every written text file."""
    found = {}
    for file in files():
        try:
            found[file.relative_to(ROOT).as_posix()] = file.read_text("utf-8")
        except UnicodeDecodeError:  # a picture or a binary sample
            continue
    return found


@functools.cache
def modules() -> list[Module]:
    """Every Python module of the repository."""
    return [module(path, text) for path, text in texts().items() if path.endswith(".py")]


@functools.cache
def code_lines(text: str) -> frozenset[int]:
    """The numbers of the lines that hold code: neither blank, nor comment, nor docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return frozenset(lines - _docstring_lines(ast.parse(text)))


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines
