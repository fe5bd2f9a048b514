"""`ponte serve` and `ponte work`: settings read, logs set up, a hub run to its end."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace

import typer

from gateway import serve as serving
from gateway.commands.startup import settings_of


def serve(environ: Mapping[str, str], *, host: str, port: int, with_worker: bool, as_json: bool) -> None:
    """Run the hub with HTTP until it is told to stop."""
    settings = replace(settings_of(environ), host=host, port=port)

    def listening(base_url: str) -> None:
        if as_json:
            typer.echo(json.dumps({"base_url": base_url, "pid": os.getpid()}))
        else:
            typer.echo(f"Ponte is listening on {base_url} (Ctrl-C stops it)", err=True)

    serving.run(serving.serve(settings, listening, with_worker=with_worker))


def work(environ: Mapping[str, str], *, once: bool, as_json: bool) -> None:
    """Do what is due, once or until told to stop."""
    settings = settings_of(environ)
    if once:
        done = serving.run(serving.work_once(settings))
        typer.echo(json.dumps({"done": done}) if as_json else f"{done} things were due and are done.")
        return

    def working() -> None:
        typer.echo(
            json.dumps({"pid": os.getpid()}) if as_json else "Ponte is working (Ctrl-C stops it)",
            err=not as_json,
        )

    serving.run(serving.work(settings, working))
