"""`ponte new-connector`: a connector's folder that passes the kit before its author has changed a line.

What is made stands as text in `templates/`; lines between `#? webhook poll` and `#? end` are for a connector
that has any of these.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from string import Template

import typer

from contracts.conformance.folders import open_folder
from contracts.conformance.meaning import accept
from gateway.commands.refusals import CommandRefused

TEMPLATES = Path(__file__).parent / "templates"
SLUG = re.compile(r"[a-z][a-z0-9_]{1,31}")
COUPON = {
    "code": "K7PM-2QXT",
    "voucher_ref": "12",
    "amount_cents": 2500,
    "minimum_cents": 0,
    "starts_at": "2031-01-09T00:00:00Z",
    "expires_at": None,
    "combinable": True,
}


@dataclass(frozen=True, slots=True)
class Made:
    """A folder, the line that installs it where there is a `pyproject.toml`, and the files in it."""

    path: Path
    line: str
    files: Sequence[str]


def make(slug: str, wanted: Sequence[str], into: Path, *, as_json: bool) -> None:
    """Make the folder and say what to do with it. Refuses (`CommandRefused`) a name or a place that will not do."""
    made = scaffold(slug, wanted or ["webhook"], into)
    if as_json:
        told = {"folder": str(made.path), "entry_point": made.line, "files": made.files}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(f"Made {made.path}: {len(made.files)} files, green as they stand.\n")
    for command, does in (
        (f"pytest {made.path}", "what the kit finds"),
        (f"ponte try {made.path}", "what each sample comes to"),
        (f"ponte serve --connectors-dir {into}", "a hub that knows it"),
    ):
        typer.echo(f"  {command:<36}  {does}")
    typer.echo('\nTo install it, this line goes under [project.entry-points."ponte.connectors"]:\n')
    typer.echo(f"  {made.line}")


def scaffold(slug: str, wanted: Sequence[str], into: Path) -> Made:
    """Return a connector's folder, made in `into`, that can do what is `wanted` of webhook, poll and coupons."""
    package, root = _package(into.resolve())
    path = into / slug
    _refuse(slug, path, package)
    words = {
        "slug": slug,
        "name": slug.replace("_", " ").title(),
        "docs": (path.resolve().relative_to(root) / "README.md").as_posix() if package else "README.md",
        "config": json.dumps(_config(wanted)),
        "coupon": json.dumps(COUPON),
    }
    (path / "samples").mkdir(parents=True)
    files = list(map(str, _written(path, wanted, words)))
    folder = open_folder(path.resolve())
    for sample in folder.samples:
        accept(sample, folder)
    module = ".".join([*package, slug, "connector"])
    return Made(path, f'{slug} = "{module}:connector"', sorted(files))


def _refuse(slug: str, path: Path, package: Sequence[str]) -> None:
    if not SLUG.fullmatch(slug):
        raise CommandRefused(
            f"{slug!r} is no name of a connector: 2 to 32 of a-z, 0-9 and _, a letter first."
        )
    if path.exists():
        raise CommandRefused(f"{path} is there already: choose another name, or remove it.")
    if not path.parent.is_dir():
        raise CommandRefused(f"There is no folder {path.parent} to make it in.")
    if not package and (slug in sys.stdlib_module_names or find_spec(slug) is not None):
        raise CommandRefused(f"{slug} is the name of a Python package that is installed: choose another.")


def _package(place: Path) -> tuple[list[str], Path]:
    """Return the package that a folder is, as its parts, and the folder that Python finds it in."""
    parts: list[str] = []
    while (place / "__init__.py").exists():
        parts, place = [place.name, *parts], place.parent
    return parts, place


def _config(wanted: Sequence[str]) -> dict[str, str]:
    config = {"shop": "praca"}
    if "webhook" in wanted:
        config["hook_secret"] = "invented-secret-of-the-hook"  # noqa: S105 it opens nothing
    if {"poll", "coupons"} & {*wanted}:
        config["api_token"] = "invented-token-of-the-shop"  # noqa: S105 it opens nothing
    return config


def _written(path: Path, wanted: Sequence[str], words: Mapping[str, str]) -> Iterator[Path]:
    """Write every file that has something in it for what is wanted; yield where, within the folder."""
    for template in sorted(TEMPLATES.rglob("*.txt")):
        text = _for(wanted, template.read_text(encoding="utf-8"))
        if text.strip():
            place = template.relative_to(TEMPLATES).with_suffix("")
            (path / place).write_text(Template(text).substitute(words), encoding="utf-8")
            yield place


def _for(wanted: Sequence[str], text: str) -> str:
    """Return the lines for what is wanted; blocks may stand inside each other."""
    kept: list[str] = []
    open_blocks: list[bool] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("#? end"):
            open_blocks.pop()
        elif line.startswith("#? "):
            open_blocks.append(bool({*line.split()[1:]} & {*wanted}))
        elif all(open_blocks):
            kept.append(line)
    return "".join(kept)
