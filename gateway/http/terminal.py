"""`/v1/terminal/*`: what a payment terminal may ask, signed by the device (`x-ponte-*` headers).

Plain ASGI like the inbound lane: the answer must be there while the receipt prints.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from contracts.documents import tax_id
from contracts.errors import Forged, Malformed
from contracts.http import Delivery
from contracts.money import CENTS_MAX
from contracts.signatures import HmacFields
from gateway import terminal
from gateway.edge import Receive, Scope, headers_of, whole_body
from gateway.http.inbound import answer_json
from gateway.http.presented import look_up, read, uniform
from gateway.http.schemas import exactly_one
from gateway.hub import Hub
from gateway.installations.queries import Installed, TerminalDevice
from gateway.problems import FieldError, Problem, Send, field_errors
from gateway.store.outages import Unavailable
from gateway.terminal import Call
from gateway.vouchers import actions as vouchers
from gateway.vouchers import qr
from gateway.vouchers.lookup import Found
from gateway.vouchers.verbs import Hold, Turn
from loyalty.refusals import Refusal

Device: TypeAlias = tuple[TerminalDevice, Installed, Delivery, str]
Reservation = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]

STATUS_OF = {"reservation_unknown": 404, "nonce_reused": 409, "use_unknown": 404, "use_committed": 409}
"""Statuses of refusals; every other one is 422."""


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class ReserveBody(_Body):
    """A CPF typed before payment."""

    cpf: str = Field(min_length=11, max_length=32, json_schema_extra={"format": "cpf"})
    amount_cents: int | None = Field(default=None, ge=1, le=CENTS_MAX)


class ResultBody(_Body):
    """The device's answer as the payment application gave it, and a CPF typed after payment."""

    answer: str = Field(min_length=1, max_length=8192)
    reservation: Reservation | None = None
    cpf: str | None = Field(default=None, min_length=11, max_length=32, json_schema_extra={"format": "cpf"})


class VoucherBody(_Body):
    """A voucher presented before payment: its keypad code with the holder's CPF, or the text of its QR."""

    model_config = _Body.model_config | exactly_one(("keypad_code", "qr"))

    keypad_code: str | None = Field(default=None, min_length=1, max_length=64, repr=False)
    qr: str | None = Field(default=None, min_length=1, max_length=256, repr=False)
    cpf: str | None = Field(
        default=None, min_length=11, max_length=32, repr=False, json_schema_extra={"format": "cpf"}
    )
    order_cents: int = Field(ge=1, le=CENTS_MAX)
    amount_cents: int | None = Field(default=None, ge=1, le=CENTS_MAX)

    @model_validator(mode="after")
    def _one(self) -> "VoucherBody":
        if (self.keypad_code is None) == (self.qr is None):
            raise PydanticCustomError("one_code", "give a keypad_code or a qr")
        if self.keypad_code is not None and self.cpf is None:
            raise PydanticCustomError("cpf_needed", "a keypad_code needs the cpf")
        return self


class RedeemBody(VoucherBody):
    """The same, to be spent now; a reservation names the purchase, so that it is served once."""

    reservation: Reservation | None = None


class CloseBody(_Body):
    """Nothing: the reservation is in the path."""


