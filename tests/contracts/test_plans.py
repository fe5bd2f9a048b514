from collections.abc import Generator

import pytest

from contracts.connector import Steps
from contracts.errors import RetryLater
from contracts.http import Reply, Request, get, post
from contracts.plans import arun, is_steps, run


def two_requests(order: str) -> Steps[list[str]]:
    first = yield get(f"/orders/{order}", fields="id")
    second = yield post("/seen", first.body)
    return [first.body.decode(), str(second.status)]


def no_request() -> Steps[str]:
    yield from ()
    return "known already"


def echo(request: Request) -> Reply:
    return Reply(200 if request.method == "GET" else 201, request.path.encode())


async def aecho(request: Request) -> Reply:
    return echo(request)


def refuse(request: Request) -> Reply:
    raise AssertionError(request.path)


def test_a_value_is_its_own_result_and_asks_nothing() -> None:
    assert run("done", refuse) == "done"
    assert not is_steps(["done"])


def test_steps_get_each_reply_in_turn() -> None:
    assert is_steps(two_requests("7"))
    assert run(two_requests("7"), echo) == ["/orders/7", "201"]


def test_steps_may_end_without_asking() -> None:
    assert run(no_request(), refuse) == "known already"


async def test_steps_run_the_same_with_an_awaited_network() -> None:
    assert await arun(two_requests("7"), aecho) == run(two_requests("7"), echo)
    assert await arun("done", aecho) == "done"
    assert await arun(no_request(), aecho) == "known already"


def test_the_networks_failure_ends_the_plan_and_reaches_the_caller() -> None:
    def busy(request: Request) -> Reply:
        raise RetryLater(after_seconds=30)

    with pytest.raises(RetryLater) as later:
        run(two_requests("7"), busy)
    assert later.value.after_seconds == 30


def test_a_stop_iteration_of_the_network_is_not_taken_for_the_plans_end() -> None:
    def empty(request: Request) -> Reply:
        return next(iter(()))

    with pytest.raises(StopIteration):
        run(two_requests("7"), empty)


def test_the_plans_own_failure_reaches_the_caller_with_its_line() -> None:
    def faulty() -> Generator[Request, Reply, str]:
        reply = yield get("/x")
        return str(int(reply.body))

    with pytest.raises(ValueError) as failed:
        run(faulty(), echo)
    assert failed.traceback[-1].name == "faulty"
