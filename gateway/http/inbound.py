"""`POST /in/{installation}`: a vendor's bytes become facts, and facts a ledger, before the answer.

Plain ASGI, found before FastAPI's router: this is the lane that every sale takes.
"""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from contracts.connector import Webhook
from contracts.errors import Forged, Malformed, RetryLater
from contracts.http import Delivery
from contracts.plans import is_steps
from contracts.signatures import RS256, UnknownKey, proof_headers
from contracts.wire import AMBIGUOUS
from gateway import intake
from gateway.cards import forbidden_card_field, may_hold_card_data
from gateway.edge import Receive, Scope, headers_of, strict_json, whole_body
from gateway.hub import Hub
from gateway.installations.actions import Kept, keep
from gateway.installations.queries import Installed
from gateway.intake import Inbound, Source
from gateway.observe import mask
from gateway.problems import Problem, Send
from gateway.store.outages import Busy, Unavailable

_log = structlog.get_logger("ponte.inbound")
DEFECTS = frozenset({"connector_bug", "intake_bug"})
"""Why a delivery is parked although nothing is wrong with it."""

_SECRET_WORDS = ("sign", "hmac", "secret", "token", "key", "auth", "nonce", "forward", "real-ip")
_HEADER_MAX = 256

_AMBIGUOUS_TEXT = (
    "O JSON não é lido igual por todos: chave repetida, NaN ou texto inválido. Nada foi creditado."
)

_JSON = (b"content-type", b"application/json")


