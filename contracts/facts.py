"""What a connector may say: facts, each a full statement of what a source knows now, never a delta.

Money is whole centavos, instants are aware, personal data stands only in `Customer`.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.money import CENTS_MAX

KeyKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(:[A-Za-z0-9_\-]+)?$", max_length=64)]
KeyValue = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[ -~]+$")]
Cents = Annotated[int, Field(ge=0, le=CENTS_MAX)]
Instant = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
"""Aware, and within the years in which every zone can express it."""

Trust: TypeAlias = Literal["file", "fiscal", "signed", "confirmed", "device", "declared"]
"""How far a source is believed, best first. Stamped by the gateway; a payload can only lower it."""

TRUSTS: tuple[Trust, ...] = ("file", "fiscal", "signed", "confirmed", "device", "declared")

Method: TypeAlias = Literal[
    "credit", "debit", "voucher", "prepaid", "pix", "cash", "boleto", "other", "unknown"
]
State: TypeAlias = Literal["authorised", "captured", "void"]
DocumentKind: TypeAlias = Literal["order", "fiscal", "row", "manual"]
OperationKind: TypeAlias = Literal["return", "chargeback", "reinstatement"]


class Key(NamedTuple):
    """A foreign identity: `Key("stone:atk", "51000000000017")`. Compared by both parts."""

    kind: KeyKind
    value: KeyValue


SINGULAR_KINDS = frozenset({"stone:atk", "pix:e2e"})
"""A payment has at most one value of each of these; two values are two payments."""

CARD_KINDS = frozenset({"stone:atk", "stone:itk"})
"""Keys that only a payment by card bears."""

WEAK_KINDS = frozenset({"reservation", "authorisation"})
"""Keys that may repeat in honest life: they join reports, never two named payments."""


class Fact(BaseModel):
    """Common settings: immutable, strict, unknown fields refused, errors silent about the value refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


class Customer(Fact):
    """Who bought, as the source says. `document` is a CPF or CNPJ in any writing; the gateway seals it."""

    document: str = Field(min_length=1, max_length=32, repr=False)
    phone: str | None = Field(default=None, max_length=32, repr=False)
    consent: bool = False


class Line(Fact):
    """One line of what was bought; kept for reviews, never needed for an award."""

    code: Ref
    quantity_milli: int = Field(ge=0, le=CENTS_MAX)
    amount_cents: Cents


class Operation(Fact):
    """One thing that took money back, or gave it again, keyed where the source lists them.

    `space` names the numbering the key belongs to: the same refund may be listed in two numberings,
    and then the larger total counts, never the sum. A reinstatement carries the key of its chargeback.
    `amount_cents` is gross; `None` means "the whole instalment", resolved from the capture row.
    """

    space: Ref
    key: KeyValue
    kind: OperationKind = "return"
    amount_cents: Cents | None = None
    instalment: int | None = Field(default=None, ge=1, le=99)
    happened_at: Instant


class _Evidence(Fact):
    keys: tuple[Key, ...] = Field(min_length=1, max_length=16)
    links: tuple[Key, ...] = Field(default=(), max_length=32)
    merchant_ref: Ref | None = None
    terminal_ref: Ref | None = None
    operator_ref: Ref | None = None
    sold_at: Instant | None = None
    state: State = "captured"
    customer: Customer | None = None
    voucher_codes: tuple[KeyValue, ...] = Field(default=(), max_length=16)
    lines: tuple[Line, ...] = Field(default=(), max_length=1000)
    operations: tuple[Operation, ...] = Field(default=(), max_length=1000)
    as_of: Instant
    trust: Trust | None = None
    test: bool = False


class PaymentEvidence(_Evidence):
    """What one delivery says about one payment.

    `captured_cents` is gross, before returns; `None` means that this source does not state it (a cancel
    row). The three cumulative figures are totals so far; `None` means not stated. A source states either
    cumulative figures or `operations`. `trust` may only lower what the gateway stamps.
    """

    about: Literal["payment"] = "payment"
    method: Method = "unknown"
    captured_cents: Cents | None = None
    instalment_cents: tuple[Cents, ...] = Field(default=(), max_length=99)
    returned_cents: Cents | None = None
    charged_back_cents: Cents | None = None
    reinstated_cents: Cents | None = None


