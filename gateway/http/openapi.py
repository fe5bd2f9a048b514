"""The OpenAPI document of the whole hub: FastAPI's routes, and the lanes that are answered before its router.

A lane is described here once, and a test holds each description against what the lane really answers.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts.signatures import HmacFields
from gateway.http.refusals import with_problems
from gateway.http.schemas import Shown
from gateway.http.terminal import STATUS_OF, RedeemBody, ReserveBody, ResultBody, VoucherBody
from gateway.problems import KINDS, MEDIA_TYPE

PROBLEM: Final = "#/components/schemas/Problem"
_REF = "#/components/schemas/{model}"
_DEVICE = HmacFields((b"unused",))

_EDGE = ("repeated_header", "body_timeout", "body_too_large", "unsupported_media_type", "internal")
"""What the edge may say to any request, whoever would have answered it."""

_SIGNED = ("malformed_json", "unauthenticated", "stale_timestamp", "forbidden_card_data", "busy")
"""What a terminal may hear whatever it asks."""


class SaleWorth(Shown):
    """What a sale of this delivery is worth now."""

    sale_id: str
    state: str
    units: int
    pending_units: int
    reason: str | None


class Delivered(Shown):
    """Applied: what it says is in the ledger. `ignored` holds the reasons of what counts for nothing."""

    outcome: Literal["recorded", "ignored"]
    delivery_id: str
    sales: list[SaleWorth]
    ignored: list[str] = Field(default=[])


class Greeted(Shown):
    """A vendor's test of the address: answered, never kept."""

    outcome: Literal["greeted"]


class KeptForLater(Shown):
    """Kept: `waiting` for questions to the vendor, or `parked` because nobody understands it yet, and why."""

    outcome: Literal["parked", "waiting"]
    delivery_id: str
    reason: str | None = None


class Reserved(Shown):
    """A CPF waits for its payment: `launch` are the parameters with which the device starts it."""

    reservation: str
    launch: dict[str, str]
    cpf_mask: str


class ReservationState(Shown):
    """Whether a sale arrived for a reservation."""

    reservation: str
    state: Literal["open", "used", "closed"]
    sale_id: str | None
    sale_state: str | None
    earned_units: int | None


class Reported(Shown):
    """What the sale earned, and the lines to print. `outcome` is what a device decides by."""

    sale_id: str | None
    state: str
    reason: str | None
    earned_units: int
    balance_units: int | None
    outcome: str
    slip: list[str]


class ReservationClosed(Shown):
    """No payment will use it any more, or one already did."""

    reservation: str
    state: Literal["used", "closed"]


class VoucherKey(Shown):
    """What the programme's QR codes are signed with (Ed25519), in hexadecimal: a device may check them offline."""

    key_id: str
    public_key: str


class Quoted(Shown):
    """What a voucher would take off this order; nothing is held."""

    display_number: int
    discount_cents: int
    free_cents: int


class Used(Shown):
    """One purchase's use of a voucher. `amount_cents` is what this request moved, or had moved when `repeated`."""

    use_id: str
    display_number: int
    state: str
    amount_cents: int
    spent_cents: int
    repeated: bool


class Health(Shown):
    """The process lives, or would take a sale."""

    status: Literal["alive", "ready"]


class Lane(NamedTuple):
    """One operation outside FastAPI's router: what is sent, what is answered, what is refused."""

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, tuple[type[Shown], ...]]
    refusals: tuple[str, ...]
    body: type[BaseModel] | None = None

    @property
    def by_device(self) -> bool:
        """Whether a terminal signs it."""
        return self.path.startswith("/v1/terminal/")


_RESERVATION = "/v1/terminal/reservations/{reservation}"

_VOUCHERS = "/v1/terminal/vouchers"
_PRESENTED = (
    *_SIGNED, "invalid", "document_invalid", "voucher_mistyped", "voucher_not_accepted", "too_many_requests"
)  # fmt: skip

