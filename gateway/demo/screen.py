"""The day on one screen: what happened, what each figure is, and what was verified. In Portuguese, for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.reckoning import Check
from gateway.demo.stone import ZONE
from gateway.demo.story import Scene, Story
from gateway.demo.town import Shop
from gateway.verification import CHECKS, Report
from loyalty.statement import shown


def show_story(console: Console, story: Story) -> None:
    """Print the scenes of the day."""
    town = story.town
    console.print(
        f"[bold]Um dia em dois programas[/], semente {story.cast.seed}: {town.points.name} "
        f"({_offer(town.market)}; {_offer(town.station)}) e {town.cashback.name} ({_offer(town.bakery)}).",
    )
    for scene in story.scenes:
        console.print(f"\n[cyan]{clock_time(scene.at)}[/] [bold]{scene.title}[/] {_mark(scene.checks)}")
        if scene.slip:
            console.print(_with_slip(scene))
        else:
            console.print(_told(scene))


def show_statement(console: Console, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Print a member's statement, oldest line first."""
    table = Table(
        title=f"Extrato de {name}", title_justify="left", title_style="bold", box=None, padding=(0, 2)
    )
    table.add_column("hora")
    table.add_column("lançamento")
    table.add_column("pontos", justify="right")
    table.add_column("saldo", justify="right")
    for line in lines:
        table.add_row(line["at"], line["text"], f"{line['units']:+d}", shown(line["balance_after"], "points"))
    console.print()
    console.print(table)


def show_verdict(console: Console, checks: Sequence[Check], report: Report, seconds: float) -> None:
    """Print what was compared and what `ponte ledger verify` found."""
    wrong = [check for check in checks if not check.right]
    console.print()
    for check in wrong:
        console.print(f"[red]{check.what}: esperado {check.expected}, lido {check.read}[/]")
    for breach in report.breaches:
        console.print(breach, style="red", markup=False)
    console.print(
        f"{len(checks) - len(wrong)} de {len(checks)} valores lidos pela API conferem com a conta feita à parte; "
        f"ledger verify: {len(CHECKS)} promessas, {report.sales_checked} vendas rededuzidas, "
        f"{sum(report.counts.values())} falhas; {seconds:.1f} s.",
        style="red" if wrong or not report.sound else "green",
    )


def clock_time(at: datetime) -> str:
    """Return the local time of day."""
    return f"{at.astimezone(ZONE):%H:%M}"


def _offer(shop: Shop) -> str:
    rate = shop.company.rate
    if "cashback_bps" in rate:
        return f"{shop.company.name}, {int(rate['cashback_bps']) / 100:g}% de volta".replace(".", ",")
    return f"{shop.company.name}, {rate['points_per_real']} por R$ 1".replace(".", ",")


def _mark(checks: Sequence[Check]) -> str:
    right = sum(check.right for check in checks)
    return f"[green]✓ {right}[/]" if right == len(checks) else f"[red]✗ {right} de {len(checks)}[/]"


def _told(scene: Scene) -> Group:
    return Group(*(Padding(Text(text), (0, 0, 0, 6)) for text in scene.told))


def _with_slip(scene: Scene) -> Table:
    """Lay the slip that the terminal prints beside the words."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(ratio=1)
    grid.add_column(width=36)
    grid.add_row(_told(scene), Panel("\n".join(scene.slip), width=36))
    return grid
