"""What a payment terminal asks and reports: a CPF or a voucher before payment, a result after it, a slip to print.

A nonce names one request for ever: re-sent with the same body it hears the first answer.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from contracts.connector import SlipFacts, Terminal, TerminalReport
from contracts.documents import tax_id
from contracts.errors import Malformed
from contracts.facts import AnyFact, Customer, Ignored, Key, PaymentEvidence
from gateway.context import Context
from gateway.installations.queries import Installed, TerminalDevice
from gateway.intake import Inbound, Outcome, Source, apply
from gateway.ledger import queries as ledger
from gateway.privacy import ProgrammeKeys
from gateway.programmes.queries import book as book_of
from gateway.references import kept_key
from gateway.reservations import actions as reservations
from gateway.reservations.queries import reservation as reservation_of
from gateway.sales import queries as sales
from gateway.store import Connection, rows
from gateway.store import tables as t
from gateway.vouchers import actions as vouchers
from gateway.vouchers.verbs import Hold, Told, Turn
from loyalty.accounts import Account
from loyalty.refusals import Refusal

Answer: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request of a device.

    A reservation has `amount_cents`, a result an `answer`, a voucher to redeem a `hold`, one to give back a `turn`.
    """

    device: TerminalDevice
    installed: Installed
    nonce: str
    body_hash: str
    received_at: datetime
    cpf: str | None = field(default=None, repr=False)
    amount_cents: int | None = None
    reservation: str | None = None
    answer: str = field(default="", repr=False)
    facts: tuple[AnyFact, ...] = ()
    hold: Hold | None = None
    turn: Turn | None = None

    @property
    def terminal(self) -> Terminal[Any]:
        """The connector's terminal capability."""
        capability = self.installed.connector.terminal
        if capability is None:
            raise ValueError("the installation's connector speaks for no terminal")
        return capability

    @property
    def reserved(self) -> tuple[str, str, str]:
        """The reservation that it names, within its partner."""
        return (self.device.programme_id, self.device.partner_id, self.reservation or "")

    @property
    def source(self) -> Source:
        """A device is believed as a device, whatever its installation was granted."""
        device = self.device
        return Source(
            device.programme_id, device.partner_id, device.installation_id, device.store_id, "device"
        )


def understood(call: Call) -> Call:
    """Return `call` with the facts of the device's answer. Refused (`Malformed`): one nobody knows."""
    told = TerminalReport(
        terminal_ref=call.device.serial,
        merchant_ref=call.device.store_id,
        zone=call.device.zone,
        answer=call.terminal.answer(call.answer),
        reservation=call.reservation,
        cpf=call.cpf,
        reported_at=call.received_at,
    )
    return replace(call, facts=tuple(call.terminal.result(told, call.installed.config)))


