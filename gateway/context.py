"""What every action is given: the clock, identities, keys, and the memory of settings.

Nothing here is global; two hubs in one process do not know each other.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from gateway.catalogue import Catalogue
from gateway.ports import Clock, Ids
from gateway.privacy import Vault

T = TypeVar("T")

ANY_PROGRAMME = ""
"""Where things are remembered that are found by an id alone, such as an installation or an API key."""


class Memory:
    """Settings as the writer last read them.

    Only the write path fills it (one writer, always the newest state), an action that changes a setting
    forgets it, and a rolled-back transaction clears everything: no reader ever sees a stale value.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[Hashable, Any]] = {}

    def get(self, programme_id: str, what: Hashable, load: Callable[[], T]) -> T:
        """Return `what` of a programme, loading it at most once."""
        shelf = self._known.setdefault(programme_id, {})
        if what not in shelf:
            shelf[what] = load()
        return cast("T", shelf[what])

    def forget(self, programme_id: str) -> None:
        """Drop what is known of one programme, and what was found without naming one."""
        self._known.pop(programme_id, None)
        self._known.pop(ANY_PROGRAMME, None)

    def peek(self, programme_id: str, what: Hashable) -> Any:
        """Return `what` if it is known, else `None`; never loads."""
        return self._known.get(programme_id, {}).get(what)

    def clear(self) -> None:
        """Drop everything."""
        self._known.clear()


@dataclass(frozen=True, slots=True)
class Context:
    """The ports that actions use."""

    clock: Clock
    ids: Ids
    vault: Vault
    catalogue: Catalogue
    memory: Memory = field(default_factory=Memory)