LANES: Final[tuple[Lane, ...]] = (
    Lane(
        "post", "/in/{installation_id}", "deliver",
        "Take a vendor's delivery, signed as the installation's config says; its connector reads the bytes.",
        {200: (Delivered, Greeted), 202: (KeptForLater,)},
        ("malformed_json", "unauthenticated", "not_found", "forbidden_card_data", "busy"),
    ),
    Lane(
        "post", "/v1/terminal/reservations", "terminal_reserve", "Give a CPF a number that the payment will carry.",
        {201: (Reserved,)}, (*_SIGNED, "invalid", "document_invalid", "nonce_reused"), ReserveBody,
    ),
    Lane(
        "get", _RESERVATION, "terminal_ask", "Ask whether a sale arrived for a reservation.",
        {200: (ReservationState,)}, (*_SIGNED, "reservation_unknown"),
    ),
    Lane(
        "post", f"{_RESERVATION}/close", "terminal_close", "Close a reservation that no payment will use.",
        {200: (ReservationClosed,)}, (*_SIGNED, "reservation_unknown", "nonce_reused"),
    ),
    Lane(
        "post", "/v1/terminal/results", "terminal_report", "Report the device's answer; hear what to print.",
        {200: (Reported,)}, (*_SIGNED, "invalid", "nonce_reused"), ResultBody,
    ),
    Lane(
        "get", f"{_VOUCHERS}/key", "terminal_voucher_key", "Show the key that signs the programme's QR codes.",
        {200: (VoucherKey,)}, _SIGNED,
    ),
    Lane(
        "post", f"{_VOUCHERS}/quote", "terminal_quote", "Ask what a voucher takes off an order.",
        {200: (Quoted,)}, _PRESENTED, VoucherBody,
    ),
    Lane(
        "post", f"{_VOUCHERS}/redeem", "terminal_redeem", "Spend a voucher on a purchase that is about to be paid.",
        {200: (Used,)}, (*_PRESENTED, "nonce_reused"), RedeemBody,
    ),
    Lane(
        "post", f"{_VOUCHERS}/uses/{{use_id}}/rollback", "terminal_give_back",
        "Give back what was redeemed for a purchase that nobody paid.",
        {200: (Used,)}, (*_SIGNED, "use_unknown", "nonce_reused"),
    ),
    Lane("get", "/livez", "livez", "Whether the process lives.", {200: (Health,)}, ()),
    Lane("get", "/readyz", "readyz", "Whether it would take a sale.", {200: (Health,)}, ("not_ready",)),
    Lane("get", "/metrics", "metrics", "The process's figures, for Prometheus.", {200: ()}, ()),
)  # fmt: skip


def whole_document(schema: dict[str, Any]) -> dict[str, Any]:
    """Return FastAPI's `schema` in place, with our problems, the headers that routes ask for, and the lanes."""
    with_problems(schema)
    for item in schema["paths"].values():
        for operation in item.values():
            _ask_for_headers(operation)
    names, schemas = _schemas()
    for lane in LANES:
        schema["paths"].setdefault(lane.path, {})[lane.method] = _operation(lane, names)
    components = schema["components"]
    components["schemas"] |= schemas
    components["parameters"] = {name: dict(told) for name, told in _PARAMETERS.items()}
    components["securitySchemes"]["device"] = {
        "type": "apiKey",
        "in": "header",
        "name": _DEVICE.header,
        "description": "Hexadecimal HMAC-SHA256, under the terminal's secret, of the other `x-ponte-*` "
        "headers (key, timestamp, nonce) and the body, joined by dots.",
    }
    return schema


