"""`ponte connectors`: what is installed, what each can do, and how far each may be relied upon.

The level is computed by the conformance kit, here and now; without the kit's tools nothing is claimed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from contracts.connector import AnyConnector
from gateway.catalogue import CAPABILITIES, Catalogue, connectors_in
from gateway.commands.refusals import CommandRefused
from gateway.ports import system_clock

SHOWN = (*CAPABILITIES, "sign_in", "check")
MARKED = re.compile(r"<!-- connectors on (\S+) -->.*?<!-- end of connectors -->", re.DOTALL)


def show_connectors(
    *, as_json: bool, as_markdown: bool, quick: bool, into: Path | None, folder: Path | None = None
) -> None:
    """Print every installed connector, and those in `folder`; `quick` leaves out the levels, which take time.

    `into` is a page whose table is written anew, between its marks.
    """
    today = system_clock().date()
    found = described({} if quick else levels_on(today, folder), folder)
    if into is not None:
        try:
            into.write_text(with_table(into.read_text(encoding="utf-8"), today, found), encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CommandRefused(f"{into} gets no table: {error}.") from None
    elif as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif as_markdown:
        typer.echo(markdown(found))
    else:
        Console().print(_table(found))


def described(levels: Mapping[str, str], folder: Path | None = None) -> list[dict[str, Any]]:
    """Return what is to be said of every installed connector, and of those in `folder`."""
    return [_described(connector, levels) for connector in Catalogue.load(folder=folder)]


def levels_on(today: date, folder: Path | None = None) -> dict[str, str]:
    """Return the level of each connector with samples, by slug; of none where the kit's tools are missing."""
    if find_spec("coverage") is None:
        typer.echo(
            "Levels need the kit's tools: pip install 'ponte-hub[kit]', or '.[kit]' in a clone.", err=True
        )
        return {}
    from contracts.conformance.folders import installed_folders

    paths = installed_folders()
    if folder is not None:
        paths += [place.resolve() for place in connectors_in(folder) if (place / "samples").is_dir()]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return dict(pool.map(_level, paths, [today] * len(paths)))


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as a page holds it."""
    rows = [
        f"| [{each['name']}]({each['docs']}) | {', '.join(each['capabilities'])} | {each['level'] or '?'} |"
        for each in found
    ]
    return "\n".join(["| connector | can | level |", "|---|---|---|", *rows])


def with_table(page: str, today: date, found: Sequence[Mapping[str, Any]]) -> str:
    """Return a page with the table of a day between its marks. Refuses (`ValueError`) a page without them."""
    table = f"<!-- connectors on {today.isoformat()} -->\n{markdown(found)}\n<!-- end of connectors -->"
    written, times = MARKED.subn(lambda _: table, page)
    if times != 1:
        raise ValueError(
            "the page needs the marks `<!-- connectors on ... -->` and `<!-- end of connectors -->`"
        )
    return written


def _table(found: Sequence[Mapping[str, Any]]) -> Table:
    table = Table()
    for heading in ("slug", "name", "can", "level", "may be trusted as", "docs"):
        table.add_column(heading, overflow="fold")
    for each in found:
        capabilities, trusts = ", ".join(each["capabilities"]), ", ".join(each["trusts"])
        table.add_row(each["slug"], each["name"], capabilities, each["level"] or "?", trusts, each["docs"])
    return table


def _described(connector: AnyConnector, levels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "slug": connector.slug,
        "name": connector.name,
        "api": connector.api,
        "capabilities": [name for name in SHOWN if getattr(connector, name) is not None],
        "level": levels.get(connector.slug),
        "trusts": list(connector.trusts),
        "docs": connector.docs,
    }


def _level(path: Path, today: date) -> tuple[str, str]:
    from contracts.conformance.folders import open_folder
    from contracts.conformance.levels import level_of

    folder = open_folder(path)
    level = level_of(folder, today)
    return folder.connector.slug, f"{level.value} {level.name.lower()}"
