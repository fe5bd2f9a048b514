"""`ponte connectors`: what is installed, what each can do, and how far each may be believed."""

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from contracts.connector import AnyConnector
from gateway.catalogue import Catalogue

CAPABILITIES = ("webhook", "poll", "file", "terminal", "check")


def show_connectors(*, as_json: bool) -> None:
    """Print every installed connector."""
    found = [_described(connector) for connector in Catalogue.load()]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    table = Table()
    for heading in ("slug", "name", "can", "may be trusted as", "docs"):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(
            each["slug"],
            each["name"],
            ", ".join(each["capabilities"]),
            ", ".join(each["trusts"]),
            str(each["docs"]),
        )
    Console().print(table)


def _described(connector: AnyConnector) -> dict[str, Any]:
    return {
        "slug": connector.slug,
        "name": connector.name,
        "api": connector.api,
        "capabilities": [name for name in CAPABILITIES if getattr(connector, name) is not None],
        "trusts": list(connector.trusts),
        "docs": connector.docs,
    }