def _ask_for_headers(operation: dict[str, Any]) -> None:
    """Document the headers that a route takes: they are known by what it would refuse."""
    told = " ".join(response.get("description", "") for response in operation["responses"].values())
    wanted = ["IfMatch"] if "`precondition_required`" in told else []
    if "`idempotency_key_reused`" in told:
        needed = "`idempotency_key_missing`" in told
        wanted.append("IdempotencyKey" if needed else "OptionalIdempotencyKey")
    if wanted:
        operation.setdefault("parameters", []).extend(map(_parameter, wanted))


def _parameter(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/parameters/{name}"}


def _header(name: str, description: str, pattern: str, *, required: bool = True) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


_KEY_PATTERN: Final = '^("[!#-\\[\\]-~]{1,128}"|[!#-\\[\\]-~]{1,128})$'
_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "IfMatch": _header("If-Match", "The `ETag` that was read.", pattern='^"[0-9]{1,18}"$'),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "The same key hears the same answer for seven days. What moves value is refused without one.",
        _KEY_PATTERN,
    ),
    "OptionalIdempotencyKey": _header(
        "Idempotency-Key",
        "The same key hears the same answer for seven days.",
        _KEY_PATTERN,
        required=False,
    ),
    "DeviceKey": _header("x-ponte-key", "The terminal's id.", pattern="^[A-Za-z0-9_]{1,64}$"),
    "DeviceTimestamp": _header(
        "x-ponte-timestamp", "Unix seconds, at most 300 away from ours.", pattern="^[0-9]{1,12}$"
    ),
    "DeviceNonce": _header(
        "x-ponte-nonce",
        "Names this request for ever: sent again with the same body, it hears the first answer.",
        pattern="^[A-Za-z0-9_-]{1,128}$",
    ),
}


def _operation(lane: Lane, names: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": lane.name,
        "summary": lane.summary,
        "parameters": _lane_parameters(lane),
        "responses": _answers(lane, names) | _refusals((*_EDGE, *lane.refusals)),
    }
    if lane.body is not None:
        operation["requestBody"] = _json(names[lane.body]) | {"required": True}
    elif lane.path.startswith("/in/"):
        operation["requestBody"] = _json({"description": "What the installation's connector reads."})
    operation["security"] = [{"device": []}] if lane.by_device else []
    return operation


def _lane_parameters(lane: Lane) -> list[dict[str, Any]]:
    ours = "^[A-Za-z0-9_]{1,64}$"
    patterns = {"installation_id": ours, "use_id": ours, "reservation": "^[1-9][0-9]{0,18}$"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
        for name, pattern in patterns.items()
        if f"{{{name}}}" in lane.path
    ]
    if lane.by_device:
        parameters.extend(map(_parameter, ("DeviceKey", "DeviceTimestamp", "DeviceNonce")))
    return parameters


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": dict(schema)}}}


def _answers(lane: Lane, names: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, models in lane.answers.items():
        shown = [names[model] for model in models]
        told = _json(shown[0] if len(shown) == 1 else {"anyOf": shown}) if shown else _TEXT
        answers[str(status)] = {
            "description": " Or: ".join(m.__doc__ or "" for m in models) or "Text."
        } | told
    return answers


_TEXT: Final[dict[str, Any]] = {"content": {"text/plain": {"schema": {"type": "string"}}}}


def _refusals(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        status = KINDS[code].status if code in KINDS else STATUS_OF.get(code, 422)
        by_status.setdefault(str(status), []).append(f"`{code}`")
    content = {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}}}
    return {
        status: {"description": ", ".join(grouped), "content": content}
        for status, grouped in by_status.items()
    }


def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Return a reference to each model of the lanes, and the schemas they refer to."""
    shown = {model for lane in LANES for models in lane.answers.values() for model in models}
    told = {lane.body for lane in LANES if lane.body is not None}
    wanted: list[tuple[Any, JsonSchemaMode]] = [(model, "serialization") for model in shown]
    wanted += [(model, "validation") for model in told]
    found, schemas = models_json_schema(wanted, ref_template=_REF)
    return {model: dict(schema) for (model, _), schema in found.items()}, schemas["$defs"]
