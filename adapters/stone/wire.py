"""Stone Connect's messages, as far as they are read; what is not named here stays in the bytes it came in.

That is how card and holder data never reach a variable. The shapes are documented at
connect-stone.stone.com.br/reference/retorno-webhook; Stone's own libraries model none of them.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from contracts.facts import Cents, Instant, KeyValue, Ref
from contracts.wire import Wire

# Stone's sample pads texts with blanks.
_bare = BeforeValidator(lambda value: (value.strip() or None) if isinstance(value, str) else value)
# The till's own field: whatever else it holds must not cost the sale.
_number_as_text = BeforeValidator(
    lambda value: str(value) if type(value) is int else value if isinstance(value, str) else None
)

Word = Annotated[str | None, _bare]
Alias = Annotated[KeyValue | None, _bare]
Serial = Annotated[Ref | None, _bare]
ChargeId = Annotated[str, StringConstraints(pattern=r"^ch_[A-Za-z0-9]{1,64}$")]
OrderId = Annotated[str, StringConstraints(pattern=r"^or_[A-Za-z0-9]{1,64}$")]


class Account(Wire):
    id: str


class Envelope(Wire):
    # The `hook_` id is not read: evidence has an identity of its own, and Stone's samples vary its length.
    account: Account
    type: str
    # Seven fractional digits, of which six are kept.
    created_at: Instant


class OrderMetadata(Wire):
    loyalty_reservation: Annotated[str | None, _number_as_text] = None


class Order(Wire):
    # Its `amount` is what was asked, not what was paid, so it is not read.
    id: OrderId
    code: Word = None
    status: Word = None
    closed: bool | None = None
    metadata: OrderMetadata | None = None


class Buyer(Wire):
    document: Word = Field(default=None, repr=False)


class Transaction(Wire):
    id: Alias = None
    transaction_type: Word = None
    status: Word = None
    # Of this one operation, be it the sale or a refund; never the charge's total (a retailer's code).
    amount: Cents | None = None


class ChargeMetadata(Wire):
    account_funding_source: Word = None
    initiator_transaction_key: Alias = None
    terminal_serial_number: Serial = None
    transaction_timestamp: Instant | None = None


class Charge(Wire):
    id: ChargeId
    code: Word = None
    amount: Cents
    paid_amount: Cents | None = None
    canceled_amount: Cents | None = None
    status: str
    currency: str
    paid_at: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    canceled_at: Instant | None = None
    customer: Buyer | None = None
    order: Order | None = None
    last_transaction: Transaction | None = None
    metadata: ChargeMetadata | None = None


class ChargeMessage(Wire):
    data: Charge


class OrderMessage(Wire):
    data: Order


class ChargeNamed(Wire):
    id: ChargeId


class OrderNamed(Wire):
    id: OrderId


class ChargeTrigger(Wire):
    """A charge message that is not believed: it only says what to ask for."""

    data: ChargeNamed


class OrderTrigger(Wire):
    """An order message that is not believed."""

    data: OrderNamed
