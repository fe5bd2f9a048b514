"""The hub with a talkative library inside: every body and path that arrives is logged, as some library always will.

Run as `python -m tests.journeys.chatty_hub [--unmasked] serve ...`; `--unmasked` switches the mask of the logs off,
and keeps references as they come.
"""

import logging
import sys
from functools import partial

from gateway import privacy, serve
from gateway.app import create_app
from gateway.cli import main
from gateway.commands import startup
from gateway.edge import App, Receive, Scope
from gateway.hub import Hub
from gateway.observe import configure_logging
from gateway.problems import Send


def chatty(hub: Hub) -> App:
    """Return the application of a hub that tells a library's logger whatever it hears."""
    quiet = create_app(hub)

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        async def heard() -> dict[str, object]:
            message = await receive()
            logging.getLogger("some.library").warning("heard %r", message.get("body"))
            return dict(message)

        logging.getLogger("some.library").warning("asked %s %s", scope["path"], scope["query_string"])
        await quiet(scope, heard, send)

    return listen


# The one name by which `serve` makes its application.
vars(serve)["create_app"] = chatty

if __name__ == "__main__":
    if "--unmasked" in sys.argv:
        sys.argv.remove("--unmasked")
        vars(startup)["configure_logging"] = partial(configure_logging, masked=False)
        vars(privacy)["may_be_personal"] = lambda _text: False
    main()
