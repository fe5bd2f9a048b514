"""What the hub refuses at start or on a command, in the words that a person reads.

Only what is listed here is shown as a sentence; anything else is a defect and keeps its traceback.
"""

from gateway.catalogue import CatalogueRefused
from gateway.problems import Problem
from gateway.serve import AddressTaken
from gateway.settings import SettingsRefused
from gateway.store.outages import DatabaseRefused, Unavailable


class CommandRefused(Exception):
    """A command cannot be carried out as it was given; the text says why and what to do."""


_SPOKEN = (AddressTaken, CatalogueRefused, CommandRefused, DatabaseRefused, SettingsRefused, Unavailable)


def sentence_of(error: Exception) -> str | None:
    """Return one sentence for a person, or `None` for a defect."""
    if isinstance(error, Problem):
        return error.detail
    return str(error) if isinstance(error, _SPOKEN) else None
