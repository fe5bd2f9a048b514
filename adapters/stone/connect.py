"""Stone Connect 2.0 (Pagar.me core v5) webhooks: charges speak of payments, orders only close reservations.

Every statement is the whole state of a charge, read from its cumulative figures, never from the one operation
that caused the message.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from adapters.stone.settings import SIGNATURE_HEADER, StoneConfig, reservation_key
from adapters.stone.wire import (
    Charge,
    ChargeMessage,
    ChargeTrigger,
    Envelope,
    Order,
    OrderMessage,
    OrderTrigger,
)
from contracts import (
    RS256,
    Basic,
    BasicAuth,
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
from contracts.credentials import Credentials, NoCredentials
from contracts.facts import Method, State, Trust
from contracts.signatures import Signature
from contracts.wire import parse

M = TypeVar("M", bound=BaseModel)

# docs.pagar.me/docs/lista-de-events
MONEY_MOVED = frozenset(
    {
        "charge.paid",
        "charge.overpaid",
        "charge.underpaid",
        "charge.partial_canceled",
        "charge.refunded",
        "charge.chargedback",
    }
)
HEARD = MONEY_MOVED | {"charge.created", "charge.updated", "charge.pending", "charge.processing"}
# PagarmeCoreApi ChargeStatus: of the others, `pending` and `processing` wait and `failed` is the end.
PAID_STATUSES = frozenset({"paid", "overpaid", "underpaid", "chargedback"})

METHODS: dict[str, Method] = {
    "credit": "credit",
    "credit_card": "credit",
    "debit": "debit",
    "debit_card": "debit",
    "voucher": "voucher",
    "prepaid": "prepaid",
    "pix": "pix",
    "boleto": "boleto",
}

# A till numbers its orders too, and any software may fill this field: only a number as long as nearly all
# random 63-bit numbers are (9,999 in 10,000) is taken for a reservation of ours.
ORDER_CODE_DIGITS = 16


def signature(config: StoneConfig) -> Signature:
    """Return the one scheme that this installation accepts."""
    if config.authenticity == "rs256":
        return RS256(config.jwks_url, SIGNATURE_HEADER)
    return Basic(config.basic_user, config.basic_password.get_secret_value())


def credentials(config: StoneConfig) -> Credentials:
    """Return how charges are asked for: the account's secret key as user, without a password."""
    key = config.secret_key.get_secret_value()
    return BasicAuth(key) if key else NoCredentials()


def receive(delivery: Delivery, config: StoneConfig) -> Plan[Facts]:
    """Return what a webhook says; without a signature it is only a reason to ask Stone.

    Refused: another account's message (`Forged`), and what has not the documented shape (`Malformed`).
    """
    envelope = parse(Envelope, delivery.body)
    if envelope.account.id != config.account_id:
        raise Forged("other_account")
    event = envelope.type
    if event in HEARD:
        if config.authenticity == "basic":
            return _confirm_charge(parse(ChargeTrigger, delivery.body).data.id, config)
        charge = parse(ChargeMessage, delivery.body).data
        return _charge_facts(_Told(charge, event, envelope.created_at), config)
    if event in {"order.closed", "order.canceled"}:
        if config.authenticity == "basic":
            return _confirm_order(parse(OrderTrigger, delivery.body).data.id, envelope.created_at, config)
        return _order_facts(parse(OrderMessage, delivery.body).data, envelope.created_at)
    return [Ignored(reason=_why_ignored(event))]


def _why_ignored(event: str) -> str:
    if event == "charge.payment_failed" or event.startswith("charge.antifraud_"):
        return "charge_not_paid"
    if event.startswith("order."):
        return "order_earns_nothing"  # its charges do; to count both would be to count twice
    # Integrators have met this one; its shape is in no page, so it gets a counter of its own.
    return "chargeback_received" if event == "chargeback.received" else "type_unknown"


def _confirm_charge(charge_id: str, config: StoneConfig) -> Steps[Facts]:
    """Ask Stone for the charge that an unsigned webhook names, and say what the answer says."""
    charge = yield from _ask(f"/charges/{charge_id}", Charge, config)
    if charge is None:
        return [Ignored(reason="charge_not_found")]
    if charge.id != charge_id:
        raise Malformed("id: not the charge that was asked for")
    told_at = [charge.updated_at, charge.canceled_at, charge.paid_at, charge.created_at]
    as_of = max((at for at in told_at if at is not None), default=None)
    if as_of is None:
        raise Malformed("updated_at: missing")
    return _charge_facts(_Told(charge, None, as_of, "confirmed"), config)


def _confirm_order(order_id: str, as_of: datetime, config: StoneConfig) -> Steps[Facts]:
    """Ask Stone for the order that an unsigned webhook says is over."""
    order = yield from _ask(f"/orders/{order_id}", Order, config)
    if order is None:
        return [Ignored(reason="order_not_found")]
    if order.id != order_id:
        raise Malformed("id: not the order that was asked for")
    if not order.closed and order.status != "canceled":
        return [Ignored(reason="order_still_open")]
    return _order_facts(order, as_of)


def _ask(path: str, model: type[M], config: StoneConfig) -> Steps[M | None]:
    """Return what stands at `path`, `None` if nothing does."""
    name = config.service_referer_name
    # The partner programme's id of the software house (connect-stone.stone.com.br/reference/criar-pedido).
    reply: Reply = yield Request("GET", path, headers={} if name is None else {"servicereferername": name})
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise Malformed(f"Stone answered {reply.status}")
    return parse(model, reply.body)


