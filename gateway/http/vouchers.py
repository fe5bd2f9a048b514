"""/v1/vouchers: issuing them, and what a checkout does with one: quote, reserve, commit, release, roll back.

Whoever presents a code hears one refusal for every reason; only the holder's document opens the true one.
"""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from gateway.access import Principal
from gateway.http.answers import once, problem_of, refused, refuses, refuses_keyless, told
from gateway.http.guard import hub, requires
from gateway.http.presented import Presented, honouring, present, uniform
from gateway.http.schemas import AmountCents, Id, Identified, Ref, Said, Shown, Units
from gateway.idempotency import Action, Answer
from gateway.members.queries import identity
from gateway.problems import Problem
from gateway.programmes.queries import stored_keys
from gateway.store import Connection
from gateway.vouchers import actions, issuing, qr, queries
from gateway.vouchers.actions import Revocation
from gateway.vouchers.issuing import Issued, MemberWish
from gateway.vouchers.lookup import Found
from gateway.vouchers.verbs import Asked, Hold, Told, Turn
from loyalty import codes
from loyalty.refusals import Refusal
from loyalty.vouchers import State

router = APIRouter(prefix="/v1/vouchers", tags=["vouchers"])

TTL_SECONDS = 900


class IssueSaid(Said):
    """Which reward for whom; of a cash-out, how many units."""

    member_id: Id
    reward_id: Id
    units: Units | None = None


class VoucherShown(Shown):
    """A voucher; `display_number` is for people and redeems nothing alone."""

    voucher_id: str
    member_id: str
    reward_id: str
    display_number: int
    code_tail: str
    state: State
    units: int
    free_cents: int
    held_cents: int
    spent_cents: int
    lapsed_cents: int
    returned_cents: int
    partner_id: str | None
    minimum_cents: int
    combinable: bool
    issued_at: datetime
    expires_at: datetime | None


class VoucherIssued(VoucherShown):
    """A voucher with its codes, which are shown this once: `code` for shoppers, `keypad_code` for terminals.

    `qr` is the text of a QR: the code and the terms, signed, so that a terminal knows it without a network.
    """

    code: str
    keypad_code: str
    qr: str


class QuoteSaid(Presented):
    """What would the voucher give on this order?"""

    order_cents: AmountCents
    amount_cents: AmountCents | None = None


class QuoteShown(Shown):
    """The discount it gives now; nothing is promised."""

    voucher_id: str
    display_number: int
    discount_cents: int
    free_cents: int
    combinable: bool
    expires_at: datetime | None


class ReserveSaid(QuoteSaid):
    """A promise to one order; it ends by itself after `ttl_seconds`."""

    order_ref: Ref
    ttl_seconds: Annotated[int, Field(ge=10, le=86_400)] = TTL_SECONDS


class RedeemSaid(QuoteSaid):
    """Reserve and commit in one request, for a till that is sure."""

    order_ref: Ref


class UseSaid(Said):
    """Which use of a voucher."""

    use_id: Id


class CommitSaid(UseSaid):
    """Spend what is reserved, or less of it; the rest is let go of."""

    amount_cents: AmountCents | None = None


class RollbackSaid(UseSaid):
    """Undo a commit, wholly or in part. `rollback_ref` names the refund: repeated, it changes nothing."""

    amount_cents: AmountCents | None = None
    rollback_ref: Ref | None = None


class UseShown(Shown):
    """One order's use of a voucher, and what this request moved (or had moved, when it is repeated)."""

    use_id: str
    voucher_id: str
    display_number: int
    partner_id: str
    order_ref: str
    state: str
    amount_cents: int
    held_cents: int
    spent_cents: int
    expires_at: datetime | None
    repeated: bool