async def serve_terminal(hub: Hub, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request of a terminal."""
    method, path = scope["method"], scope["path"].removeprefix("/v1/terminal/")
    device = await _authenticated(hub, scope, receive)
    match (method, path.split("/")):
        case ("POST", ["reservations"]):
            body = _parsed(ReserveBody, device)
            call = _call(device, cpf=body.cpf, amount_cents=body.amount_cents)
            await answer_json(send, 201, await _called(hub, terminal.reserve, call))
        case ("POST", ["results"]):
            said = _parsed(ResultBody, device)
            call = _call(device, cpf=said.cpf, reservation=said.reservation, answer=said.answer)
            await answer_json(send, 200, await _called(hub, terminal.report, _understood(call)))
        case ("GET", ["reservations", number]):
            found = await hub.read(lambda conn: terminal.ask(conn, device[1].keys, device[0], number))
            if found is None:
                raise _refused(Refusal("reservation_unknown"))
            await answer_json(send, 200, found)
        case ("POST", ["reservations", number, "close"]):
            await answer_json(
                send, 200, await _called(hub, terminal.close, _call(device, reservation=number))
            )
        case (_, ["vouchers", *rest]):
            await answer_json(send, 200, await _vouchers(hub, scope, device, rest))
        case (_, ["reservations"] | ["results"] | ["reservations", _] | ["reservations", _, "close"]):
            raise Problem("method_not_allowed")
        case _:
            raise Problem("not_found")


async def _vouchers(hub: Hub, scope: Scope, device: Device, rest: list[str]) -> dict[str, Any]:
    """Answer what concerns a voucher; a refusal tells its reason only to whoever named the holder."""
    match (scope["method"], rest):
        case ("GET", ["key"]):
            keys = device[1].keys
            return {"key_id": qr.key_id(keys).hex(), "public_key": qr.public_key(keys).hex()}
        case ("POST", ["quote"]):
            said = _parsed(VoucherBody, device)
            found = await _presented(hub, scope, device, said)
            return _quote(found, await hub.submit(vouchers.quote, _hold(device, said, found, "").asked))
        case ("POST", ["redeem"]):
            body = _parsed(RedeemBody, device)
            found, call = await _presented(hub, scope, device, body), _call(device)
            order = f"reservation:{body.reservation}" if body.reservation else f"terminal:{call.nonce}"
            redeeming = replace(call, hold=_hold(device, body, found, order))
            return await _called(hub, terminal.redeem, redeeming, partial(uniform, found))
        case ("POST", ["uses", use_id, "rollback"]):
            turn = Turn(device[0].programme_id, use_id, partner_id=device[0].partner_id)
            return await _called(hub, terminal.undo, replace(_call(device), turn=turn))
        case (_, ["key"] | ["quote"] | ["redeem"] | ["uses", _, "rollback"]):
            raise Problem("method_not_allowed")
        case _:
            raise Problem("not_found")


async def _presented(hub: Hub, scope: Scope, device: Device, said: VoucherBody) -> Found:
    try:
        document = None if said.cpf is None else tax_id(said.cpf).text
    except Malformed:
        raise _refused(Refusal("document_invalid")) from None
    typed = read(None, said.keypad_code, said.qr, document)
    address = scope["client"][0] if scope.get("client") else ""
    tried_by = (("terminal", device[0].terminal_id), ("address", address))
    return await look_up(hub, device[0].programme_id, typed, *tried_by)


def _hold(device: Device, said: VoucherBody, found: Found, order_ref: str) -> Hold:
    return Hold(
        programme_id=device[0].programme_id,
        voucher_id=found.voucher_id,
        partner_id=device[0].partner_id,
        order_ref=order_ref,
        order_cents=said.order_cents,
        cents=said.amount_cents,
        installation_id=device[0].installation_id,
    )


def _quote(found: Found, cents: int | Refusal) -> dict[str, Any]:
    if isinstance(cents, Refusal):
        raise _refused(uniform(found, cents))
    assert found.row is not None
    return {
        "display_number": found.row["display_number"],
        "discount_cents": cents,
        "free_cents": found.row["free_cents"],
    }


async def _authenticated(hub: Hub, scope: Scope, receive: Receive) -> Device:
    headers = headers_of(scope)
    delivery = Delivery(
        body=await whole_body(receive),
        headers=headers,
        received_at=hub.context.clock(),
        method=scope["method"],
    )
    device = await hub.terminal(headers.get("x-ponte-key", ""))
    installed = await hub.installed(device.installation_id) if device is not None else None
    if device is None or not device.active or installed is None or installed.connector.terminal is None:
        hub.metrics.forged("terminal")
        raise Problem("unauthenticated")
    try:
        HmacFields(secrets=(device.secret,)).check(delivery, hub.context.clock())
    except Forged as forged:
        hub.metrics.forged("terminal")
        raise Problem("stale_timestamp" if forged.reason == "stale" else "unauthenticated") from None
    # The path takes part: a captured request is not a fresh one at another address.
    body_hash = installed.keys.content_hash(scope["path"].encode() + b"\n" + delivery.body)
    return device, installed, delivery, body_hash


def _parsed(model: type["Body"], device: Device) -> Any:
    try:
        return model.model_validate_json(device[2].body)
    except ValidationError as error:
        raise Problem("invalid", errors=field_errors(error.errors())) from None


Body: TypeAlias = ReserveBody | ResultBody | VoucherBody | CloseBody


def _call(
    device: Device,
    *,
    cpf: str | None = None,
    amount_cents: int | None = None,
    reservation: str | None = None,
    answer: str = "",
) -> Call:
    terminal_device, installed, delivery, body_hash = device
    assert delivery.received_at is not None
    return Call(
        device=terminal_device,
        installed=installed,
        nonce=installed.keys.reference(delivery.headers["x-ponte-nonce"]),
        body_hash=body_hash,
        received_at=delivery.received_at,
        cpf=cpf,
        amount_cents=amount_cents,
        reservation=reservation,
        answer=answer,
    )


def _understood(call: Call) -> Call:
    try:
        return terminal.understood(call)
    except Malformed:
        raise Problem(
            "invalid", errors=[FieldError("#/answer", "Resposta do terminal não reconhecida.")]
        ) from None


async def _called(
    hub: Hub,
    action: Callable[..., Any],
    call: Call,
    told: Callable[[Refusal], Refusal] = lambda refusal: refusal,
) -> dict[str, Any]:
    try:
        answer: dict[str, Any] | Refusal = await hub.submit(action, call)
    except Unavailable:
        raise Problem.busy() from None
    if isinstance(answer, Refusal):
        raise _refused(told(answer))
    return answer


def _refused(refusal: Refusal) -> Problem:
    return Problem.refusal(refusal.code, refusal.text, STATUS_OF.get(refusal.code, 422))
