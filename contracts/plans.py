"""Running a plan with somebody's network; a plan itself does no I/O, as in httpx's `auth_flow`.

A plan is either its result, or a generator that yields `Request`, receives `Reply`, and returns it.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload

from contracts.connector import Plan, Steps
from contracts.http import Reply, Request

if TYPE_CHECKING:
    from typing_extensions import TypeIs

T = TypeVar("T")

Answer: TypeAlias = Callable[[Request], Reply]
AsyncAnswer: TypeAlias = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    result: T


def is_steps(plan: object) -> "TypeIs[Steps[Any]]":
    """Whether the plan must ask the vendor something; if not, it is its own result."""
    return isinstance(plan, Generator)


@overload
def run(plan: Steps[T], answer: Answer) -> T: ...
@overload
def run(plan: T, answer: Answer) -> T: ...
def run(plan: Plan[T], answer: Answer) -> T:
    """Return the plan's result; `answer` makes each request. Whatever `answer` raises ends the plan."""
    if not is_steps(plan):
        return plan
    step: Request | _Done[T] = _advance(plan, None)
    while not isinstance(step, _Done):
        step = _advance(plan, answer(step))
    return step.result


@overload
async def arun(plan: Steps[T], answer: AsyncAnswer) -> T: ...
@overload
async def arun(plan: T, answer: AsyncAnswer) -> T: ...
async def arun(plan: Plan[T], answer: AsyncAnswer) -> T:
    """Return the plan's result, as `run` does, with an `answer` that is awaited."""
    if not is_steps(plan):
        return plan
    step: Request | _Done[T] = _advance(plan, None)
    while not isinstance(step, _Done):
        step = _advance(plan, await answer(step))
    return step.result


def _advance(steps: Steps[T], reply: Reply | None) -> Request | _Done[T]:
    """Return the next request or the result; only the plan's own end counts as one, never `answer`'s."""
    try:
        return next(steps) if reply is None else steps.send(reply)
    except StopIteration as end:
        return _Done(end.value)