@router.post("", status_code=201, response_model=VoucherIssued, responses=refuses_keyless("not_found"))
async def issue_voucher(
    request: Request, said: IssueSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Turn units into a voucher. The codes are in this answer only."""
    item = MemberWish(caller, said.member_id, said.reward_id, said.units)
    return await once(request, caller, issuing.issue_for, item, issued_answer, required=True)


def issued_answer(issued: Issued) -> Answer:
    """Return the answer that shows a voucher's codes."""
    shown = VoucherShown.model_validate(issued.row).model_dump()
    shown |= {"code": codes.written(issued.code), "keypad_code": codes.written(issued.keypad_code)}
    shown |= {"qr": issued.qr}
    return told(201, VoucherIssued(**shown))


@router.post("/lookup", responses=refuses("not_found", "invalid", "too_many_requests"))
async def look_up_voucher(
    request: Request, said: Presented, caller: Principal = requires("vouchers:read")
) -> VoucherShown:
    """Show the voucher behind a code, to whoever also knows its holder's document (404 otherwise)."""
    found = await present(request, caller, said)
    if found.row is None or not found.trusted or not _sees(caller, found.row["partner_id"]):
        raise Problem("not_found")
    return VoucherShown.model_validate(found.row)


@router.get("/{voucher_id}", responses=refuses("not_found"))
async def get_voucher(
    request: Request, voucher_id: Id, caller: Principal = requires("vouchers:read")
) -> VoucherShown:
    """Show a voucher without its codes."""
    query = partial(queries.vouchers_by, column="voucher_id", keys=[(caller.programme_id, voucher_id)])
    rows = await hub(request).read(query)
    if not rows or not _sees(caller, rows[0]["partner_id"]):
        raise Problem("not_found")
    return VoucherShown.model_validate(rows[0])


class RevealSaid(Identified):
    """The holder's document, which opens the code."""


class CodeShown(Shown):
    """A code as its holder types it, the text of its QR as it is worth now, and that QR as an SVG element."""

    voucher_id: str
    code: str
    qr: str
    qr_svg: str


@router.post("/{voucher_id}/reveal", responses=refuses("not_found", "invalid"))
async def reveal_voucher(
    request: Request, voucher_id: Id, said: RevealSaid, caller: Principal = requires("vouchers:write")
) -> CodeShown:
    """Show the code again, to its holder: whoever does not name the holder's document hears 404."""
    context, index = hub(request).context, said.document.text

    def find(conn: Connection) -> tuple[str, str] | None:
        keys = stored_keys(context.vault, conn, caller.programme_id)
        owner = identity(conn, caller.programme_id, keys.blind_index(index))
        rows = queries.vouchers_by(conn, "voucher_id", [(caller.programme_id, voucher_id)])
        if not rows or rows[0]["drawn"] or not _sees(caller, rows[0]["partner_id"]):
            return None
        if owner is None or owner["member_id"] != rows[0]["member_id"]:
            return None
        code = keys.open_code(voucher_id, rows[0]["code_sealed"])
        return codes.written(code), qr.text(keys, rows[0], code)

    shown = await hub(request).read(find)
    if shown is None:
        raise Problem("not_found")
    code, said_in_qr = shown
    picture = await asyncio.to_thread(qr.picture, said_in_qr)
    return CodeShown(voucher_id=voucher_id, code=code, qr=said_in_qr, qr_svg=picture)


@router.post("/quote", responses=refuses("not_found", "invalid", "too_many_requests"))
async def quote_voucher(
    request: Request, said: QuoteSaid, caller: Principal = requires("vouchers:write")
) -> QuoteShown:
    """Say what the voucher gives on an order; the same code path as `reserve`, and nothing is written."""
    partner_id = honouring(caller, said)
    found = await present(request, caller, said, partner_id)
    asked = Asked(caller.programme_id, found.voucher_id, partner_id, said.order_cents, said.amount_cents)
    cents = await hub(request).submit(actions.quote, asked)
    if isinstance(cents, Refusal):
        raise problem_of(refused(uniform(found, cents)))
    row = found.row
    assert row is not None
    return QuoteShown.model_validate({**row, "discount_cents": cents})


@router.post(
    "/reserve",
    status_code=201,
    response_model=UseShown,
    responses=refuses_keyless("not_found", "conflict", "too_many_requests"),
)
async def reserve_voucher(
    request: Request, said: ReserveSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Promise the voucher to an order. Of any number of requests exactly one gets it."""
    partner_id = honouring(caller, said)
    found = await present(request, caller, said, partner_id)
    item = _hold(caller, said, found.voucher_id, partner_id, said.order_ref, said.ttl_seconds)
    return await _presented_once(request, caller, actions.hold, item, found)


@router.post(
    "/redeem",
    status_code=201,
    response_model=UseShown,
    responses=refuses_keyless("not_found", "conflict", "too_many_requests"),
)
async def redeem_voucher(
    request: Request, said: RedeemSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Spend the voucher on an order in one request (baixa)."""
    partner_id = honouring(caller, said)
    found = await present(request, caller, said, partner_id)
    item = _hold(caller, said, found.voucher_id, partner_id, said.order_ref, None)
    return await _presented_once(request, caller, actions.redeem, item, found)


@router.post("/commit", response_model=UseShown, responses=refuses_keyless("not_found", "conflict"))
async def commit_use(
    request: Request, said: CommitSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Spend what is reserved (baixa). 409 `use_released`: the promise had ended."""
    item = Turn(caller.programme_id, said.use_id, said.amount_cents, partner_id=caller.partner_id)
    return await once(request, caller, actions.commit, item, partial(_used, 200), required=True)


@router.post("/release", response_model=UseShown, responses=refuses_keyless("not_found", "conflict"))
async def release_use(
    request: Request, said: UseSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Let go of what is reserved; the voucher may be used elsewhere. 409 `use_committed`: too late."""
    item = Turn(caller.programme_id, said.use_id, partner_id=caller.partner_id)
    return await once(request, caller, actions.release, item, partial(_used, 200), required=True)


@router.post("/rollback", response_model=UseShown, responses=refuses_keyless("not_found", "conflict"))
async def roll_back_use(
    request: Request, said: RollbackSaid, caller: Principal = requires("vouchers:write")
) -> Response:
    """Undo a commit after the order was cancelled or returned, wholly or in part."""
    item = Turn(caller.programme_id, said.use_id, said.amount_cents, said.rollback_ref, caller.partner_id)
    return await once(request, caller, actions.roll_back, item, partial(_used, 200), required=True)


@router.post(
    "/{voucher_id}/revoke", response_model=VoucherShown, responses=refuses_keyless("not_found", "conflict")
)
async def revoke_voucher(
    request: Request, voucher_id: Id, caller: Principal = requires("programme:admin")
) -> Response:
    """Take a voucher back: what is free returns to the wallet at once, what is reserved when it is let go."""
    item = Revocation(caller, voucher_id)
    return await once(request, caller, actions.revoke, item, _shown, required=True)


def _sees(caller: Principal, partner_id: str | None) -> bool:
    """Return whether a key may see what `partner_id` honours; what every partner honours is everybody's."""
    return partner_id is None or caller.sees(partner_id)


async def _presented_once(
    request: Request, caller: Principal, action: Action, item: Hold, found: Found
) -> Response:
    """Do it once; whoever only knows the code hears the one refusal."""
    return await once(
        request,
        caller,
        action,
        item,
        partial(_used, 201),
        refuse=lambda refusal: refused(uniform(found, refusal)),
        required=True,
    )


def _hold(
    caller: Principal,
    said: QuoteSaid,
    voucher_id: str,
    partner_id: str,
    order_ref: str,
    ttl_seconds: int | None,
) -> Hold:
    return Hold(
        programme_id=caller.programme_id,
        voucher_id=voucher_id,
        partner_id=partner_id,
        order_ref=order_ref,
        order_cents=said.order_cents,
        cents=said.amount_cents,
        ttl_seconds=ttl_seconds,
    )


def _used(status: int, outcome: Told) -> Answer:
    shown = {
        **outcome.use,
        "display_number": outcome.voucher["display_number"],
        "amount_cents": outcome.cents,
        "repeated": outcome.repeated,
    }
    return told(200 if outcome.repeated else status, UseShown.model_validate(shown))


def _shown(row: Any) -> Answer:
    return told(200, VoucherShown.model_validate(row))
