"""A voucher code as somebody presents it: read, looked up, and answered alike whatever is wrong with it.

A typo is told at once and touches no database; a wrong code costs a token of whoever tried it.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.documents import tax_id
from gateway.access import Principal
from gateway.http.answers import problem_of, refused
from gateway.http.schemas import CpfText, Id, Said, exactly_one
from gateway.hub import Hub
from gateway.members.queries import identity
from gateway.partners.queries import partner
from gateway.problems import FieldError, Problem
from gateway.programmes.queries import stored_keys
from gateway.store import Connection
from gateway.vouchers.queries import Row, vouchers_by
from loyalty import codes
from loyalty.codes import Mistyped
from loyalty.refusals import Refusal

NO_VOUCHER = "vou_none"
"""Stands for a voucher that was not found, so that looking further costs what a found one costs."""


class Presented(Said):
    """A voucher by its code, or by its keypad code together with the holder's CPF.

    With the holder's CPF the true reason of a refusal is told. `partner_id` says who honours it; a key that
    is bound to one partner need not.
    """

    model_config = exactly_one(("code", "keypad_code"))

    code: str | None = Field(default=None, min_length=1, max_length=64, repr=False)
    keypad_code: str | None = Field(default=None, min_length=1, max_length=64, repr=False)
    cpf: CpfText | None = Field(default=None, repr=False)
    partner_id: Id | None = None

    @model_validator(mode="after")
    def _one(self) -> "Presented":
        if (self.code is None) == (self.keypad_code is None):
            raise PydanticCustomError("one_code", "give a code or a keypad_code")
        if self.keypad_code is not None and self.cpf is None:
            raise PydanticCustomError("cpf_needed", "a keypad_code needs the cpf")
        return self


@dataclass(frozen=True, slots=True)
class Found:
    """What a code led to. `trusted`: the holder's document was given too."""

    row: Row | None
    trusted: bool

    @property
    def voucher_id(self) -> str:
        """The voucher, or one that does not exist."""
        return NO_VOUCHER if self.row is None else str(self.row["voucher_id"])


async def present(hub: Hub, caller: Principal, said: Presented) -> Found:
    """Return what a code led to within the caller's programme. Refused: a typo, and too many wrong codes."""
    code = _read(said)
    document = None if said.cpf is None else tax_id(said.cpf).text

    def find(conn: Connection) -> Found:
        keys = stored_keys(hub.context.vault, conn, caller.programme_id)
        column = "code_hash" if said.code is not None else "keypad_hash"
        rows = vouchers_by(conn, column, [(caller.programme_id, keys.code_hash(code))])
        owner = None
        if document is not None:
            owner = identity(conn, caller.programme_id, keys.blind_index(document))
        row = rows[0] if rows else None
        holds = row is not None and owner is not None and owner["member_id"] == row["member_id"]
        return Found(row if holds or document is None else None, holds)

    return await hub.read(find)


async def honouring(hub: Hub, caller: Principal, said: Presented) -> str:
    """Return which partner honours the voucher. Refused: none named, or one that the key does not know."""
    partner_id = said.partner_id or caller.partner_id
    if partner_id is None:
        raise Problem("invalid", errors=[FieldError("#/partner_id", "Informe o parceiro.")])
    query = partial(partner, programme_id=caller.programme_id, partner_id=partner_id)
    if not caller.sees(partner_id) or await hub.read(query) is None:
        raise Problem("not_found")
    return partner_id


def uniform(found: Found, refusal: Refusal) -> Refusal:
    """Return a refusal as the storefront hears it: one for all, unless the holder's document was shown."""
    return refusal if found.trusted else Refusal("voucher_not_accepted")


def _read(said: Presented) -> str:
    try:
        if said.code is not None:
            return codes.read_code(said.code)
        return codes.read_keypad_code(said.keypad_code or "")
    except Mistyped:
        raise problem_of(refused(Refusal("voucher_mistyped"), _hint(said))) from None


def _hint(said: Presented) -> dict[str, Any]:
    return {"look_alike": True} if codes.has_look_alike(said.code or "") else {}
