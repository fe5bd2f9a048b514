"""What changed in a VTEX account: hooks that name an order, the feed behind them, and the list for a back-fill.

The order is always asked for. The feed is a queue: what was read is taken off it only with the next page,
when the facts of this one are stored.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from adapters.ecommerce.vtex.orders import order_facts
from adapters.ecommerce.vtex.settings import VtexConfig
from adapters.ecommerce.vtex.wire import Feed, Notification, Order, OrderList
from contracts import (
    Account,
    ApiKeyHeader,
    Delivery,
    Facts,
    Forged,
    HeaderSecrets,
    Ignored,
    Malformed,
    Page,
    Plan,
    Reply,
    Request,
    Steps,
    VendorRefused,
)
from contracts.credentials import Credentials
from contracts.facts import AnyFact
from contracts.signatures import Signature
from contracts.wire import parse

M = TypeVar("M", bound=BaseModel)

HOOK_HEADER = "x-ponte-hook-secret"
PING = b'{"hookConfig":"ping"}'
# What an account sends to the address of a hook although it is none, known by the name of one field: the
# ping in another writing, and the External Promotions Protocol, which asks for prices and tells of their use.
NO_HOOKS = {b'"hookConfig"': "ping", b'"correlationId"': "promotions_protocol"}
EVERY_SECONDS = 60
# More than ten items the feed does not give; 30 pages of a list are the last ones it gives.
LOT = 10
PAGE, PAGES = 15, 30
# The list wants an end; nothing is created after this one.
LAST_DAY = "2199-12-31T23:59:59.999Z"
QUEUE = "[]"


def signature(config: VtexConfig) -> Signature:
    """Return VTEX's scheme: none, but a header that the merchant sets for the hook."""
    return HeaderSecrets({HOOK_HEADER: config.hook_secret.get_secret_value()})


def credentials(config: VtexConfig) -> Credentials:
    """Return the secret half; the key beside it goes along with every request."""
    return ApiKeyHeader("x-vtex-api-apptoken", config.app_token.get_secret_value())


def greeting(delivery: Delivery) -> bool:
    """Whether this is the ping by which VTEX tries a hook's address before it keeps it."""
    return delivery.body == PING


def receive(delivery: Delivery, config: VtexConfig) -> Plan[Facts]:
    """Return what became of the order that a hook names. `Forged` if it is another account's."""
    for field, reason in NO_HOOKS.items():
        if field in delivery.body:
            return [Ignored(reason=reason)]
    told = parse(Notification, delivery.body)
    if told.origin.account != config.account:
        raise Forged("other_account")
    return _named_order(told.order_id, config)


def start(at: datetime) -> str:
    """Return the cursor of the orders created since `at`: first their list, then the feed."""
    return f"{_written(at)} 1"


def page(cursor: str, config: VtexConfig) -> Steps[Page]:
    """Return the next orders: of the list, `<created since> <page>`, or of the feed, the handles to commit."""
    if cursor.startswith("["):
        return _from_feed(json.loads(cursor), config)
    since, number = cursor.split(" ")
    return _from_list(since, int(number), config)


def check(config: VtexConfig) -> Steps[Account]:
    """Return the account. Its API has no call that names it to such a key; its address does."""
    yield _get("/api/orders/hook/config", config)
    return Account(config.account, config.account)


def _from_feed(handles: list[str], config: VtexConfig) -> Steps[Page]:
    """Return what the feed holds. An order that cannot be read stays in it, and comes again."""
    if handles:
        # A handle that ran out is refused, and its item comes again: nothing is lost by it.
        body = json.dumps({"handles": handles}).encode()
        headers = {**_headers(config), "content-type": "application/json"}
        yield Request("POST", "/api/orders/feed", body, headers)
    events = (yield from _ask("/api/orders/feed", Feed, config, maxlot=str(LOT))).root
    facts, unread = yield from _orders((event.order_id for event in events), config)
    read = [event.handle for event in events if event.order_id not in unread]
    return Page(facts, json.dumps(read), done=not read)


def _from_list(since: str, number: int, config: VtexConfig) -> Steps[Page]:
    """Return the orders created since an instant. VTEX shows 30 pages: then the last instant begins anew."""
    created = f"creationDate:[{since} TO {LAST_DAY}]"
    wanted = {"f_creationDate": created, "orderBy": "creationDate,asc"}
    paged = {"page": str(number), "per_page": str(PAGE)}
    found = yield from _ask("/api/oms/pvt/orders", OrderList, config, **wanted, **paged)
    facts, _ = yield from _orders((each.order_id for each in found.listed), config)
    if number >= found.paging.pages or not found.listed:
        return Page(facts, QUEUE, done=True)
    if number < PAGES:
        return Page(facts, f"{since} {number + 1}", done=False)
    return Page(facts, start(found.listed[-1].created_at), done=False)


def _orders(order_ids: Iterable[str], config: VtexConfig) -> Steps[tuple[list[AnyFact], frozenset[str]]]:
    """Return what the orders say, each asked for once, and which of them could not be read."""
    facts: list[AnyFact] = []
    unread: set[str] = set()
    for order_id in dict.fromkeys(order_ids):
        try:
            facts += yield from _named_order(order_id, config)
        except Malformed:
            facts.append(Ignored(reason="order_unreadable"))
            unread.add(order_id)
    return facts, frozenset(unread)


def _named_order(order_id: str, config: VtexConfig) -> Steps[Facts]:
    path = f"/api/oms/pvt/orders/{quote(order_id, safe='')}"
    reply: Reply = yield _get(path, config)
    if reply.status == 404:
        return [Ignored(reason="order_not_found")]
    order = _read(reply, Order)
    if order.id != order_id:
        raise Malformed("orderId: not the order that was asked for")
    return order_facts(order, config)


def _ask(path: str, model: type[M], config: VtexConfig, **query: str) -> Steps[M]:
    return _read((yield _get(path, config, **query)), model)


def _read(reply: Reply, model: type[M]) -> M:
    """Return what VTEX answered. 404 is a feed that nobody configured for this key."""
    if reply.status != 200:
        raise VendorRefused(f"http_{reply.status}", "VTEX did not accept the question")
    return parse(model, reply.body)


def _get(path: str, config: VtexConfig, **query: str) -> Request:
    return Request("GET", path, headers=_headers(config), query=query)


def _headers(config: VtexConfig) -> dict[str, str]:
    return {"x-vtex-api-appkey": config.app_key, "accept": "application/json"}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
