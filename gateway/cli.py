"""The command `ponte`: names, options and exit codes; what a command does lives in `gateway/commands`.

Each command imports what it needs when it runs, so that `ponte --help` answers within 200 ms.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", envvar="PONTE_JSON", help="Print JSON for programs instead of text for people.")
]

app = typer.Typer(
    name="ponte",
    help="Ponte: card sales, store orders and fiscal documents become points, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


def main() -> None:
    """Run the command line."""
    app()


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Turn what the hub refuses into one sentence and exit code 1; a defect of ours keeps its traceback."""
    try:
        yield
    except Exception as error:
        from gateway.commands.refusals import sentence_of

        sentence = sentence_of(error)
        if sentence is None:
            raise
        typer.secho(sentence, fg="red", err=True)
        raise typer.Exit(1) from None


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(envvar="PONTE_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PONTE_PORT", min=0, max=65_535, help="0 takes a free one.")] = 8000,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", envvar="PONTE_NO_WORKER", help="Leave what is due to another process.")
    ] = False,
    json: Json = False,
) -> None:
    """Run the hub: HTTP and the worker, until SIGTERM or Ctrl-C."""
    from gateway.commands import running

    with _plainly():
        running.serve(os.environ, host=host, port=port, with_worker=not no_worker, as_json=json)


@app.command()
def work(
    *,
    once: Annotated[bool, typer.Option("--once", envvar="PONTE_ONCE", help="Do what is due, then end.")] = False,
    json: Json = False,
) -> None:
    """Do what is due by the clock, without HTTP. Takes the place of a hub: one process writes a database."""
    from gateway.commands import running

    with _plainly():
        running.work(os.environ, once=once, as_json=json)
