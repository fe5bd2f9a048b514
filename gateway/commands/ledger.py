"""`ponte ledger verify`: every promise of the ledger checked against a snapshot, also of a live database."""

import asyncio
import json
from collections.abc import Mapping

import typer
from rich.console import Console
from rich.table import Table

from gateway.catalogue import Catalogue
from gateway.context import Context
from gateway.ports import Ids, system_clock, system_entropy
from gateway.privacy import Vault
from gateway.settings import Settings
from gateway.store.snapshot import snapshot
from gateway.verification import CHECKS, Report, verify


def verify_ledger(environ: Mapping[str, str], *, sales_limit: int | None, as_json: bool) -> bool:
    """Print the table of promises, kept or broken; return whether all are kept."""
    report = asyncio.run(verified(Settings.read(environ, starting=False), sales_limit))
    if as_json:
        typer.echo(json.dumps(report.as_dict()))
    else:
        _show(report)
    return report.sound


async def verified(settings: Settings, sales_limit: int | None = None) -> Report:
    """Return the report on the database of `settings`, which a hub may be using meanwhile."""
    context = Context(
        clock=system_clock,
        ids=Ids(system_clock, system_entropy),
        vault=Vault(settings.master_key, system_entropy),
        catalogue=Catalogue.of(),
    )
    return await snapshot(settings.database_url, lambda conn: verify(context, conn, sales_limit))


def _show(report: Report) -> None:
    console = Console()
    console.print(table_of(report))
    for breach in report.breaches:
        console.print(breach, style="red", markup=False, highlight=False)


def table_of(report: Report) -> Table:
    """Return the promises as a table, with how often each is broken."""
    table = Table(title=f"{report.programmes} programmes, {report.sales_checked} sales derived again")
    table.add_column("check")
    table.add_column("promise")
    table.add_column("broken", justify="right")
    for check, promise in CHECKS.items():
        broken = report.counts[check]
        table.add_row(check, promise, str(broken) if broken else "-", style="red" if broken else None)
    return table
