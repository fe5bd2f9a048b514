"""Vouchers and balances as the cards that a store's checkout asks for (`contracts.checkout`).

A card is a voucher, or the member's own balance: paying with the balance issues a voucher for that one order
and holds it, in one transaction; when the order is undone, what it took is back in the wallet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contracts.checkout import (
    Answer,
    Cancel,
    Card,
    Cards,
    Credit,
    Debit,
    Debited,
    Debits,
    Declined,
    Entry,
    FindCards,
    ListDebits,
    NoSuch,
    OpenCard,
    Question,
    ReadCard,
    ReadDebit,
    Settle,
)
from contracts.documents import tax_id
from contracts.errors import Malformed
from gateway.context import Context
from gateway.ledger import queries as ledger
from gateway.members.queries import identity, member_rows
from gateway.privacy import ProgrammeKeys
from gateway.programmes.queries import keys as keys_of
from gateway.programmes.queries import stored_keys
from gateway.rewards.actions import cashout
from gateway.rewards.queries import cashout_row, issued_to, reward_of, reward_rows
from gateway.store import Connection
from gateway.vouchers import card_refs, lookup, queries, verbs
from gateway.vouchers.issuing import Issued, Wish, issue_in
from gateway.vouchers.queries import Row, VoucherRef
from gateway.vouchers.till import Till
from gateway.vouchers.verbs import Asked, Hold, Turn
from loyalty import rewards
from loyalty.codes import Mistyped
from loyalty.programme import MILLI
from loyalty.refusals import Refusal
from loyalty.rewards import Issues, Reward, units_for

WALLET = "mem_"
"""How the reference of a card begins that is a member's own balance."""


@dataclass(frozen=True, slots=True)
class Store:
    """The store that asks: one installation of a partner."""

    programme_id: str
    partner_id: str
    installation_id: str


@dataclass(frozen=True, slots=True)
class Put:
    """One question of one store."""

    store: Store
    question: Question


Changing = (Debit, Settle, Cancel, Credit, OpenCard)
"""Questions that may change something: they are put to `answer`, all others to `read`."""


def read(context: Context, conn: Connection, put: Put) -> Answer:
    """Return the answer to a question that changes nothing."""
    keys = stored_keys(context.vault, conn, put.store.programme_id)
    question = card_refs.opened(keys, put.question)
    if question is None:
        return NoSuch()
    return card_refs.sealed(keys, _read(context, conn, put.store, question))


def _read(context: Context, conn: Connection, store: Store, question: Question) -> Answer:
    match question:
        case FindCards():
            found = _found(context, conn, store, question)
            return Cards(tuple(found[question.first : question.last + 1]), len(found))
        case ReadCard():
            return _card(context, conn, store, question.card_ref) or NoSuch()
        case ListDebits():
            return Debits(tuple(_debits(conn, store, question.card_ref)))
        case ReadDebit():
            seen = [d for d in _debits(conn, store, question.card_ref) if d.debit_ref == question.debit_ref]
            return seen[0] if seen else NoSuch()
        case _:
            raise TypeError("this question changes something")


def answer(context: Context, conn: Connection, items: Sequence[Put]) -> list[Answer]:
    """Answer questions that change something, in order; each request of a store counts once."""
    answers: list[Answer] = []
    for item in items:
        keys = keys_of(context, conn, item.store.programme_id)
        question = card_refs.opened(keys, item.question)
        if question is None:
            answers.append(Declined("voucher_not_accepted"))
            continue
        answer = _answer(context, conn, item.store, _named(keys, question))
        answers.append(card_refs.sealed(keys, answer))
    return answers


def _named(keys: ProgrammeKeys, question: Question) -> Question:
    """Return a question with the store's own names of its order and its request as they are kept."""
    if isinstance(question, Debit):
        order_ref = None if question.order_ref is None else keys.reference(question.order_ref)
        return replace(question, request_ref=keys.reference(question.request_ref), order_ref=order_ref)
    if isinstance(question, Settle | Cancel):
        return replace(question, request_ref=keys.reference(question.request_ref))
    return question


def _answer(context: Context, conn: Connection, store: Store, question: Question) -> Answer:
    match question:
        case Debit() | Settle() | Cancel() if question.amount_cents == 0:
            return Declined("voucher_too_small")
        case Debit():
            return _debit(context, conn, store, question)
        case Settle():
            return _entry(context, conn, store, question, "settlement")
        case Cancel():
            return _entry(context, conn, store, question, "cancellation")
        case _:
            return Declined("not_served")


def _found(context: Context, conn: Connection, store: Store, question: FindCards) -> list[Card]:
    """Return the cards that have something to give; a card without value would break the checkout."""
    keys = stored_keys(context.vault, conn, store.programme_id)
    if question.code is not None:
        row = _by_code(conn, keys, store, question.code)
        card = None if row is None else _voucher_card(context, conn, store, keys, row)
        return [card] if card is not None else []
    holder = _holder(conn, keys, store, question.document)
    card = None if holder is None else _wallet_card(context, conn, store, holder)
    return [card] if card is not None else []


