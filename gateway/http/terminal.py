"""`/v1/terminal/*`: what a payment terminal may ask, signed by the device (`x-ponte-*` headers).

Plain ASGI like the inbound lane: the answer must be there while the receipt prints.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from contracts.errors import Forged, Malformed
from contracts.http import Delivery
from contracts.signatures import HmacFields
from gateway import terminal
from gateway.edge import Receive, Scope, whole_body
from gateway.http.inbound import answer_json
from gateway.hub import Hub
from gateway.installations.queries import Installed, TerminalDevice
from gateway.problems import FieldError, Problem, Send, field_errors
from gateway.store.outages import Unavailable
from gateway.terminal import Call
from loyalty.refusals import Refusal

Device: TypeAlias = tuple[TerminalDevice, Installed, Delivery, str]
Reservation = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]

STATUS_OF = {"reservation_unknown": 404, "nonce_reused": 409}
"""Statuses of refusals; every other one is 422."""


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class ReserveBody(_Body):
    """A CPF typed before payment."""

    cpf: str = Field(min_length=11, max_length=32, json_schema_extra={"format": "cpf"})
    amount_cents: int | None = Field(default=None, ge=1, le=10**11)


class ResultBody(_Body):
    """The device's answer as the payment application gave it, and a CPF typed after payment."""

    answer: str = Field(min_length=1, max_length=8192)
    reservation: Reservation | None = None
    cpf: str | None = Field(default=None, min_length=11, max_length=32, json_schema_extra={"format": "cpf"})


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
        case (_, ["reservations"] | ["results"] | ["reservations", _] | ["reservations", _, "close"]):
            raise Problem("method_not_allowed")
        case _:
            raise Problem("not_found")


async def _authenticated(hub: Hub, scope: Scope, receive: Receive) -> Device:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
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


Body: TypeAlias = ReserveBody | ResultBody | CloseBody


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


async def _called(hub: Hub, action: Callable[..., Any], call: Call) -> dict[str, Any]:
    try:
        answer: dict[str, Any] | Refusal = await hub.submit(action, call)
    except Unavailable:
        raise Problem.busy() from None
    if isinstance(answer, Refusal):
        raise _refused(answer)
    return answer


def _refused(refusal: Refusal) -> Problem:
    return Problem.refusal(refusal.code, refusal.text, STATUS_OF.get(refusal.code, 422))
