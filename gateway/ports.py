"""The machine's clock and randomness, as values that are passed in. No other file of the hub reads either."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present instant, aware, in UTC."""

Entropy: TypeAlias = Callable[[int], bytes]
"""Returns that many unpredictable bytes."""

Stopwatch: TypeAlias = Callable[[], float]
"""Returns seconds that only grow; for durations, never for instants."""

system_entropy: Entropy = token_bytes
system_stopwatch: Stopwatch = time.perf_counter

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_SHIFTS = tuple(range(110, -1, -10))
_LAST_PAIR = 10
_ENTROPY_BITS = 80


def system_clock() -> datetime:
    """Return the present instant of this machine, aware, in UTC."""
    return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is moved; for the demo and the tests."""

    def __init__(self, at: datetime) -> None:
        self.set(at)

    def __call__(self) -> datetime:
        """Return the instant it was last set to, in UTC."""
        return self._at

    def set(self, at: datetime) -> None:
        """Move to `at`, forwards or backwards. A naive instant is refused."""
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware instant")
        self._at = at.astimezone(UTC)

    def advance(self, by: timedelta) -> datetime:
        """Move by `by` and return the new instant."""
        self._at += by
        return self._at


def earliest_id(prefix: str, at: datetime) -> str:
    """Return what every identity that `Ids` makes at `at` or later comes after, or equals."""
    high = int(at.timestamp() * 1000) << _ENTROPY_BITS - _LAST_PAIR
    return prefix + _beginning(high) + _PAIRS[0]


def _beginning(high: int) -> str:
    """Return an identity between its prefix and its last pair of digits."""
    return "_" + "".join([_PAIRS[high >> shift & 1023] for shift in _SHIFTS])


class Ids:
    """Makes our own identities. Safe to call from the event loop and the writer thread at once."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._last = 0
        self._high = -1
        self._begun = ""
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return `prefix_` and 26 lower-case Crockford base32 digits: 48 bits of milliseconds, 80 of entropy.

        Strictly increasing within this process as text, also when the clock stands still or goes back.
        An identity, not a secret: within one millisecond the next one follows from the last.
        """
        milliseconds = int(self._clock().timestamp() * 1000)
        with self._lock:
            if milliseconds > self._last >> _ENTROPY_BITS:
                fresh = int.from_bytes(self._entropy(_ENTROPY_BITS // 8), "big")
                self._last = milliseconds << _ENTROPY_BITS | fresh
            else:
                self._last += 1
            high, low = self._last >> _LAST_PAIR, self._last & 1023
            if high != self._high:  # most differ from the one before in their last pair only
                self._high = high
                self._begun = _beginning(high)
            return prefix + self._begun + _PAIRS[low]

    def number63(self) -> int:
        """Return an unguessable positive 63-bit integer, such as the order id that a terminal carries."""
        while True:
            number = int.from_bytes(self._entropy(8), "big") >> 1
            if number > 0:
                return number