def _by_code(conn: Connection, keys: ProgrammeKeys, store: Store, text: str) -> Row | None:
    try:
        sought = lookup.Sought(store.programme_id, lookup.typed_code(text))
    except Mistyped:
        return None
    (found,) = lookup.find(conn, [(keys, sought)])
    return None if isinstance(found, Mistyped) else found.row


def _holder(conn: Connection, keys: ProgrammeKeys, store: Store, document: str | None) -> str | None:
    """Return the member whose wallet a document opens."""
    try:
        bare = tax_id(document or "").text
    except Malformed:
        return None
    known = identity(conn, store.programme_id, keys.blind_index(bare))
    return None if known is None else str(known["member_id"])


def _card(context: Context, conn: Connection, store: Store, card_ref: str) -> Card | None:
    if card_ref.startswith(WALLET):
        return _wallet_card(context, conn, store, card_ref)
    found = queries.vouchers_by(conn, "voucher_id", [(store.programme_id, card_ref)])
    if not found or found[0]["drawn"]:
        return None
    keys = stored_keys(context.vault, conn, store.programme_id)
    return _voucher_card(context, conn, store, keys, found[0])


def _voucher_card(
    context: Context, conn: Connection, store: Store, keys: ProgrammeKeys, row: Row
) -> Card | None:
    """Return a voucher as a card, unless it gives nothing here and now."""
    at = (store.programme_id, row["voucher_id"])
    till = Till.open(context, conn, [at])
    asked = Asked(
        store.programme_id, at[1], store.partner_id, max(row["free_cents"], row["minimum_cents"], 1)
    )
    if isinstance(verbs.quoted(till, asked), Refusal) or row["code_sealed"] is None:
        return None
    return Card(
        card_ref=at[1],
        balance_cents=row["free_cents"],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        caption=None,
        code=keys.open_code(at[1], row["code_sealed"]),
    )


def _wallet_card(context: Context, conn: Connection, store: Store, member_id: str) -> Card | None:
    """Return a member's balance as a card, unless there is nothing to give or it may not be redeemed."""
    at = (store.programme_id, member_id)
    member = member_rows(conn, [at]).get(at)
    offered, issues = _cashout_of(conn, *at)
    if member is None or member["blocked"] or rewards.may_issue(offered, context.clock(), issues) is not None:
        return None
    if offered.partner_id not in (None, store.partner_id):
        return None
    wallet = ledger.wallets(conn, [at])[at]
    units = 0 if wallet.debt else wallet.available
    if offered.most_units is not None:
        units = min(units, offered.most_units)
    balance_cents = units * offered.unit_millicents // MILLI
    if not balance_cents or units < offered.least_units or balance_cents < offered.minimum_cents:
        return None
    caption = "Saldo do programa de fidelidade"
    return Card(member_id, balance_cents, member["created_at"], None, caption)


def _cashout_of(conn: Connection, programme_id: str, member_id: str) -> tuple[Reward, Issues]:
    """Return the cash-out reward as it is offered, and how often; before anybody cashed out, as it would be."""
    row = cashout_row(conn, programme_id)
    if row is None:
        return Reward("", "", "cashout"), Issues(0, 0)
    to_member = issued_to(conn, (programme_id, row["reward_id"]), member_id)
    return reward_of(row), Issues(row["issued"], to_member)


def _debit(context: Context, conn: Connection, store: Store, question: Debit) -> Answer:
    repeated = _by_request(conn, store, question.request_ref)
    if repeated is not None:
        same = question.card_ref in (repeated["voucher_id"], _owner(conn, store, repeated))
        return _told(conn, store, repeated, question.card_ref) if same else NoSuch()
    till = Till.open(context, conn, [(store.programme_id, question.card_ref)])
    at = (
        _drawn(till, store, question)
        if question.card_ref.startswith(WALLET)
        else _typed(till, store, question)
    )
    if isinstance(at, Refusal):
        return Declined(at.code)
    held = verbs.hold(till, _hold(store, question, at))
    if isinstance(held, Refusal):
        return Declined(held.code)
    till.close()
    return _debited(held.use, question.card_ref, [])


def _typed(till: Till, store: Store, question: Debit) -> VoucherRef | Refusal:
    """Return the voucher of a card; a code that was sent along must be its own."""
    at = (store.programme_id, question.card_ref)
    row = till.vouchers.get(at)
    if row is None or row["drawn"]:
        return Refusal("voucher_not_accepted")
    if question.code is not None:
        keys = stored_keys(till.context.vault, till.conn, store.programme_id)
        named = _by_code(till.conn, keys, store, question.code)
        if named is None or named["voucher_id"] != row["voucher_id"]:
            return Refusal("voucher_not_accepted")
    return at


