"""Stone Connect 2.0 (Pagar.me core v5) webhooks become facts about payments; orders only close reservations.

Only what is named in these models is ever read: card and holder data stay in the bytes they came in.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from adapters.stone.settings import SIGNATURE_HEADER, StoneConfig, reservation_key
from contracts import (
    RS256,
    Basic,
    Customer,
    Delivery,
    Facts,
    Forged,
    Ignored,
    Key,
    Malformed,
    Operation,
    PaymentEvidence,
    Plan,
    Reply,
    Request,
    ReservationClosed,
    Steps,
    tax_id,
)
from contracts.facts import Cents, Method
from contracts.signatures import Signature
from contracts.wire import parse

# docs.stone.com.br/connect, "Eventos": what moves money, or shows that it is about to move.
PAYING = frozenset({"charge.paid", "charge.overpaid", "charge.underpaid"})
SPOKEN = PAYING | {
    "charge.created",
    "charge.updated",
    "charge.pending",
    "charge.processing",
    "charge.partial_canceled",
    "charge.refunded",
    "charge.chargedback",
}
CLOSING = frozenset({"order.closed", "order.canceled"})
# Random 63-bit numbers this short are one in 9,000; a till's own order numbers are rarely longer.
ORDER_CODE_DIGITS = 16

Word = Annotated[str | None, BeforeValidator(lambda value: value or None)]
Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", min_length=1, max_length=100)]
Alias = Annotated[Reference | None, BeforeValidator(lambda value: value or None)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class _Account(_Wire):
    id: str


class _Envelope(_Wire):
    # "hook_" ids differ in length between Stone's sample and its own code, so the id is not looked at.
    account: _Account
    type: str
    # Seven fractional digits, of which six are kept.
    created_at: AwareDatetime


class _OrderMetadata(_Wire):
    loyalty_reservation: Word = None


class _Order(_Wire):
    id: Annotated[str, StringConstraints(pattern=r"^or_[A-Za-z0-9]{1,64}$")]
    code: Word = None
    status: Word = None
    closed: bool = False
    metadata: _OrderMetadata | None = None


class _Customer(_Wire):
    document: Word = Field(default=None, repr=False)


class _Transaction(_Wire):
    id: Alias = None
    transaction_type: Word = None
    status: Word = None
    # Of this one operation, a refund's too: never the charge's total (seen in a retailer's production code).
    amount: Cents | None = None


class _ChargeMetadata(_Wire):
    account_funding_source: Word = None
    initiator_transaction_key: Alias = None
    terminal_serial_number: Alias = None
    transaction_timestamp: AwareDatetime | None = None


class _Charge(_Wire):
    id: Annotated[str, StringConstraints(pattern=r"^ch_[A-Za-z0-9]{1,64}$")]
    code: Word = None
    amount: Cents
    paid_amount: Cents | None = None
    canceled_amount: Cents | None = None
    status: str
    currency: str
    paid_at: AwareDatetime | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    canceled_at: AwareDatetime | None = None
    customer: _Customer | None = None
    order: _Order | None = None
    last_transaction: _Transaction = _Transaction()
    metadata: _ChargeMetadata = _ChargeMetadata()
