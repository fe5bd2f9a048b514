"""A store that forgets to answer: a server with orders and coupons, and the connector that speaks to it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel

from contracts import (
    Connector,
    Coupon,
    Coupons,
    Customer,
    Delivery,
    DocumentEvidence,
    Facts,
    Ignored,
    Key,
    Limits,
    Malformed,
    Page,
    Plan,
    Poll,
    Steps,
    Unsigned,
    VendorRefused,
    Webhook,
    get,
    post,
)
from contracts.http import Reply, Request
from tests.gateway.vendors import vendor

PAGE = 2


class LossyConfig(BaseModel):
    """Where the store stands."""

    base_url: str


@dataclass
class LossyStore:
    """What the store holds. `loses` is the chance that an answer is lost after the work was done."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    coupons: dict[str, int] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    loses: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    says: list[tuple[int, bytes, tuple[str, ...]]] = field(default_factory=list)
    asked: int = 0

    def order(self, ref: str, updated_at: datetime, cents: int = 1000, cpf: str | None = None) -> None:
        """Put an order, or move it to where it was updated last."""
        self.orders = [order for order in self.orders if order["ref"] != ref]
        said = {"ref": ref, "updated_at": updated_at.isoformat(), "cents": cents, "cpf": cpf}
        self.orders.append(said)
        self.orders.sort(key=lambda order: (order["updated_at"], order["ref"]))

    def serve(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Do what is asked and return the answer."""
        split = urlsplit(path)
        match method, split.path.split("/")[1:]:
            case "GET", ["orders"]:
                after = tuple(parse_qs(split.query)["after"][0].split("|"))
                found = [o for o in self.orders if (o["updated_at"], o["ref"]) > after]
                said = {"orders": found[:PAGE], "more": len(found) > PAGE}
                return 200, json.dumps(said).encode()
            case "POST", ["coupons"]:
                said = json.loads(body)
                if said["code"] in self.coupons:
                    return 409, b"{}"
                self.coupons[said["code"]] = said["cents"]
                self.created.append(said["code"])
                return 201, json.dumps({"ref": said["code"].lower()}).encode()
            case "GET", ["coupons", code]:
                return (
                    (200, json.dumps({"ref": code.lower()}).encode())
                    if code in self.coupons
                    else (404, b"{}")
                )
            case "DELETE", ["coupons", code]:
                self.coupons.pop(code, None)
                return 204, b""
        return 404, b"{}"

    async def speak(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer one request over the wire, or lose the answer."""
        self.asked += 1
        head, _, body = request.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        if self.says:
            status, answer, headers = self.says.pop(0)
        else:
            (status, answer), headers = self.serve(method, path, body), ()
            if self.chance.random() < self.loses:
                writer.close()
                return
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(answer)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + answer)


@asynccontextmanager
async def opened(store: LossyStore) -> AsyncIterator[str]:
    """Open the store; yield its address."""
    async with vendor(store.speak) as url:
        yield url


class _Orders(BaseModel):
    orders: list[dict[str, Any]]
    more: bool


def start(at: datetime) -> str:
    """Return the cursor of everything since `at`."""
    return f"{at.astimezone(UTC).isoformat()}|"


def page(cursor: str, _config: LossyConfig) -> Plan[Page]:
    """Read one page of orders."""
    return _page(cursor)


def _page(cursor: str) -> Steps[Page]:
    reply = yield get("/orders", after=cursor)
    try:
        said = _Orders.model_validate_json(reply.body)
    except ValueError:
        raise Malformed("no page of orders") from None
    last = said.orders[-1] if said.orders else None
    return Page(
        facts=[_evidence(order) for order in said.orders],
        cursor=f"{last['updated_at']}|{last['ref']}" if last else cursor,
        done=not said.more,
    )


def _evidence(order: dict[str, Any]) -> DocumentEvidence:
    at = datetime.fromisoformat(order["updated_at"])
    return DocumentEvidence(
        kind="order",
        keys=(Key("order:lossy", order["ref"]),),
        gross_cents=order["cents"],
        sold_at=at,
        as_of=at,
        customer=Customer(document=order["cpf"]) if order["cpf"] else None,
    )


def receive(delivery: Delivery, _config: LossyConfig) -> Plan[Facts]:
    """Fetch the order that a hint names: it says no more, so two changes look alike."""
    if delivery.headers.get("x-lossy-topic") != "order":
        return [Ignored(reason="topic_ignored")]
    return _receive(json.loads(delivery.body)["order"])


def _receive(ref: str) -> Steps[Facts]:
    reply = yield get("/orders", after="|")
    return [
        _evidence(order) for order in _Orders.model_validate_json(reply.body).orders if order["ref"] == ref
    ]


def create(coupon: Coupon, _config: LossyConfig) -> Plan[str]:
    """Publish a coupon; one that stands there is as good."""
    return _create(coupon)


def _create(coupon: Coupon) -> Steps[str]:
    body = json.dumps({"code": coupon.code, "cents": coupon.amount_cents}).encode()
    reply = yield post("/coupons", body)
    if reply.status not in {201, 409}:
        raise VendorRefused("coupon_refused", str(reply.status))
    return coupon.code.lower()


def find(code: str, _config: LossyConfig) -> Plan[str | None]:
    """Ask for a coupon by its code."""
    return _find(code)


def _find(code: str) -> Steps[str | None]:
    reply: Reply = yield get(f"/coupons/{code}")
    return code.lower() if reply.status == 200 else None


def revoke(code: str, _ref: str, _config: LossyConfig) -> Plan[None]:
    """Take a coupon away."""
    return _revoke(code)


def _revoke(code: str) -> Steps[None]:
    yield Request("DELETE", f"/coupons/{code}")


lossy = Connector(
    slug="lossy",
    name="Loja esquecida",
    config=LossyConfig,
    docs="none",
    trusts=("confirmed",),
    base_url=lambda config: config.base_url,
    limits=Limits(requests_per_minute=1_000_000, concurrent=8),
    webhook=Webhook(lambda _config: Unsigned("a store of the tests"), receive),
    poll=Poll(300, start, page),
    coupons=Coupons(create, find, revoke),
)