@dataclass(frozen=True, slots=True)
class _Told:
    """A charge, what the message was about (`None`: we asked), and since when it stands so."""

    charge: Charge
    event: str | None
    as_of: datetime
    trust: Trust | None = None

    def says(self, word: str) -> bool:
        """Whether message or status says so: which of the two comes first is up to Stone."""
        return self.event == f"charge.{word}" or self.charge.status == word


class _Money(NamedTuple):
    """What a charge says of its money."""

    state: State
    captured_cents: int | None = None
    returned_cents: int | None = None
    charged_back_cents: int | None = None
    operations: tuple[Operation, ...] = ()


def _charge_facts(told: _Told, config: StoneConfig) -> Facts:
    charge, money = told.charge, _money(told)
    if charge.currency != "BRL":
        return [Ignored(reason="currency_not_brl")]
    if charge.status == "failed":
        return [Ignored(reason="charge_not_paid")]
    evidence = PaymentEvidence(
        keys=_keys(charge),
        links=(Key("pagarme:order", charge.order.id),) if charge.order else (),
        merchant_ref=config.account_id,
        terminal_ref=charge.metadata.terminal_serial_number if charge.metadata else None,
        sold_at=_sold_at(charge) if money.state == "captured" else None,
        state=money.state,
        method=_method(charge),
        captured_cents=money.captured_cents,
        returned_cents=money.returned_cents,
        charged_back_cents=money.charged_back_cents,
        operations=money.operations,
        customer=_customer(charge, config),
        as_of=told.as_of,
        trust=told.trust,
    )
    return [evidence]


def _money(told: _Told) -> _Money:
    charge = told.charge
    paid = told.event in MONEY_MOVED or charge.status in PAID_STATUSES
    if charge.status == "canceled" and not paid and charge.paid_at is None and charge.paid_amount is None:
        return _Money("void")  # given up before anybody paid
    if not paid and charge.status != "canceled":
        return _Money("authorised")
    total_cents = _total_cents(told)
    returned_cents = charge.canceled_amount
    if not returned_cents and (told.says("refunded") or told.says("canceled")):
        returned_cents = total_cents  # without a figure, everything (Pagar.me core, the same)
    charged_back_cents = None
    if told.says("chargedback"):
        # No page names a figure: all that remained, until the conciliation file tells by instalment.
        charged_back_cents = max(0, total_cents - (returned_cents or 0))
    operations = _refund_alone(told) if returned_cents is None else ()
    return _Money("captured", total_cents, returned_cents, charged_back_cents, operations)


def _total_cents(told: _Told) -> int:
    """Return what was paid; where `paid_amount` is missing, what was asked, as in Pagar.me's own core."""
    charge = told.charge
    if charge.paid_amount is not None:
        return charge.paid_amount
    if told.says("overpaid") or told.says("underpaid"):
        raise Malformed("data.paid_amount: missing, and it is not the amount that was asked")
    return charge.amount


def _refund_alone(told: _Told) -> tuple[Operation, ...]:
    """Return the one refund that a message is about, where the charge has no cumulative figure."""
    done = told.charge.last_transaction
    undone = done is not None and done.status == "canceled"
    if not undone and told.event != "charge.partial_canceled":
        return ()
    if done is None or done.id is None or done.amount is None:
        raise Malformed("data.canceled_amount: missing, and no transaction tells what was given back")
    refund = Operation(
        space="pagarme:transaction", key=done.id, amount_cents=done.amount, happened_at=told.as_of
    )
    return (refund,)


def _keys(charge: Charge) -> tuple[Key, ...]:
    keys = [Key("pagarme:charge", charge.id)]
    # That `code` is the ATK is seen in samples and production code, and stated nowhere: the shape must fit.
    if charge.code is not None and re.fullmatch(r"[0-9]{14}", charge.code):
        keys.insert(0, Key("stone:atk", charge.code))
    if charge.metadata and charge.metadata.initiator_transaction_key:
        keys.append(Key("stone:itk", charge.metadata.initiator_transaction_key))
    reservation = _reservation(charge.order)
    return (*keys, reservation) if reservation else tuple(keys)


def _reservation(order: Order | None) -> Key | None:
    """Return the reservation that an order names, in its metadata or as its code."""
    if order is None:
        return None
    if order.metadata and order.metadata.loyalty_reservation:
        return reservation_key(order.metadata.loyalty_reservation)
    return reservation_key(order.code, shortest=ORDER_CODE_DIGITS)


def _method(charge: Charge) -> Method:
    # The charge's own `payment_method` says `cash` for every card sale on a terminal.
    funding = charge.metadata.account_funding_source if charge.metadata else None
    kind = charge.last_transaction.transaction_type if charge.last_transaction else None
    return METHODS.get((funding or kind or "").casefold(), "unknown")


def _sold_at(charge: Charge) -> datetime | None:
    """Return when it was sold: in a refund's message, the transaction's time is the refund's."""
    stamped = charge.metadata.transaction_timestamp if charge.metadata else None
    return min((at for at in (stamped, charge.paid_at) if at is not None), default=charge.created_at)


def _customer(charge: Charge, config: StoneConfig) -> Customer | None:
    """Return the buyer, if the installation takes the order's document for a loyalty CPF and it is one."""
    document = charge.customer.document if charge.customer else None
    if not config.use_customer_document or document is None:
        return None
    try:
        return Customer(document=tax_id(document).text)
    except Malformed:
        return None  # a mistyped document must not cost the shop its sale; it waits for a CPF


def _order_facts(order: Order, as_of: datetime) -> Facts:
    reservation = _reservation(order)
    if reservation is None:
        return [Ignored(reason="order_without_reservation")]
    return [ReservationClosed(reservation=reservation, as_of=as_of)]
