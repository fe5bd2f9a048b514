"""What every command does first that opens the hub's database: settings read, notices spoken, logs switched on."""

from collections.abc import Mapping

import typer

from gateway.observe import configure_logging
from gateway.settings import Settings


def settings_of(environ: Mapping[str, str], *, quiet: bool = False, starting: bool = True) -> Settings:
    """Return the settings; a `quiet` command logs warnings only, whatever the hub's own level is.

    Only what may begin a hub's life is `starting`; other commands create neither key nor folder.
    """
    settings = Settings.read(environ, starting=starting)
    for notice in settings.notices:
        typer.secho(notice, fg="yellow", err=True)
    configure_logging("warning" if quiet else settings.log_level)
    return settings
