"""How a route writes and answers: one submit, one answer, kept with its effect when the caller names a key.

A refusal keeps its code and its sentence; its status is decided here and nowhere else.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from gateway import idempotency
from gateway.access import Principal
from gateway.http.guard import hub as hub_of
from gateway.http.refusals import documented
from gateway.idempotency import Action, Answer, Once
from gateway.problems import Problem
from loyalty.refusals import Refusal

Outcome = TypeVar("Outcome")

STATUS_OF: Final[Mapping[str, int]] = {
    "account_installed": 409,
    "already_claimed": 409,
    "launch_conflict": 409,
    "member_exists": 409,
    "programme_mode_fixed": 409,
    "member_unknown": 404,
    "sale_unknown": 404,
    "use_unknown": 404,
    "use_committed": 409,
    "use_released": 409,
}
"""Statuses of refusals; every other one is 422."""

_KEY = re.compile(r'(?P<quote>"?)(?P<key>[!#-\[\]-~]{1,128})(?P=quote)')
"""A structured-field string of the draft, or the bare text that many clients send."""


def refuses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that needs a key and may refuse with these codes."""
    return documented("unauthenticated", "forbidden", *codes)


def refuses_once(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that may be given an Idempotency-Key, see `refuses`."""
    return refuses("in_flight", "invalid", "idempotency_key_reused", *codes)


def refuses_keyless(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that does nothing without an Idempotency-Key, see `refuses`."""
    return refuses_once("idempotency_key_missing", *codes)


def told(status: int, model: BaseModel) -> Answer:
    """Return the answer that shows `model`."""
    return Answer(status, model.model_dump_json())


def refused(refusal: Refusal, extensions: Mapping[str, Any] | None = None) -> Answer:
    """Return the answer that says no; `extensions` are further members of the problem."""
    status = STATUS_OF.get(refusal.code, 422)
    return Answer(status, json.dumps({"code": refusal.code, "extensions": dict(extensions or {})}))


def accepted(outcome: Outcome | Refusal) -> Outcome:
    """Return an outcome that is no refusal; raise the problem of one that is."""
    if isinstance(outcome, Refusal):
        raise problem_of(refused(outcome))
    return outcome


def problem_of(answer: Answer) -> Problem:
    """Return the problem that a refused answer stands for."""
    said = json.loads(answer.body)
    refusal = Refusal(said["code"])
    problem = Problem.refusal(refusal.code, refusal.text, answer.status, said["extensions"])
    if answer.replayed:
        problem.headers["idempotency-replayed"] = "true"
    return problem


async def once(
    request: Request,
    caller: Principal,
    action: Action,
    item: Any,
    answer: Callable[[Any], Answer],
    *,
    refuse: Callable[[Refusal], Answer] = refused,
    required: bool = False,
) -> Response:
    """Do `action` for `item` and answer; the same Idempotency-Key hears the first answer again.

    `refuse` tells a business "no". `required`: without a key nothing is done (400). A key that is being
    answered right now gets 409.
    """
    hub = hub_of(request)
    key = _idempotency_key(request)
    if key is None and required:
        raise Problem("idempotency_key_missing")
    vault = hub.context.vault
    body = json.loads(await request.body() or b"null")
    asked = Once(
        programme_id=caller.programme_id,
        principal=caller.key_id,
        # Callers build keys from what they have at hand, a CPF too: only a keyed hash is kept.
        key=None if key is None else idempotency.fingerprint(vault, "KEY", "", key),
        fingerprint=idempotency.fingerprint(vault, request.method, request.url.path, body),
        action=action,
        item=item,
        answer=lambda outcome: refuse(outcome) if isinstance(outcome, Refusal) else answer(outcome),
    )
    if key is None:
        return _response(await hub.submit(idempotency.apply, asked))
    place = (caller.key_id, key)
    if place in hub.in_flight:
        raise Problem("in_flight", headers={"retry-after": "1"})
    hub.in_flight.add(place)
    try:
        return _response(await hub.submit(idempotency.apply, asked))
    finally:
        hub.in_flight.discard(place)


def _idempotency_key(request: Request) -> str | None:
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    found = _KEY.fullmatch(text.strip())
    if found is None:
        raise Problem("malformed", detail="Idempotency-Key deve ter de 1 a 128 caracteres visíveis.")
    return found["key"]


def _response(answer: Answer) -> Response:
    if answer.status >= 400:
        raise problem_of(answer)
    headers = {"idempotency-replayed": "true"} if answer.replayed else {}
    return Response(answer.body, answer.status, headers, "application/json")


def etag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def expected_version(request: Request) -> int:
    """Return the version that the caller read. Refuses: no If-Match (428), no tag of ours (412)."""
    text = request.headers.get("if-match")
    if text is None:
        raise Problem("precondition_required")
    bare = text.strip().removeprefix("W/").strip('"')
    if not (bare.isascii() and bare.isdigit() and len(bare) < 19):
        raise Problem("precondition_failed")
    return int(bare)
