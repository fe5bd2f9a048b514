"""Group commit: concurrent writes share a transaction, and each is answered after its commit.

A batch is whatever gathered while the last one was being committed. Nobody waits to make a batch larger.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection

from gateway.ports import Stopwatch, system_stopwatch
from gateway.store.outages import Busy, Closing, Interrupted, Unavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Answer = TypeVar("Answer")

Action: TypeAlias = Callable[[Connection, Sequence[Item]], Sequence[Outcome | Exception]]
"""A write for a set of items: returns one outcome per item, in their order.

An outcome that is an exception is raised to its submitter alone, and the transaction goes on. An exception
that is raised rolls everything back, and each item is tried without the others.
"""

BatchOutcome: TypeAlias = Literal["committed", "rolled_back", "unavailable"]
OnBatch: TypeAlias = Callable[[int, float, BatchOutcome], None]
"""Hears of every transaction: how many items, how many seconds, how it ended."""

BATCH_MAX = 400
PAUSES_SECONDS = (0.02, 0.1, 0.4, 1.0, 2.0)


class Transact(Protocol):
    """Runs `work` in one write transaction and commits it; a raised exception leaves nothing behind."""

    def __call__(self, work: Callable[[Connection], Answer], /) -> Awaitable[Answer]: ...


class _Job(Generic[Item, Outcome]):
    """One item on its way. Its submitter may have gone; then the answer is done already."""

    __slots__ = ("action", "answer", "item")

    def __init__(self, action: Action[Item, Outcome], item: Item, answer: asyncio.Future[Outcome]) -> None:
        self.action, self.item, self.answer = action, item, answer

    def settle(self, outcome: Outcome | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


Jobs: TypeAlias = Sequence[_Job[Any, Any]]


def nobody_listens(size: int, seconds: float, outcome: BatchOutcome) -> None:
    """The `OnBatch` that does nothing."""


class Committer:
    """Gathers items, commits them in batches of at most `BATCH_MAX`, and answers. Belongs to one event loop.

    `queue_max` items may wait; one more is refused with `Busy`.
    """

    def __init__(
        self,
        transact: Transact,
        *,
        queue_max: int,
        on_batch: OnBatch = nobody_listens,
        stopwatch: Stopwatch = system_stopwatch,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
    ) -> None:
        self.on_rollback: list[Callable[[], None]] = []
        """Called after every transaction that did not commit: what was cached from it must be dropped."""
        self._transact = transact
        self._queue_max = queue_max
        self._on_batch = on_batch
        self._stopwatch = stopwatch
        self._pauses_seconds = pauses_seconds
        self._waiting: deque[_Job[Any, Any]] = deque()
        self._closing = False
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._running = self._loop.create_task(self._run(), name="committer")

    async def submit(self, action: Action[Item, Outcome], item: Item) -> Outcome:
        """Return what `action` answered for `item`, after the commit that holds it.

        Items of one batch are grouped by action: pass the same function each time, not a fresh lambda.
        Refuses with `Busy`, `StorageFull`, `Interrupted` or `Closing`. A submitter that is cancelled stops
        waiting; its item is committed all the same.
        """
        if self._closing:
            raise Closing("the hub is stopping")
        if len(self._waiting) >= self._queue_max:
            raise Busy(f"{self._queue_max} writes are waiting already")
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.append(_Job(action, item, answer))
        self._arrived.set()
        return await answer

    @property
    def waiting(self) -> int:
        """How many items wait for the next batch."""
        return len(self._waiting)

    async def close(self) -> None:
        """Take nothing new and return when everything that waits is answered. A second call does nothing."""
        self._closing = True
        self._arrived.set()
        await asyncio.shield(self._running)

    async def _run(self) -> None:
        batch: Jobs = ()
        try:
            while True:
                while not self._waiting:
                    if self._closing:
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
                size = min(len(self._waiting), BATCH_MAX)
                batch = [self._waiting.popleft() for _ in range(size)]
                await self._commit(batch)
        except BaseException:
            # A defect of ours: whoever waits hears of it, and so does whoever comes.
            self._closing = True
            for job in (*batch, *self._waiting):
                job.settle(Closing("the committer stopped"))
            raise

    async def _commit(self, jobs: Jobs) -> None:
        """Commit `jobs` together, or, where that fails, each half for itself, down to the one at fault."""
        ended = await self._persist(jobs)
        if isinstance(ended, Unavailable):
            # One each: a raised exception collects the trace of whoever raises it.
            ended = [type(ended)(*ended.args) for _ in jobs]
        elif isinstance(ended, Exception):
            if len(jobs) > 1:
                middle = len(jobs) // 2
                await self._commit(jobs[:middle])
                await self._commit(jobs[middle:])
                return
            ended = [ended]
        for job, outcome in zip(jobs, ended, strict=True):
            job.settle(outcome)

    async def _persist(self, jobs: Jobs) -> list[Any] | Exception:
        """Return how the transaction of `jobs` ended, sent again while the database interrupts it."""
        ended = await self._attempt(jobs)
        for pause_seconds in self._pauses_seconds:
            if not isinstance(ended, Interrupted):
                break
            await asyncio.sleep(pause_seconds)
            ended = await self._attempt(jobs)
        return ended

    async def _attempt(self, jobs: Jobs) -> list[Any] | Exception:
        """Return the outcomes that were committed, or the reason why nothing was."""
        started = self._stopwatch()
        ended: list[Any] | Exception
        try:
            ended = await self._transact(lambda conn: _apply(conn, jobs))
            outcome: BatchOutcome = "committed"
        except Exception as error:  # noqa: BLE001 -- whatever an action raises belongs to a submitter
            ended = error
            outcome = "unavailable" if isinstance(error, Unavailable) else "rolled_back"
            for forget in self.on_rollback:
                forget()
        # Through the loop, so that a listener's defect is reported and hurts no submitter.
        self._loop.call_soon(self._on_batch, len(jobs), self._stopwatch() - started, outcome)
        return ended


def _apply(conn: Connection, jobs: Jobs) -> list[Any]:
    """Call each action once with all its items, in order of first arrival; answer in the order of `jobs`."""
    places: dict[Action[Any, Any], list[int]] = {}
    for place, job in enumerate(jobs):
        places.setdefault(job.action, []).append(place)
    outcomes: list[Any] = [None] * len(jobs)
    for action, mine in places.items():
        try:
            answers = action(conn, [jobs[place].item for place in mine])
        except StopIteration as error:
            # No future can carry it: its waiter would wait for ever.
            raise RuntimeError("an action let StopIteration escape") from error
        for place, answer in zip(mine, answers, strict=True):
            outcomes[place] = answer
    return outcomes