async def deliver(hub: Hub, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one delivery: 200 applied or greeted, 202 kept, 400 kept but no JSON to all, 401 forged, 422 card
    data, 503 busy.
    """
    if scope["method"] != "POST":
        raise Problem("method_not_allowed", headers={"allow": "POST"})
    installed = await hub.installed(scope["path"].removeprefix("/in/").partition("/")[0])
    if installed is None or not installed.active or installed.connector.webhook is None:
        raise Problem("not_found")
    delivery = Delivery(
        body=await whole_body(receive),
        headers=headers_of(scope),
        received_at=hub.context.clock(),
    )
    webhook = installed.connector.webhook
    if webhook.greeting is not None and webhook.greeting(delivery):
        hub.metrics.delivery(installed.connector.slug, "greeted")
        await answer_json(send, 200, {"outcome": "greeted"})
        return
    await _authenticate(hub, installed, webhook, delivery)
    _refuse_card_data(hub, installed, delivery.body)
    status, answer = await _understand(hub, installed, webhook, delivery)
    await answer_json(send, status, answer)


async def _authenticate(hub: Hub, installed: Installed, webhook: Webhook[Any], delivery: Delivery) -> None:
    """Check the signature that the installation's config fixed; nothing of a forged delivery is kept."""
    signature, now = webhook.signature(installed.config), hub.context.clock()
    try:
        if not isinstance(signature, RS256):
            signature.check(delivery, now)
            return
        try:
            signature.check(delivery, now, hub.jwks.held(signature.jwks_url))
        except UnknownKey:
            signature.check(delivery, now, await hub.jwks.refreshed(signature.jwks_url))
    except Forged as forged:
        hub.metrics.forged(installed.connector.slug)
        _log.warning("forged delivery", installation=installed.installation_id, why=forged.reason)
        raise Problem("unauthenticated") from None
    except RetryLater as later:  # the vendor's keys cannot be had: its delivery may be genuine
        raise Problem.busy(later.after_seconds) from None


def _refuse_card_data(hub: Hub, installed: Installed, body: bytes) -> None:
    """A CVV, a track or a full card number is refused and not kept (PCI DSS 3.3.1)."""
    if not may_hold_card_data(body):
        return
    try:
        parsed = strict_json(body)
    except Problem:
        return
    if forbidden_card_field(parsed) is not None:
        hub.metrics.forbidden(installed.connector.slug)
        raise Problem("forbidden_card_data")


async def _understand(
    hub: Hub, installed: Installed, webhook: Webhook[Any], delivery: Delivery
) -> tuple[int, dict[str, Any]]:
    slug = installed.connector.slug
    try:
        plan = webhook.receive(delivery, installed.config)
    except Forged:
        hub.metrics.forged(slug)
        raise Problem("unauthenticated") from None
    except Malformed as malformed:
        kept = await _keep(hub, installed, delivery, "parked", malformed.why)
        # No connector that we could mend will ever read it: the sender must know.
        if malformed.why == AMBIGUOUS:
            raise Problem("malformed_json", detail=_AMBIGUOUS_TEXT) from None
        return kept
    except Exception as bug:  # noqa: BLE001 -- whatever escapes a connector is a bug of that connector
        hub.metrics.bug(slug)
        _log.exception("connector bug", installation=installed.installation_id, kind=type(bug).__name__)
        return await _keep(hub, installed, delivery, "parked", "connector_bug")
    if is_steps(plan):
        plan.close()
        return await _keep(hub, installed, delivery, "waiting", None)
    inbound = Inbound(
        source=source_of(installed),
        facts=tuple(plan),
        received_at=delivery.received_at or hub.context.clock(),
        body=delivery.body,
        body_hash=installed.keys.content_hash(delivery.body),
    )
    try:
        outcome = await applied(hub, inbound)
    except Problem:
        raise
    except Exception as bug:  # noqa: BLE001 -- a defect of ours: the bytes are genuine, so they are kept
        _log.exception("intake bug", installation=installed.installation_id, kind=type(bug).__name__)
        return await _keep(hub, installed, delivery, "parked", "intake_bug")
    note(hub, slug, outcome)
    return 200, outcome.answer


def note(hub: Hub, slug: str, outcome: intake.Outcome) -> None:
    """Count what became of a delivery."""
    kind = "duplicate" if outcome.duplicate else str(outcome.answer["outcome"])
    hub.metrics.delivery(slug, kind)
    for reason in outcome.ignored:
        hub.metrics.ignored(slug, reason)
    for sale in outcome.recorded:
        hub.metrics.sale(sale.state)


async def applied(hub: Hub, inbound: Inbound) -> intake.Outcome:
    """Apply one delivery in the next shared transaction; 503 when too many wait."""
    try:
        return await hub.submit(intake.apply, inbound)
    except Busy:
        raise Problem.busy() from None
    except Unavailable:
        raise Problem.busy(5) from None


async def _keep(
    hub: Hub, installed: Installed, delivery: Delivery, state: str, reason: str | None
) -> tuple[int, dict[str, Any]]:
    """Keep bytes that cannot be applied now, sealed.

    What nobody could parse is scrubbed first. What only a defect of ours keeps from being applied stays
    whole: mended code must find the CPF that was sent.
    """
    body = delivery.body
    if state == "parked" and reason not in DEFECTS:
        body = mask(body.decode("utf-8", "replace")).encode()
    kept = Kept(
        installed=installed,
        body_hash=installed.keys.content_hash(delivery.body),
        body=body,
        received_at=delivery.received_at or hub.context.clock(),
        state=state,
        reason=reason,
        headers=told_headers(delivery.headers, _proof(installed)),
    )
    try:
        delivery_id = await hub.submit(keep, kept)
    except Unavailable:
        raise Problem.busy(5) from None
    hub.metrics.delivery(installed.connector.slug, state)
    told = {} if reason is None else {"reason": reason}
    return 202, {"outcome": state, "delivery_id": delivery_id, **told}


def _proof(installed: Installed) -> frozenset[str]:
    webhook = installed.connector.webhook
    return frozenset() if webhook is None else proof_headers(webhook.signature(installed.config))


def told_headers(headers: Mapping[str, str], proof: frozenset[str]) -> dict[str, str]:
    """Return the headers by which a vendor says what a body is.

    Those that are its `proof`, and others that may open something by their names, are dropped.
    """
    return {
        name: value
        for name, value in headers.items()
        if (name.startswith("x-") or name == "content-type")
        and name not in proof
        and not any(word in name for word in _SECRET_WORDS)
        and len(value) <= _HEADER_MAX
    }


def source_of(installed: Installed) -> Source:
    """Return on whose behalf an installation's facts arrive."""
    return Source(
        programme_id=installed.programme_id,
        partner_id=installed.partner_id,
        installation_id=installed.installation_id,
        store_id=installed.store_id,
        trust=installed.trust,
        covers=installed.covers,
    )


async def answer_json(send: Send, status: int, answer: dict[str, Any]) -> None:
    """Answer JSON over plain ASGI."""
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
