"""A connector is one frozen record of plain functions; a capability is an optional field.

The functions perform no I/O. Where one needs the vendor's answer it is a generator that yields
`Request` and receives `Reply` (a plan); the gateway makes the requests.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from contracts.checkout import Checkout
from contracts.credentials import Credentials, NoCredentials
from contracts.facts import AnyFact, Facts
from contracts.http import Delivery, Reply, Request
from contracts.signatures import Signature

C = TypeVar("C", bound=BaseModel)
T = TypeVar("T")

Steps: TypeAlias = Generator[Request, Reply, T]
Plan: TypeAlias = T | Steps[T]


@dataclass(frozen=True, slots=True)
class Webhook(Generic[C]):
    """Push. `signature(config)` is fixed by the installation's config, never "verify if present".

    `greeting` knows the one unsigned call by which a vendor tries an address before it uses it; that is
    answered with 200 and says nothing, so it must match those bytes and no others.
    """

    signature: Callable[[C], Signature]
    receive: Callable[[Delivery, C], Plan[Facts]]
    greeting: Callable[[Delivery], bool] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll; the cursor is opaque and moves in the transaction that stores the facts."""

    facts: Facts
    cursor: str
    done: bool


@dataclass(frozen=True, slots=True)
class Poll(Generic[C]):
    """Pull. `start(at)` is the cursor of everything that changed since `at`; `page(cursor, config)` reads on.

    A cursor is opaque text of the connector's own. It must never lose what shares an instant with the last
    thing read: read that instant again, reading twice costs nothing. Several pages may lead to `done`, and
    the cursor of the last one is where the next round begins.
    """

    every_seconds: int
    start: Callable[[datetime], str]
    page: Callable[[str, C], Plan[Page]]


@dataclass(frozen=True, slots=True)
class Coupon:
    """A voucher as a store shows it: a single-use discount of `amount_cents` on an order.

    `voucher_ref` is for people and reports and redeems nothing. `minimum_cents` is 0 where any order will
    do; `combinable` tells whether other discounts may stand beside it.
    """

    code: str = field(repr=False)
    voucher_ref: str
    amount_cents: int
    minimum_cents: int
    starts_at: datetime
    expires_at: datetime | None
    combinable: bool


@dataclass(frozen=True, slots=True)
class Coupons(Generic[C]):
    """A voucher published as a discount code of the store; the store's coupon is only a projection.

    `create` returns the store's own reference, also when the code already stands there; `find` returns it,
    or `None` when the store has no such code: asked before a create whose answer was lost is repeated.
    `revoke(code, ref, config)` makes the code useless, and is content with one that is gone.
    """

    create: Callable[[Coupon, C], Plan[str]]
    find: Callable[[str, C], Plan[str | None]]
    revoke: Callable[[str, str, C], Plan[None]]


@dataclass(frozen=True, slots=True)
class SignIn(Generic[C]):
    """OAuth 2.0 (RFC 6749, 4.1): how a merchant grants access, and what comes back as config fields.

    `authorize(state, redirect_uri, config)` is the address to send the merchant to. `exchange(query,
    redirect_uri, config)` and `refresh(config)` return the fields of the config that change; the tokens
    among them are stored before they are used. `refresh` is `None` where tokens do not expire. `base_url` is
    where both are asked, without credentials, if that is another address than the connector's own.
    """

    authorize: Callable[[str, str, C], str]
    exchange: Callable[[Mapping[str, str], str, C], Plan[Mapping[str, str]]]
    refresh: Callable[[C], Plan[Mapping[str, str]]] | None = None
    base_url: Callable[[C], str] | None = None


@dataclass(frozen=True, slots=True)
class File(Generic[C]):
    """Files: `rows` streams, `to_fact` maps one row."""

    media: tuple[str, ...]
    rows: Callable[[Iterable[bytes], C], Iterable[Mapping[str, str]]]
    to_fact: Callable[[Mapping[str, str], C], AnyFact]


@dataclass(frozen=True, slots=True)
class TerminalReport:
    """What an authenticated terminal says: the device's answer, and the CPF if it was typed after payment.

    `answer` holds allow-listed fields only; `reservation` is the number under which a CPF was typed before.
    """

    terminal_ref: str
    merchant_ref: str
    zone: str
    answer: Mapping[str, str] = field(repr=False)
    reservation: str | None
    cpf: str | None = field(repr=False)
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class SlipFacts:
    """What a slip may show, the CPF already masked.

    `unit` is `points` or `cashback`; of cashback the units are centavos. `None` means: say nothing of it.
    `outcome` is the state of the sale (`credited`, `pending`, `held`, `unmatched`, `none`), or `no_cpf`,
    `declined`, `cancelled`, `received` (kept, not decided yet); a slip of an unknown one shows figures only.
    """

    programme_name: str
    unit: str
    sold_cents: int
    earned_units: int
    balance_units: int | None
    cpf_mask: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Terminal(Generic[C]):
    """A payment terminal: what to launch, what its answer means, what to print.

    `answer` reads the text a device received (for Stone a URI) and keeps allow-listed fields only.
    """

    reserve: Callable[[str, int | None, C], Mapping[str, str]]
    answer: Callable[[str], Mapping[str, str]]
    result: Callable[[TerminalReport, C], Facts]
    slip: Callable[[SlipFacts, C], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Account:
    """Which vendor account these credentials open; the same account twice is refused."""

    ref: str
    name: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the vendor tolerates."""

    requests_per_minute: int = 60
    concurrent: int = 4


@dataclass(frozen=True, slots=True)
class Connector(Generic[C]):
    """One connector. Found by the entry point group `ponte.connectors`."""

    slug: str
    name: str
    config: type[C]
    docs: str
    api: int = 1
    trusts: tuple[str, ...] = ("declared",)
    base_url: Callable[[C], str] | None = None
    credentials: Callable[[C], Credentials] = lambda _config: NoCredentials()
    limits: Limits = field(default_factory=Limits)
    webhook: Webhook[C] | None = None
    poll: Poll[C] | None = None
    file: File[C] | None = None
    terminal: Terminal[C] | None = None
    checkout: Checkout[C] | None = None
    coupons: Coupons[C] | None = None
    sign_in: SignIn[C] | None = None
    check: Callable[[C], Plan[Account]] | None = None


AnyConnector: TypeAlias = Connector[Any]
