"""Runs the whole demo: a hub in a temporary folder, an acquirer beside it, the day, and the verdict.

Nothing leaves this machine and nothing stays on it; the hub's clock is set to yesterday morning.
"""

import asyncio
import json
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict
from datetime import datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from rich.console import Console

from gateway.app import create_app, working
from gateway.commands.caller import Caller
from gateway.commands.ledger import verified
from gateway.demo.cast import Dice
from gateway.demo.screen import clock_time, show_statement, show_story, show_verdict
from gateway.demo.stone import KEY_ID, ZONE, Acquirer
from gateway.demo.story import Story
from gateway.demo.town import Town, ask, found_town
from gateway.hub import Hub, open_hub
from gateway.keys import actions as keys
from gateway.observe import configure_logging
from gateway.ports import SettableClock, system_clock, system_stopwatch
from gateway.serve import hosted, run
from gateway.settings import Settings
from gateway.verification import Report

OPENS_AT = time(8, 0)


class DayClock(SettableClock):
    """The clock of the story; `run()` lets it go with the machine's once the story is told."""

    running = False

    def __call__(self) -> datetime:
        return system_clock() if self.running else super().__call__()

    def run(self) -> None:
        self.running = True


def play(
    *, seed: int, keep: bool, as_json: bool, account: str | None, connectors_dir: Path | None = None
) -> bool:
    """Play the day of `seed` and print it; return whether every figure was right and the ledger is sound.

    `keep` leaves the hub running until SIGTERM or SIGINT. `account` names the market's Stone account. The
    hub knows the connectors of `connectors_dir` too.
    """
    configure_logging("error")
    with TemporaryDirectory(prefix="ponte-demo-") as folder:
        settings = _settings(Path(folder), connectors_dir)
        return run(_play(settings, seed=seed, keep=keep, as_json=as_json, account=account))


async def _play(settings: Settings, *, seed: int, keep: bool, as_json: bool, account: str | None) -> bool:
    started = system_stopwatch()
    clock, acquirer, dice = DayClock(_yesterday_morning()), Acquirer(), Dice(seed)
    cast = dice.cast(seed)
    async with AsyncExitStack() as stack:
        stone_url = await stack.enter_async_context(hosted(acquirer.app))
        hub = await stack.enter_async_context(open_hub(settings, clock=clock))
        await stack.enter_async_context(working(hub))
        base_url = await stack.enter_async_context(hosted(create_app(hub)))
        caller = await stack.enter_async_context(aclosing(Caller(base_url)))
        town = await found_town(caller, await _hub_key(hub), stone_url, cast, dice, account)
        story = Story(town, cast, dice, acquirer, clock)
        await story.play()
        statement = await _statement(story)
        report = await verified(settings)
        seconds = system_stopwatch() - started
        if not as_json:
            console = Console(highlight=False)
            show_story(console, story)
            show_statement(console, cast.people[4].name, statement)
            show_verdict(console, story.checks, report, seconds)
        elif not keep:
            typer.echo(json.dumps(_facts(story, statement, report), ensure_ascii=False))
        if keep:
            clock.run()
            await _stay(_doors(settings.data_dir, town, story, stone_url), as_json=as_json)
    return report.sound and all(check.right for check in story.checks)


def _settings(folder: Path, connectors_dir: Path | None) -> Settings:
    """Return settings of the demo's own: whatever the machine's environment says, it is not touched."""
    environ = {
        "PONTE_DATA_DIR": str(folder),
        "PONTE_MODE": "sandbox",
        "PONTE_ALLOW_ADDRESSES": "127.0.0.1",
        "PONTE_CONNECTORS_DIR": str(connectors_dir or ""),
    }
    return Settings.read(environ)


def _yesterday_morning() -> datetime:
    yesterday = system_clock().astimezone(ZONE).date() - timedelta(days=1)
    return datetime.combine(yesterday, OPENS_AT, ZONE)


