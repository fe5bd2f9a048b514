"""`/checkout/{installation}/...`: a store asks while its shopper pays, in the protocol its connector speaks.

Plain ASGI, found before FastAPI's router: a card must be shown within a second and a half.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from contracts.checkout import Answer, Cards, Checkout, Failed, FindCards, Misread, Question, Stranger
from contracts.errors import Forged, Malformed
from contracts.http import Delivery, Reply
from gateway.edge import Receive, Scope, headers_of, whole_body
from gateway.http.presented import look_up, read
from gateway.hub import Hub
from gateway.installations.queries import Installed
from gateway.problems import Problem, Send
from gateway.store import Connection
from gateway.store.outages import Unavailable
from gateway.vouchers import cards
from gateway.vouchers.cards import Put, Store

PREFIX = "/checkout/"

_log = structlog.get_logger("ponte.checkout")


async def serve_checkout(hub: Hub, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one question of a store; 404 where no installation of ours answers questions."""
    installation_id, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
    installed = await hub.installed(installation_id)
    if installed is None or not installed.active or installed.connector.checkout is None:
        raise Problem("not_found")
    checkout = installed.connector.checkout
    delivery = Delivery(
        body=await whole_body(receive),
        headers=headers_of(scope),
        received_at=hub.context.clock(),
        method=scope["method"],
        path=f"/{rest}",
        query=_query(scope["query_string"]),
    )
    question, answer = await _answered(hub, installed, checkout, delivery)
    hub.metrics.delivery(installed.connector.slug, type(answer).__name__.lower())
    await _reply(send, checkout.tell(question, answer, f"{PREFIX}{installation_id}"))


async def _answered(
    hub: Hub, installed: Installed, checkout: Checkout[Any], delivery: Delivery
) -> tuple[Question | None, Answer]:
    """Prove, read, answer: whatever goes wrong becomes an answer in the store's own protocol."""
    try:
        checkout.signature(installed.config).check(delivery, hub.context.clock())
    except Forged as forged:
        hub.metrics.forged(installed.connector.slug)
        return None, Stranger(absent=forged.reason == "absent")
    try:
        question = checkout.ask(delivery, installed.config)
    except Malformed as malformed:
        return None, Misread(malformed.why)
    try:
        return question, await _asked(hub, installed, question)
    except Unavailable as outage:
        return question, Failed(outage.retry_after_seconds)
    except Exception as bug:  # noqa: BLE001 -- a checkout must hear an answer that it understands
        _log.exception("checkout bug", installation=installed.installation_id, kind=type(bug).__name__)
        return question, Failed()


async def _asked(hub: Hub, installed: Installed, question: Question) -> Answer:
    store = Store(installed.programme_id, installed.partner_id, installed.installation_id)
    put = Put(store, question)
    if isinstance(question, FindCards) and not await _leads_somewhere(hub, installed, question.code):
        return Cards(())
    if isinstance(question, cards.Changing):
        return await hub.submit(cards.answer, put)

    def read(conn: Connection) -> Answer:
        return cards.read(hub.context, conn, put)

    return await hub.read(read)


async def _leads_somewhere(hub: Hub, installed: Installed, code: str | None) -> bool:
    """Return whether a code that was typed is one of ours; after too many that are not, none is looked up."""
    if code is None:
        return True
    try:
        typed = read(code, None, None, None)
        tried_by = ("installation", installed.installation_id)
        return (await look_up(hub, installed.programme_id, typed, tried_by)).row is not None
    except Problem:
        return False


def _query(raw: bytes) -> Mapping[str, str]:
    """Return the query's fields as they stand; no protocol of ours needs more of it."""
    pairs = (part.partition("=") for part in raw.decode("latin-1").split("&") if part)
    return {name: value for name, _, value in pairs}


async def _reply(send: Send, reply: Reply) -> None:
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