def reserve(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    """Give each CPF a 63-bit number that the payment will carry. The typed CPF is evidence of its own."""
    return _once(context, conn, calls, _reserve)


def report(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    """Apply what each device says happened, and return the slip."""
    return _once(context, conn, calls, _report)


def _once(
    context: Context,
    conn: Connection,
    calls: Sequence[Call],
    act: Callable[[Context, Connection, Sequence[Call]], list[Answer | Refusal]],
) -> list[Answer | Refusal]:
    """Let `act` see each nonce once; a repeat hears the stored answer, other content under it is refused."""
    names = [(c.device.programme_id, c.device.terminal_id, c.nonce) for c in calls]
    known = {
        (row["programme_id"], row["terminal_id"], row["nonce"]): (row["body_hash"], json.loads(row["answer"]))
        for row in rows.fetch(conn, t.nonce, ("programme_id", "terminal_id", "nonce"), names)
    }
    fresh = {name: call for name, call in reversed(list(zip(names, calls, strict=True))) if name not in known}
    answers = act(context, conn, list(fresh.values()))
    seen = []
    for (name, call), answer in zip(fresh.items(), answers, strict=True):
        known[name] = (call.body_hash, answer)
        if not isinstance(answer, Refusal):
            seen.append(_nonce_row(name, call, answer))
    rows.insert(conn, t.nonce, seen)
    return [
        known[name][1] if known[name][0] == call.body_hash else Refusal("nonce_reused")
        for name, call in zip(names, calls, strict=True)
    ]


def _nonce_row(name: tuple[str, str, str], call: Call, answer: Answer) -> dict[str, Any]:
    programme_id, terminal_id, nonce = name
    return {
        "programme_id": programme_id,
        "terminal_id": terminal_id,
        "nonce": nonce,
        "body_hash": call.body_hash,
        "answer": json.dumps(answer),
        "seen_at": call.received_at,
    }


def _reserve(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    answers: list[Answer | Refusal] = []
    opened, inbound = [], []
    for call in calls:
        try:
            document = tax_id(call.cpf or "")
        except Malformed:
            answers.append(Refusal("document_invalid"))
            continue
        number = str(context.ids.number63())
        opened.append(
            {
                "programme_id": call.device.programme_id,
                "reservation_ref": number,
                "partner_id": call.device.partner_id,
                "terminal_id": call.device.terminal_id,
                "owner": call.installed.keys.blind_index(document.text),
                "document_mask": document.masked,
                "amount_cents": call.amount_cents,
                "reserved_at": call.received_at,
            }
        )
        inbound.append(Inbound(call.source, (_typed(call, number, document.text),), call.received_at))
        launch = call.terminal.reserve(number, call.amount_cents, call.installed.config)
        answers.append({"reservation": number, "launch": dict(launch), "cpf_mask": document.masked})
    reservations.open_all(conn, opened)
    apply(context, conn, inbound)
    return answers


def _typed(call: Call, reservation: str, document: str) -> PaymentEvidence:
    """Return what a reservation states: this CPF belongs to the payment that will carry this number."""
    return PaymentEvidence(
        keys=(Key("reservation", reservation),),
        terminal_ref=call.device.serial,
        state="authorised",
        customer=Customer(document=document),
        as_of=call.received_at,
    )


def _report(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    inbound = [Inbound(call.source, call.facts, call.received_at) for call in calls]
    outcomes = apply(context, conn, inbound)
    used = [c for c, outcome in zip(calls, outcomes, strict=True) if c.reservation and outcome.recorded]
    reservations.end(conn, [c.reserved for c in used], "used")
    return _slips(context, conn, calls, outcomes)


def _slips(
    context: Context,
    conn: Connection,
    calls: Sequence[Call],
    outcomes: Sequence[Outcome],
) -> list[Answer | Refusal]:
    owners = [
        (call.device.programme_id, member_id)
        for call, outcome in zip(calls, outcomes, strict=True)
        if outcome.recorded and (member_id := outcome.recorded[0].member_id) is not None
    ]
    accounts = [(p, Account(kind, m)) for p, m in owners for kind in ("available", "pending")]
    held = ledger.balances(conn, accounts)
    answers: list[Answer | Refusal] = []
    for call, outcome in zip(calls, outcomes, strict=True):
        programme = book_of(context, conn, call.device.programme_id).programme
        sale = outcome.recorded[0] if outcome.recorded else None
        balance = None
        if sale is not None and sale.member_id is not None:
            ours = call.device.programme_id
            balance = sum(held.get((ours, Account(k, sale.member_id)), 0) for k in ("available", "pending"))
        slip = SlipFacts(
            programme_name=programme.name,
            unit=programme.unit,
            sold_cents=sum(f.captured_cents or 0 for f in call.facts if isinstance(f, PaymentEvidence)),
            earned_units=sale.units if sale else 0,
            balance_units=balance,
            cpf_mask=_mask(conn, call),
            outcome=_outcome_of(call, outcome),
        )
        answers.append(
            {
                "sale_id": sale.sale_id if sale else None,
                "state": sale.state if sale else "none",
                "reason": sale.reason if sale else (outcome.ignored or ("nothing_reported",))[0],
                "earned_units": slip.earned_units,
                "balance_units": balance,
                "outcome": slip.outcome,
                "slip": list(call.terminal.slip(slip, call.installed.config)),
            }
        )
    return answers


def _outcome_of(call: Call, outcome: Outcome) -> str:
    if outcome.recorded:
        sale = outcome.recorded[0]
        return sale.state if sale.state != "none" else sale.reason or "none"
    return "declined" if any(isinstance(fact, Ignored) for fact in call.facts) else "refused"


def _mask(conn: Connection, call: Call) -> str | None:
    """Return the masked document of this report: typed now, or before payment."""
    if call.cpf is not None:
        try:
            return tax_id(call.cpf).masked
        except Malformed:
            return None
    row = reservation_of(conn, *call.reserved) if call.reservation else None
    return row["document_mask"] if row else None


def ask(conn: Connection, keys: ProgrammeKeys, device: TerminalDevice, reservation: str) -> Answer | None:
    """Answer "did a sale arrive for this reservation?"; `None` when it is not one of this partner's."""
    row = reservation_of(conn, device.programme_id, device.partner_id, reservation)
    if row is None:
        return None
    key = kept_key(keys, Key("reservation", reservation))
    sale = sales.sale_of_key(conn, (device.programme_id, device.partner_id), key)
    paid = sale if sale is not None and sale["captured_cents"] else None
    return {
        "reservation": reservation,
        "state": row["state"],
        "sale_id": paid["sale_id"] if paid else None,
        "sale_state": paid["state"] if paid else None,
        "earned_units": paid["units"] if paid else None,
    }


def close(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    """Close reservations that no payment will use; one already used stays so."""
    return _once(context, conn, calls, _close)


def _close(_context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    known = [reservation_of(conn, *call.reserved) for call in calls]
    reservations.end(conn, [call.reserved for call in calls], "closed")
    return [
        Refusal("reservation_unknown")
        if row is None
        else {
            "reservation": row["reservation_ref"],
            "state": "closed" if row["state"] == "open" else row["state"],
        }
        for row in known
    ]


def redeem(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    """Spend vouchers on purchases that are about to be paid: what is left to pay is the device's business."""
    return _once(context, conn, calls, _redeem)


def _redeem(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    wanted = [call.hold for call in calls if call.hold is not None]
    return [_used(told) for told in vouchers.redeem(context, conn, wanted)]


def undo(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    """Give back what was redeemed for purchases that were not paid after all."""
    return _once(context, conn, calls, _undo)


def _undo(context: Context, conn: Connection, calls: Sequence[Call]) -> list[Answer | Refusal]:
    wanted = [call.turn for call in calls if call.turn is not None]
    return [_used(told) for told in vouchers.roll_back(context, conn, wanted)]


def _used(told: Told | Refusal) -> Answer | Refusal:
    if isinstance(told, Refusal):
        return told
    return {
        "use_id": told.use["use_id"],
        "display_number": told.voucher["display_number"],
        "state": told.use["state"],
        "amount_cents": told.cents,
        "spent_cents": told.use["spent_cents"],
        "repeated": told.repeated,
    }
