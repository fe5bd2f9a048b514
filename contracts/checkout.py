"""A store asks while its shopper pays: questions and answers as values, whatever the wire looks like.

Money is centavos. A card is what the shopper may pay with: a voucher, or the member's own balance.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from contracts.http import Delivery, Reply
from contracts.signatures import Signature

C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FindCards:
    """Which cards may this shopper use? By document the balance, by code one voucher; `first` up to `last`."""

    document: str | None = field(repr=False)
    code: str | None = field(repr=False)
    first: int = 0
    last: int = 49


@dataclass(frozen=True, slots=True)
class ReadCard:
    """What is this card worth now?"""

    card_ref: str


@dataclass(frozen=True, slots=True)
class OpenCard:
    """The store gives value back as a new card; a hub whose value is only earned refuses it.

    `owner_ref` is the store's own name for the shopper; the three wishes say who may use the card, and
    whether more than once.
    """

    expires_at: datetime | None
    caption: str
    relation: str | None = None
    owner_ref: str | None = field(default=None, repr=False)
    owner_only: bool = False
    many_debits: bool = False
    many_credits: bool = False


@dataclass(frozen=True, slots=True)
class Debit:
    """The order is placed: hold `amount_cents` of the card. The same `request_ref` again changes nothing.

    A `code` that is there must be the card's own; `None` is none, or one that the wire shows masked.
    """

    card_ref: str
    document: str | None = field(repr=False)
    code: str | None = field(repr=False)
    amount_cents: int
    request_ref: str
    order_ref: str | None


@dataclass(frozen=True, slots=True)
class Credit:
    """The store puts value on a card, outside any cancellation."""

    card_ref: str
    amount_cents: int
    request_ref: str


@dataclass(frozen=True, slots=True)
class ListDebits:
    """Which debits has this card?"""

    card_ref: str


@dataclass(frozen=True, slots=True)
class ReadDebit:
    """What became of one debit? `part` names the view that the wire wants of it."""

    card_ref: str
    debit_ref: str
    part: str = "debit"


@dataclass(frozen=True, slots=True)
class Settle:
    """The order is invoiced: spend so much of the debit. The same `request_ref` again changes nothing."""

    card_ref: str
    debit_ref: str
    amount_cents: int
    request_ref: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """The order is cancelled or refunded: give so much of the debit back; as idempotent as `Settle`."""

    card_ref: str
    debit_ref: str
    amount_cents: int
    request_ref: str


Question: TypeAlias = (
    FindCards | ReadCard | OpenCard | Debit | Credit | ListDebits | ReadDebit | Settle | Cancel
)


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `code` is what the shopper types, `None` for a balance that needs none."""

    card_ref: str
    balance_cents: int
    issued_at: datetime
    expires_at: datetime | None
    caption: str | None
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards found; none at all is an honest answer. `total` counts those outside the range, too."""

    cards: tuple[Card, ...] = ()
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One settlement or cancellation of a debit."""

    entry_ref: str
    amount_cents: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Debited:
    """One debit with everything that was done to it so far."""

    card_ref: str
    debit_ref: str
    amount_cents: int
    made_at: datetime
    request_ref: str
    settlements: tuple[Entry, ...] = ()
    cancellations: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Debits:
    """The debits of one card, oldest first."""

    debits: tuple[Debited, ...] = ()


@dataclass(frozen=True, slots=True)
class NoSuch:
    """The card or debit does not exist, for this store."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A business "no" with a stable code: too little value, spent, expired, not served."""

    code: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """The store did not prove who it is: no credentials at all, or wrong ones."""

    absent: bool


@dataclass(frozen=True, slots=True)
class Misread:
    """The question could not be understood."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The hub could not answer; the store may ask again."""

    retry_after_seconds: int = 1


Answer: TypeAlias = Cards | Card | Debits | Debited | Entry | NoSuch | Declined | Stranger | Misread | Failed


@dataclass(frozen=True, slots=True)
class Checkout(Generic[C]):
    """A live question of a store, at the installation's own address.

    `signature(config)` comes first; `ask` reads a question (`Malformed` if it cannot), `tell(question,
    answer, base_path)` writes the answer. `question` is `None` when there was none to read; `base_path` is
    the path of the installation's address, for links.
    """

    signature: Callable[[C], Signature]
    ask: Callable[[Delivery, C], Question]
    tell: Callable[[Question | None, Answer, str], Reply]
