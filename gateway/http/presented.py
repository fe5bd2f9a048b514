"""A voucher code as somebody presents it: read, looked up, and answered alike whatever is wrong with it.

A typo is told at once and touches no database; a wrong code costs a token of whoever tried it.
"""

import math
from typing import Any

import structlog
from fastapi import Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.documents import tax_id
from gateway.access import Principal
from gateway.http.answers import problem_of, refused
from gateway.http.guard import hub as hub_of
from gateway.http.schemas import CpfText, Id, Said, exactly_one
from gateway.hub import Hub
from gateway.problems import FieldError, Problem
from gateway.vouchers import lookup
from gateway.vouchers.lookup import Found, Sought, Typed
from gateway.vouchers.throttle import Attempt, Name
from loyalty import codes
from loyalty.codes import Mistyped
from loyalty.refusals import Refusal

_log = structlog.get_logger("ponte.vouchers")


class Presented(Said):
    """A voucher by its code, by the text of its QR, or by its keypad code with the holder's CPF.

    With the holder's CPF the true reason of a refusal is told. `partner_id` says who honours it; a key that
    is bound to one partner need not.
    """

    model_config = exactly_one(("code", "keypad_code", "qr"))

    code: str | None = Field(default=None, min_length=1, max_length=64, repr=False)
    keypad_code: str | None = Field(default=None, min_length=1, max_length=64, repr=False)
    qr: str | None = Field(default=None, min_length=1, max_length=256, repr=False)
    cpf: CpfText | None = Field(default=None, repr=False)
    partner_id: Id | None = None

    @model_validator(mode="after")
    def _one(self) -> "Presented":
        if [self.code, self.keypad_code, self.qr].count(None) != 2:
            raise PydanticCustomError("one_code", "give a code, a keypad_code or a qr")
        if self.keypad_code is not None and self.cpf is None:
            raise PydanticCustomError("cpf_needed", "a keypad_code needs the cpf")
        return self


async def present(
    request: Request, caller: Principal, said: Presented, partner_id: str | None = None
) -> Found:
    """Return what a code led to within the caller's programme.

    Refused: a typo, too many wrong codes, and a `partner_id` that names no partner.
    """
    document = None if said.cpf is None else tax_id(said.cpf).text
    typed = read(said.code, said.keypad_code, said.qr, document)
    tried_by = [("key", caller.key_id), ("address", request.client.host if request.client else "")]
    return await look_up(hub_of(request), caller.programme_id, typed, *tried_by, partner_id=partner_id)


def read(code: str | None, keypad_code: str | None, qr: str | None, document: str | None) -> Typed:
    """Return what was typed or scanned. Refused: a typo, with a hint where one symbol looks like another."""
    try:
        if code is not None:
            return lookup.typed_code(code, document)
        if keypad_code is not None:
            return lookup.typed_keypad_code(keypad_code, document or "")
        return lookup.scanned(qr or "", document)
    except Mistyped:
        raise _mistyped(code or "") from None


async def look_up(
    hub: Hub, programme_id: str, typed: Typed, *tried_by: Name, partner_id: str | None = None
) -> Found:
    """Return what a code leads to. Refused: whoever tried too many that lead nowhere, until he has waited.

    While a programme is being guessed at, a code counts only together with its holder's document. A partner
    that does not exist is refused, whatever the code.
    """
    names = tried_by
    if typed.document is not None:
        names = (*names, ("cpf", hub.context.vault.hub.blind_index(typed.document)))
    attempt = Attempt(programme_id, names, bound=typed.document is not None)
    _admit(hub, attempt)

    try:
        # Asked in the writer's lane, where all that are waiting are looked up at once.
        found = await hub.submit(lookup.look_up, Sought(programme_id, typed, partner_id))
    except Mistyped:
        raise _mistyped("") from None
    _count(hub, attempt, missed=found.row is None)
    return found


def _admit(hub: Hub, attempt: Attempt) -> None:
    now = hub.context.clock()
    wait = hub.throttle.wait(attempt, now)
    if wait:
        hub.metrics.voucher_code("throttled")
        seconds = math.ceil(wait.total_seconds())
        raise Problem("too_many_requests", headers={"retry-after": str(seconds)})
    if hub.throttle.needs_document(attempt, now):
        hub.metrics.voucher_code("unbound")
        raise problem_of(refused(Refusal("voucher_needs_cpf")))


def _count(hub: Hub, attempt: Attempt, *, missed: bool) -> None:
    hub.metrics.voucher_code("missed" if missed else "found")
    now = hub.context.clock()
    if not missed:
        hub.throttle.found(attempt, now)
    elif hub.throttle.missed(attempt, now):
        _log.warning("voucher codes are being guessed", programme=attempt.programme_id)


def honouring(caller: Principal, said: Presented) -> str:
    """Return which partner honours the voucher. Refused: none named, or one that is not the key's."""
    partner_id = said.partner_id or caller.partner_id
    if partner_id is None:
        raise Problem("invalid", errors=[FieldError("#/partner_id", "Informe o parceiro.")])
    if not caller.sees(partner_id):
        raise Problem("not_found")
    return partner_id


def uniform(found: Found, refusal: Refusal) -> Refusal:
    """Return a refusal as the storefront hears it: one for all, unless the holder's document was shown.

    That a request's name was used before says nothing of the code.
    """
    told = found.trusted or refusal.code == "nonce_reused"
    return refusal if told else Refusal("voucher_not_accepted")


def _mistyped(code: str) -> Problem:
    hint: dict[str, Any] = {"look_alike": True} if codes.has_look_alike(code) else {}
    return problem_of(refused(Refusal("voucher_mistyped"), hint))
