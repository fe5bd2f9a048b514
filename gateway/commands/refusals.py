"""What the hub refuses at start or on a command, in the words that a person reads.

Only what is listed here is shown as a sentence; anything else is a defect and keeps its traceback.
"""

from typing import Final


class CommandRefused(Exception):
    """A command cannot be carried out as it was given; the text says why and what to do."""


# By name: whoever has to say one sentence should not have to load the whole hub for it.
_SPOKEN: Final = frozenset(
    {
        "gateway.catalogue.CatalogueRefused",
        "gateway.commands.refusals.CommandRefused",
        "gateway.serve.AddressTaken",
        "gateway.settings.SettingsRefused",
        "gateway.store.outages.DatabaseRefused",
        "gateway.store.outages.Unavailable",
    }
)
_PROBLEM: Final = "gateway.problems.Problem"


def sentence_of(error: Exception) -> str | None:
    """Return one sentence for a person, or `None` for a defect."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if _PROBLEM in names:
        return str(getattr(error, "detail", error))
    return str(error) if names & _SPOKEN else None