def _drawn(till: Till, store: Store, question: Debit) -> VoucherRef | Refusal:
    """Issue a voucher for the amount from the balance of the card's member; the buyer must be that member."""
    keys = stored_keys(till.context.vault, till.conn, store.programme_id)
    if (
        question.document is not None
        and _holder(till.conn, keys, store, question.document) != question.card_ref
    ):
        return Refusal("voucher_not_accepted")
    reward = cashout(till.context, till.conn, store.programme_id)
    offered = reward_of(reward_rows(till.conn, [reward])[reward])
    units = max(units_for(offered, question.amount_cents), offered.least_units)
    wish = Wish(store.programme_id, question.card_ref, reward[1], units, drawn=True)
    [issued] = issue_in(till, [wish])
    if not isinstance(issued, Issued):
        return issued
    return (store.programme_id, issued.row["voucher_id"])


def _hold(store: Store, question: Debit, at: VoucherRef) -> Hold:
    """Return the claim of one debit: of two requests for one order each takes its own part."""
    return Hold(
        programme_id=store.programme_id,
        voucher_id=at[1],
        partner_id=store.partner_id,
        order_ref=f"{question.order_ref or ''}#{question.request_ref}",
        order_cents=max(question.amount_cents, 1),
        cents=question.amount_cents,
        request_ref=question.request_ref,
        installation_id=store.installation_id,
    )


def _entry(context: Context, conn: Connection, store: Store, question: Settle | Cancel, kind: str) -> Answer:
    row = _use(conn, store, question.card_ref, question.debit_ref)
    if row is None:
        return NoSuch()
    till = Till.open(context, conn, [(store.programme_id, row["voucher_id"])])
    turn = Turn(store.programme_id, question.debit_ref, question.amount_cents, question.request_ref)
    known = till.entries.get((store.programme_id, question.debit_ref, question.request_ref))
    if known is not None:
        same = known["kind"] == kind
        return _entry_of(known) if same else Declined("request_reused")
    verb = verbs.settle if kind == "settlement" else verbs.cancel
    told = verb(till, turn, till.uses[turn.use])
    if isinstance(told, Refusal):
        return Declined(told.code)
    verbs.put_back(till, (store.programme_id, row["voucher_id"]))
    till.close()
    return _entry_of(till.entries[(store.programme_id, question.debit_ref, question.request_ref)])


def _use(conn: Connection, store: Store, card_ref: str, debit_ref: str) -> Row | None:
    """Return a debit that this store made of this card."""
    for row in queries.uses_by(conn, "use_id", [(store.programme_id, debit_ref)]):
        mine = row["installation_id"] == store.installation_id
        if mine and card_ref in (row["voucher_id"], _owner(conn, store, row)):
            return row
    return None


def _owner(conn: Connection, store: Store, use: Row) -> str | None:
    """Return the member from whose balance a use was drawn, `None` if it was of a voucher of its own."""
    [voucher] = queries.vouchers_by(conn, "voucher_id", [(store.programme_id, use["voucher_id"])])
    return voucher["member_id"] if voucher["drawn"] else None


def _by_request(conn: Connection, store: Store, request_ref: str) -> Row | None:
    for row in queries.uses_by(conn, "request_ref", [(store.programme_id, request_ref)]):
        if row["installation_id"] == store.installation_id:
            return row
    return None


def _debits(conn: Connection, store: Store, card_ref: str) -> list[Debited]:
    """Return what this store debited of a card, oldest first."""
    vouchers = [(store.programme_id, card_ref)]
    if card_ref.startswith(WALLET):
        owned = queries.vouchers_by(conn, "member_id", vouchers)
        vouchers = [(store.programme_id, row["voucher_id"]) for row in owned if row["drawn"]]
    uses = [
        row
        for row in queries.uses_by(conn, "voucher_id", vouchers)
        if row["installation_id"] == store.installation_id
    ]
    return [_told(conn, store, row, card_ref) for row in sorted(uses, key=lambda row: str(row["use_id"]))]


def _told(conn: Connection, store: Store, use: Row, card_ref: str) -> Debited:
    return _debited(use, card_ref, queries.entries_of(conn, [(store.programme_id, use["use_id"])]))


def _debited(use: Row, card_ref: str, entries: Sequence[dict[str, Any]]) -> Debited:
    return Debited(
        card_ref=card_ref,
        debit_ref=use["use_id"],
        amount_cents=use["asked_cents"],
        made_at=use["opened_at"],
        request_ref=use["request_ref"] or "",
        settlements=tuple(_entry_of(row) for row in entries if row["kind"] == "settlement"),
        cancellations=tuple(_entry_of(row) for row in entries if row["kind"] == "cancellation"),
    )


def _entry_of(row: dict[str, Any]) -> Entry:
    return Entry(row["request_ref"], row["amount_cents"], row["made_at"])
