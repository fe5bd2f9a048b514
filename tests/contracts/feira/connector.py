"""Feira, a store that does not exist: an honest connector, small enough to be broken in every known way."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from contracts import (
    Account,
    BearerAuth,
    Connector,
    Coupon,
    Coupons,
    Customer,
    Delivery,
    DocumentEvidence,
    Facts,
    HmacBody,
    Ignored,
    Key,
    Page,
    Poll,
    Request,
    Steps,
    VendorRefused,
    Webhook,
    cents,
    get,
    post,
)
from contracts.facts import AnyFact, Instant, State
from contracts.signatures import Signature
from contracts.wire import parse

STATES: dict[str, State] = {"open": "authorised", "paid": "captured", "refunded": "captured", "void": "void"}
OVERLAP = timedelta(seconds=1)


class FeiraConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    shop: str = Field(pattern=r"^[a-z]{3,20}$")
    hook_secret: SecretStr = Field(min_length=8)
    api_token: SecretStr = Field(min_length=8)


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Order(Wire):
    number: Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
    status: str
    total: str
    refunded: str = "0"
    changed_at: Instant
    tax_document: str | None = Field(default=None, max_length=32, repr=False)


class Hook(Wire):
    type: str
    id: str
    order: Order


class Orders(Wire):
    orders: list[Order]
    more: bool


class Discount(Wire):
    id: int


class Discounts(Wire):
    found: list[Discount]


class Shop(Wire):
    id: int
    title: str


def signature(config: FeiraConfig) -> Signature:
    return HmacBody((config.hook_secret.get_secret_value().encode(),), "x-feira-signature")


def receive(delivery: Delivery, config: FeiraConfig) -> Facts:
    hook = parse(Hook, delivery.body)
    return [_fact(hook.order, config)]


def _fact(order: Order, config: FeiraConfig) -> AnyFact:
    state = STATES.get(order.status)
    if state is None:
        return Ignored(reason="status_unknown")
    document = order.tax_document
    return DocumentEvidence(
        kind="order",
        keys=(Key(f"order:{config.shop}", order.number),),
        state=state,
        gross_cents=cents(order.total),
        returned_cents=cents(order.refunded),
        customer=Customer(document=document) if document else None,
        as_of=order.changed_at,
    )


def start(at: datetime) -> str:
    return f"{at.isoformat()} 1"


def page(cursor: str, config: FeiraConfig) -> Steps[Page]:
    since, number = cursor.split(" ")
    reply = yield get("/orders", changed_since=since, page=number)
    read = parse(Orders, reply.body)
    facts = [_fact(order, config) for order in read.orders]
    if read.more:
        return Page(facts, f"{since} {int(number) + 1}", done=False)
    newest = max((order.changed_at for order in read.orders), default=None)
    return Page(facts, start(newest - OVERLAP) if newest else f"{since} 1", done=True)


def create(coupon: Coupon, config: FeiraConfig) -> Steps[str]:
    held = yield from find(coupon.code, config)
    if held is not None:
        return held
    body = f'{{"code": "{coupon.code}", "cents": {coupon.amount_cents}, "uses": 1}}'
    reply = yield post("/discounts", body.encode())
    if reply.status != 201:
        raise VendorRefused("not_created", "the shop did not create the discount")
    return str(parse(Discount, reply.body).id)


def find(code: str, config: FeiraConfig) -> Steps[str | None]:
    del config
    reply = yield get("/discounts", code=code)
    found = parse(Discounts, reply.body).found
    return str(found[0].id) if found else None


def revoke(code: str, ref: str, config: FeiraConfig) -> Steps[None]:
    del code, config
    yield Request("DELETE", f"/discounts/{ref}")


def check(config: FeiraConfig) -> Steps[Account]:
    del config
    reply = yield get("/shop")
    shop = parse(Shop, reply.body)
    return Account(str(shop.id), shop.title)


connector = Connector(
    slug="feira",
    name="Feira",
    config=FeiraConfig,
    docs="README.md",
    trusts=("signed",),
    base_url=lambda config: f"https://{config.shop}.feira.example",
    credentials=lambda config: BearerAuth(config.api_token.get_secret_value()),
    webhook=Webhook(signature=signature, receive=receive),
    poll=Poll(every_seconds=60, start=start, page=page),
    coupons=Coupons(create=create, find=find, revoke=revoke),
    check=check,
)
