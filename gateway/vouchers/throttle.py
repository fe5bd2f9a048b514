"""How many wrong voucher codes may be tried: by key, terminal, store, address and document, and in a programme.

Only a code that led nowhere costs anything: typos are told without a look-up, and what was found was no guess.
Kept in the memory of one process's event loop; with several processes each grants its own allowance.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

Name: TypeAlias = tuple[str, str]
"""Who tries: what kind of trier, and which one."""


class Allowance(NamedTuple):
    """`tokens` at once, and again after each `within`; a token comes back every `within / tokens`."""

    tokens: int
    within: timedelta

    @property
    def each(self) -> timedelta:
        """How long one token takes to come back."""
        return self.within / self.tokens


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

ALLOWANCES: Final = (Allowance(10, MINUTE), Allowance(50, HOUR))
BEHIND_ONE_ADDRESS: Final = (Allowance(100, MINUTE), Allowance(500, HOUR))
"""Many keys may stand behind one address, such as that of a proxy."""

WATCHED: Final = timedelta(minutes=5)
ALARMING_TRIES: Final = 100
ALARM: Final = timedelta(minutes=15)
_SWEPT_AT_LEAST: Final = 1024


@dataclass(frozen=True, slots=True)
class Attempt:
    """A code is about to be looked up; `bound` says that the holder's document was given with it."""

    programme_id: str
    names: tuple[Name, ...]
    bound: bool


@dataclass(slots=True)
class Watch:
    """What was tried in a programme within one span of time."""

    ends_at: datetime
    tries: int = 0
    missed: int = 0


@dataclass(slots=True)
class Throttle:
    """Two buckets for every name, and one watch for every programme.

    A bucket is the instant at which it will be full again. Attempts that are under way at once may overdraw
    it; what was overdrawn must come back first, so that the pace holds however many run side by side.
    """

    _full_at: dict[Name, list[datetime]] = field(default_factory=dict)
    _watches: dict[str, Watch] = field(default_factory=dict)
    _alarmed_until: dict[str, datetime] = field(default_factory=dict)
    _sweep_at: int = _SWEPT_AT_LEAST

    def wait(self, attempt: Attempt, now: datetime) -> timedelta:
        """Return how long this attempt has to wait; nothing if it may look."""
        return max((self._wait(name, now) for name in attempt.names), default=timedelta())

    def needs_document(self, attempt: Attempt, now: datetime) -> bool:
        """Return whether the programme is being guessed at, so that a code alone no longer counts."""
        return not attempt.bound and now < self._alarmed_until.get(attempt.programme_id, now)

    def found(self, attempt: Attempt, now: datetime) -> None:
        """Count a code that led to a voucher."""
        self._watch(attempt.programme_id, now).tries += 1

    def missed(self, attempt: Attempt, now: datetime) -> bool:
        """Count a code that led nowhere; return whether it raised the programme's alarm."""
        for name in attempt.names:
            full_at = self._full_at.setdefault(name, [now, now])
            for n, allowance in enumerate(_allowances(name)):
                full_at[n] = max(full_at[n], now) + allowance.each
        if len(self._full_at) >= self._sweep_at:
            self._sweep(now)
        return self._alarms(attempt.programme_id, now)

    def _wait(self, name: Name, now: datetime) -> timedelta:
        full_at = self._full_at.get(name, ())
        pairs: Iterable[tuple[datetime, Allowance]] = zip(full_at, _allowances(name), strict=False)
        waits = [at + allowance.each - allowance.within - now for at, allowance in pairs]
        return max([timedelta(), *waits])

    def _alarms(self, programme_id: str, now: datetime) -> bool:
        watch = self._watch(programme_id, now)
        watch.tries += 1
        watch.missed += 1
        if watch.tries < ALARMING_TRIES or watch.missed * 2 < watch.tries:
            return False
        del self._watches[programme_id]
        silent = now >= self._alarmed_until.get(programme_id, now)
        self._alarmed_until[programme_id] = now + ALARM
        return silent

    def _watch(self, programme_id: str, now: datetime) -> Watch:
        watch = self._watches.get(programme_id)
        if watch is None or watch.ends_at <= now:
            watch = self._watches[programme_id] = Watch(now + WATCHED)
        return watch

    def _sweep(self, now: datetime) -> None:
        """Forget whoever's buckets are full again."""
        self._full_at = {name: at for name, at in self._full_at.items() if max(at) > now}
        self._sweep_at = max(_SWEPT_AT_LEAST, 2 * len(self._full_at))


def _allowances(name: Name) -> tuple[Allowance, ...]:
    return BEHIND_ONE_ADDRESS if name[0] == "address" else ALLOWANCES