async def _hub_key(hub: Hub) -> str:
    asked = keys.NewKey(keys.FROM_OUTSIDE, "", "demo", frozenset({"hub:admin"}))
    return (await hub.submit(keys.create, asked)).text


async def _statement(story: Story) -> list[dict[str, Any]]:
    """Return the statement of the member whose points were refunded after a cash-out, oldest first."""
    programme, person = story.town.points, story.cast.people[4]
    member_id = story.town.members[programme.programme_id, person.cpf]
    found = await ask(story.town.hub, programme.key, "GET", f"/v1/members/{member_id}/statement")
    return [
        {
            "at": clock_time(datetime.fromisoformat(line["learned_at"])),
            "text": line["text"],
            "units": line["units"] + line["debt_units"],
            "balance_after": line["balance_after"],
        }
        for line in reversed(found["data"])
    ]


def _facts(story: Story, statement: list[dict[str, Any]], report: Report) -> dict[str, Any]:
    """Return the story for programs: the same seed gives the same facts."""
    return {
        "seed": story.cast.seed,
        "scenes": [
            {
                "at": clock_time(scene.at),
                "title": scene.title,
                "told": scene.told,
                "checks": [{**asdict(check), "right": check.right} for check in scene.checks],
            }
            for scene in story.scenes
        ],
        "statement": statement,
        "ledger": report.as_dict(),
        "verified": report.sound and all(check.right for check in story.checks),
    }


def _doors(folder: Path, town: Town, story: Story, stone_url: str) -> dict[str, Any]:
    """Return all that a script needs to go on playing against this hub. Every secret in it ends with the hub."""
    key_file = folder / "acquirer.pem"
    key_file.write_bytes(story.acquirer.private_key_pem())
    return {
        "base_url": town.hub.base_url,
        "data_dir": str(folder),
        "hub_key": town.hub_key,
        "programmes": [
            {"programme_id": p.programme_id, "name": p.name, "unit": p.unit, "admin_key": p.key}
            for p in (town.points, town.cashback)
        ],
        "partners": [
            {
                "partner_id": shop.partner_id,
                "programme_id": shop.programme.programme_id,
                "name": shop.company.name,
                "rate_micro": shop.company.rate_micro,
                "store_id": shop.store_id,
            }
            for shop in town.shops
        ],
        "installations": [
            {
                "id": each.installation_id,
                "connector": each.connector,
                "programme_id": shop.programme.programme_id,
                "partner_id": shop.partner_id,
                "delivery_url": each.delivery_url,
                "secrets": dict(each.config),
            }
            for shop in town.shops
            for each in (shop.stone, shop.online)
            if each is not None
        ],
        "terminals": [
            {
                "id": shop.terminal.terminal_id,
                "serial": shop.terminal.serial,
                "secret": shop.terminal.secret,
                "programme_id": shop.programme.programme_id,
                "partner_id": shop.partner_id,
                "installation_id": shop.stone.installation_id,
            }
            for shop in town.shops
        ],
        "members": _members(town, story),
        "acquirer": {"base_url": stone_url, "private_key_file": str(key_file), "key_id": KEY_ID},
    }


def _members(town: Town, story: Story) -> list[Mapping[str, str]]:
    names = {person.cpf: person.name for person in (*story.cast.people, story.cast.stranger)}
    return [
        {"id": member_id, "programme_id": programme_id, "cpf": cpf, "name": names[cpf]}
        for (programme_id, cpf), member_id in town.members.items()
    ]


async def _stay(doors: dict[str, Any], *, as_json: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for asked in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(asked, stop.set)
    if as_json:
        typer.echo(json.dumps(doors, ensure_ascii=False))
    else:
        typer.echo(json.dumps(doors, ensure_ascii=False, indent=2))
        typer.echo("The hub stays until Ctrl-C.", err=True)
    await stop.wait()
