"""The document of the API tells the truth: every operation is played as documented, and hears only what is documented."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.ecommerce.shopify.connector import connector as shopify
from gateway.http.api import build_api
from tests.gateway import real_values
from tests.gateway.caller import Caller, open_caller
from tests.gateway.real_values import SYSTEM, Cast, Real
from tests.gateway.world import NAMESPACE

EXAMPLES = 100
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

SIGNED_BY_US = {
    *("x-ponte-key", "x-ponte-timestamp", "x-ponte-nonce", "x-ponte-signature"),
    *("authorization", "content-type"),
}
"""Headers that a generated request gets from the test: they must be true of the bytes that are sent."""

schemathesis.openapi.format("cpf", real_values.CPFS)
schemathesis.openapi.format("cnpj", real_values.CNPJS)
schemathesis.openapi.format("time-zone", real_values.ZONES)
schemathesis.openapi.format("cursor", st.text("abcdefgh_-", min_size=1, max_size=40))

DOCUMENT = build_api().openapi()
OPERATIONS: dict[str, Any] = {}
for _found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations():
    assert isinstance(_found, Ok), _found
    OPERATIONS[_found.ok().definition.raw["operationId"]] = _found.ok()


class Stage:
    """A hub in this process and the loop it lives on, for tests that Hypothesis calls without one."""

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.caller: Caller = self.run(self._stack.enter_async_context(open_caller(database_url, shopify)))

    def run(self, coroutine: Any) -> Any:
        """Return what `coroutine` returns."""
        return self._runner.run(coroutine)

    def close(self) -> None:
        """Close the hub, then its loop."""
        self.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def stage(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    file = tmp_path_factory.mktemp("openapi") / "hub.sqlite"
    shutil.copy(migrated_sqlite, file)
    stage = Stage(f"sqlite:///{file}")
    yield stage
    stage.close()


class Played:
    """One operation in a programme of its own: what was asked, and how often the hub said what."""

    def __init__(self, stage: Stage, operation: Any) -> None:
        self.stage = stage
        self.operation = operation
        self.raw = operation.definition.raw
        self.cast: Cast = stage.run(Cast.gather(stage.caller))
        self.headers = {parameter.name for parameter in operation.headers}
        self.fields = _fields(self.raw)
        self.etags: dict[str, str] = {}
        self.heard: Counter[tuple[int, str]] = Counter()
        self.cursors: list[str] = []
        self.accepted: httpx.Request | None = None

    @property
    def yes(self) -> int:
        return sum(count for (status, _), count in self.heard.items() if 200 <= status < 300)

    async def ask(self, case: Any, *, real: bool) -> httpx.Response:
        """Return the answer to one generated request, made real or as it stands."""
        world = self.stage.caller.world
        world.clock.advance(timedelta(minutes=1))
        if real:
            await self._make_real(case)
        body = b"" if case.body is NOT_SET else json.dumps(case.body).encode()
        sent = case.as_transport_kwargs(base_url="http://hub")
        headers = {name: value for name, value in sent["headers"].items() if name.lower() not in SIGNED_BY_US}
        headers |= {"content-type": "application/json"} if body else {}
        headers |= self._credentials(body)
        answer = await self.stage.caller.http.request(
            case.method, sent["url"], params=sent.get("params"), content=body, headers=headers
        )
        self._listen(answer)
        self.accepted = answer.request if answer.is_success else self.accepted
        return answer

    async def keyless(self) -> tuple[int, str | None] | None:
        """Return the answer to an accepted request, sent again without its Idempotency-Key; `None` if it has none."""
        if self.accepted is None or "idempotency-key" not in self.accepted.headers:
            return None
        del self.accepted.headers["idempotency-key"]
        answer = await self.stage.caller.http.send(self.accepted)
        return answer.status_code, answer.json().get("code")

    async def _make_real(self, case: Any) -> None:
        real = Real(
            self.cast,
            self.raw["operationId"],
            writes=case.method != "GET",
            fields=self.fields,
            of_a_person="voucher_id" in case.path_parameters,
        )
        path = {name: await real.named(name, value) for name, value in case.path_parameters.items()}
        case.path_parameters = path
        case.query = {name: await real.named(name, value) for name, value in (case.query or {}).items()}
        if "cursor" in case.query:
            case.query["cursor"] = self.cursors.pop() if self.cursors else None
            case.query = {name: value for name, value in case.query.items() if value is not None}
        if "Idempotency-Key" in self.headers:
            case.headers["Idempotency-Key"] = self.cast.ref()
        if "If-Match" in self.headers:
            case.headers["If-Match"] = await self._version(case.formatted_path)
        if case.body is not NOT_SET:
            case.body = await real.body(case.body)

    async def _version(self, path: str) -> str:
        """Return the entity tag of what stands at `path` now; of what was never changed it is the first."""
        if path not in self.etags:
            self.etags[path] = (await self.cast.shop.caller.get(path)).headers.get("etag", '"1"')
        return self.etags[path]

    def _credentials(self, body: bytes) -> dict[str, str]:
        match self.raw["security"]:
            case [{"api_key": ["hub:admin"]}]:
                return {"authorization": f"Bearer {self.stage.caller.key}"}
            case [{"api_key": _}]:
                return {"authorization": f"Bearer {self.cast.shop.caller.key}"}
            case [{"device": _}]:
                return self.cast.proof(self.cast.device, self.cast.device_id, body)
            case _:
                return self.cast.proof(SYSTEM, NAMESPACE, body)

    def _listen(self, answer: httpx.Response) -> None:
        if "etag" in answer.headers:
            self.etags[answer.url.path] = answer.headers["etag"]
        said = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        places = ",".join(error["pointer"] for error in said.get("errors", ()))
        self.heard[answer.status_code, f"{said['code']} {places}" if answer.is_error else ""] += 1
        if isinstance(said.get("next_cursor"), str):
            self.cursors.append(said["next_cursor"])


def _fields(raw: Any) -> set[str]:
    """Return the names of the fields that an operation's body may have."""
    told = raw.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = DOCUMENT["components"]["schemas"].get(told.get("$ref", "").rpartition("/")[2], told)
    return set(schema.get("properties", ()))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_answers_as_documented_and_mostly_yes(stage: Stage, name: str) -> None:
    played = Played(stage, OPERATIONS[name])

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(played.operation.as_strategy())
    def play(case: Any) -> None:
        answer = stage.run(played.ask(case, real=played.heard.total() % 4 > 0))
        case.validate_response(answer, checks=CHECKS)

    play()
    mostly = 0 < played.heard.total() <= 2 * played.yes
    assert mostly, sorted(played.heard.items())
    needs_key = any(p.name == "Idempotency-Key" and p.is_required for p in played.operation.headers)
    assert (stage.run(played.keyless()) == (400, "idempotency_key_missing")) == needs_key