class Tender(Fact):
    """One means of payment that a document names; `keys` are payment keys."""

    keys: tuple[Key, ...] = Field(default=(), max_length=8)
    method: Method = "unknown"
    amount_cents: Cents


class DocumentEvidence(_Evidence):
    """What one delivery says about one document: an order, a fiscal document, a row, a manual launch.

    Amounts are before returns: a vendor that nets returns out has them added back by its connector.
    `gross_cents` is the goods; charged money is gross - discount + shipping + fees. `returned_cents` is
    money given back so far, `returned_items_cents` the part of it that belongs to goods; `None` when the
    source does not tell, and then the part is taken in proportion.
    """

    about: Literal["document"] = "document"
    kind: DocumentKind
    gross_cents: Cents
    discount_cents: Cents = 0
    shipping_cents: Cents = 0
    fees_cents: Cents = 0
    paid_with_loyalty_cents: Cents = 0
    returned_cents: Cents = 0
    returned_items_cents: Cents | None = None
    tenders: tuple[Tender, ...] = Field(default=(), max_length=32)

    @model_validator(mode="after")
    def _adds_up(self) -> "DocumentEvidence":
        if self.discount_cents > self.gross_cents:
            raise ValueError("discount_cents exceeds gross_cents")
        if self.paid_with_loyalty_cents > self.total_cents:
            raise ValueError("paid_with_loyalty_cents exceeds the total")
        if (self.returned_items_cents or 0) > self.returned_cents:
            raise ValueError("returned_items_cents exceeds returned_cents")
        return self

    @property
    def total_cents(self) -> int:
        """What the document charges in all, loyalty tender included, before returns."""
        return self.gross_cents - self.discount_cents + self.shipping_cents + self.fees_cents

    @property
    def money_cents(self) -> int:
        """The money charged: total minus what was paid with loyalty (T of rule R6)."""
        return self.total_cents - self.paid_with_loyalty_cents

    @property
    def items_cents(self) -> int:
        """The earning part (I of rule R6): goods after discount, loyalty tender paying goods first."""
        return max(0, self.gross_cents - self.discount_cents - self.paid_with_loyalty_cents)


Evidence: TypeAlias = Annotated[PaymentEvidence | DocumentEvidence, Field(discriminator="about")]


class Coverage(Fact):
    """This source is complete for this merchant, local day and these methods."""

    about: Literal["coverage"] = "coverage"
    merchant_ref: Ref
    day_on: date
    methods: tuple[Method, ...] = Field(min_length=1)


class VoucherUse(Fact):
    """A voucher code was used, freed or given back in a store's order."""

    about: Literal["voucher_use"] = "voucher_use"
    code: KeyValue = Field(repr=False)
    order: Key
    state: State
    amount_cents: Cents
    as_of: Instant


class MemberSeen(Fact):
    """A source met a person who agreed to join; the programme decides whether that registers a member."""

    about: Literal["member_seen"] = "member_seen"
    customer: Customer
    as_of: Instant


class ReservationClosed(Fact):
    """A CPF typed before payment will not be used any more (order closed or cancelled)."""

    about: Literal["reservation_closed"] = "reservation_closed"
    reservation: Key
    as_of: Instant


class Ignored(Fact):
    """An answer, not a silence: nothing here concerns loyalty, and why. Counted by reason."""

    about: Literal["ignored"] = "ignored"
    reason: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]*$", max_length=80)]


AnyFact: TypeAlias = (
    PaymentEvidence | DocumentEvidence | Coverage | VoucherUse | MemberSeen | ReservationClosed | Ignored
)
Facts: TypeAlias = Sequence[AnyFact]

__all__ = [
    "CENTS_MAX",
    "SINGULAR_KINDS",
    "TRUSTS",
    "WEAK_KINDS",
    "AnyFact",
    "Cents",
    "Coverage",
    "Customer",
    "DocumentEvidence",
    "DocumentKind",
    "Evidence",
    "Fact",
    "Facts",
    "Ignored",
    "Instant",
    "Key",
    "Line",
    "MemberSeen",
    "Method",
    "Operation",
    "OperationKind",
    "PaymentEvidence",
    "ReservationClosed",
    "State",
    "Tender",
    "Trust",
    "VoucherUse",
]
