"""What a person or a program tells of a sale by name: launches, returns, claims, decisions.

A name is for ever: told again it changes nothing, told differently it is refused, never overwritten.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

from contracts.documents import TaxId
from contracts.facts import Customer, DocumentEvidence, Key, Operation, PaymentEvidence
from gateway import audit, intake
from gateway.access import Principal
from gateway.context import Context
from gateway.intake import Inbound, Source
from gateway.problems import FieldError, Problem
from gateway.programmes.queries import book as book_of
from gateway.programmes.queries import keys as keys_of
from gateway.references import kept, kept_key
from gateway.sales import actions as sales
from gateway.sales import queries
from gateway.sales.actions import Recorded
from gateway.sales.dossiers import ClaimMade, Dossier, Scope, body_of
from gateway.store import Connection
from gateway.store import tables as t
from gateway.stores.queries import owned
from loyalty.documents import document
from loyalty.evidence import CLOCK_ERROR, Claim, Statement
from loyalty.refusals import Refusal

RETURNS: Final = "api"
"""The numbering that return references told to us belong to."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
At: TypeAlias = tuple[Scope, Key]
Found: TypeAlias = dict[At, Dossier]


@dataclass(frozen=True, slots=True)
class Launch:
    """A sale told by hand or by an integration: one document, named `launch_ref` within its partner."""

    by: Principal
    partner_id: str
    store_id: str | None
    document: TaxId | None = field(repr=False)
    evidence: DocumentEvidence

    @property
    def at(self) -> At:
        """The name of the document."""
        return (self.by.programme_id, self.partner_id), self.evidence.keys[0]


@dataclass(frozen=True, slots=True)
class LaunchConflict:
    """A launch whose reference names another one; `gross_cents` and `sold_at` are those of the first."""

    sale_id: str
    gross_cents: int
    sold_at: datetime | None


@dataclass(frozen=True, slots=True)
class Return:
    """Money given back for the payment or document that `key` names."""

    by: Principal
    scope: Scope
    key: Key
    return_ref: str
    amount_cents: int
    returned_at: datetime | None

    @property
    def at(self) -> At:
        """What it is about."""
        return self.scope, self.key


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose purchase it is: claimed, or decided by an operator of the programme."""

    by: Principal
    scope: Scope
    key: Key
    document: TaxId = field(repr=False)
    decided: bool

    @property
    def at(self) -> At:
        """What it is about."""
        return self.scope, self.key


def launch_key(partner_id: str, launch_ref: str) -> Key:
    """Return the key under which a launch of a partner is known."""
    return Key(f"launch:{partner_id}", launch_ref)


def launch(
    context: Context, conn: Connection, items: Sequence[Launch]
) -> list[Recorded | LaunchConflict | Refusal | Problem]:
    """Record launches; one told before with the same content is a duplicate, with other content a conflict.

    Refused: a foreign partner or store, an unknown or inactive operator, a sale in the future.
    """

    def once(some: Sequence[Launch]) -> list[Recorded | LaunchConflict | Refusal | Problem]:
        return _launch_once(context, conn, some)

    named = [
        replace(item, evidence=kept(keys_of(context, conn, item.by.programme_id), item.evidence))
        for item in items
    ]
    return _in_rounds(named, lambda item: item.at, once)


def _launch_once(
    context: Context, conn: Connection, items: Sequence[Launch]
) -> list[Recorded | LaunchConflict | Refusal | Problem]:
    known = queries.dossiers_of_keys(conn, [item.at for item in items])
    answers: dict[int, Recorded | LaunchConflict | Refusal | Problem] = {}
    fresh: dict[int, Inbound] = {}
    for n, item in enumerate(items):
        refusal = _unfit(context, conn, item)
        before = _launched_before(context, conn, item, known.get(item.at))
        if refusal is not None:
            answers[n] = refusal
        elif before is not None:
            answers[n] = before
        else:
            customer = Customer(document=item.document.text) if item.document else None
            evidence = item.evidence.model_copy(update={"customer": customer})
            scope = (item.by.programme_id, item.partner_id)
            source = Source(*scope, item.by.key_id, item.store_id, "signed")
            fresh[n] = Inbound(source, (evidence,), context.clock())
    for n, outcome in zip(fresh, intake.apply(context, conn, list(fresh.values())), strict=True):
        answers[n] = outcome.recorded[0]
    return [answers[n] for n in range(len(items))]


def _unfit(context: Context, conn: Connection, item: Launch) -> Refusal | Problem | None:
    scope, _ = item.at
    if not item.by.sees(item.partner_id) or item.partner_id not in book_of(context, conn, scope[0]).partners:
        return Problem("not_found")
    if item.store_id and owned(conn, t.store, t.store.c.store_id, scope, item.store_id) is None:
        return Problem("invalid", errors=[FieldError("#/store_id", "Loja desconhecida.")])
    if item.evidence.operator_ref is not None:
        known = owned(conn, t.operator, t.operator.c.operator_ref, scope, item.evidence.operator_ref)
        if known is None or not known["active"]:
            return Problem("invalid", errors=[FieldError("#/operator_ref", "Operador desconhecido.")])
    if item.evidence.as_of > context.clock() + CLOCK_ERROR:
        return Refusal("future_sale")
    return None


def _launched_before(
    context: Context, conn: Connection, item: Launch, dossier: Dossier | None
) -> Recorded | LaunchConflict | None:
    (programme_id, _), key = item.at
    told = [s for s in dossier.named(key) if not s.evidence.operations] if dossier else []
    if not dossier or not told:
        return None
    keys = keys_of(context, conn, programme_id)
    owner = keys.blind_index(item.document.text) if item.document else None
    content = (body_of(item.evidence), owner, item.store_id)
    for statement in told:
        if (body_of(statement.evidence), statement.owner, statement.merchant) == content:
            return _as_it_is(dossier, statement)
    first = min(told, key=lambda s: s.id)
    gross_cents = first.evidence.gross_cents if isinstance(first.evidence, DocumentEvidence) else 0
    return LaunchConflict(dossier.sale_of[first.id], gross_cents, first.evidence.sold_at)


def _as_it_is(dossier: Dossier, statement: Statement) -> Recorded:
    return sales.recorded_of(dossier.sales[dossier.sale_of[statement.id]], duplicate=True)


def give_back(
    context: Context, conn: Connection, items: Sequence[Return]
) -> list[Recorded | Refusal | Problem]:
    """Record returns, each by its own reference; one told before with the same amount is a duplicate.

    Refused: an unknown sale, more than is left of it, another amount under a known reference.
    """

    def once(some: Sequence[Return]) -> list[Recorded | Refusal | Problem]:
        return _give_back_once(context, conn, some)

    return _in_rounds([_named(context, conn, item) for item in items], lambda item: item.at, once)


def _named(context: Context, conn: Connection, item: Return) -> Return:
    keys = keys_of(context, conn, item.scope[0])
    return replace(item, key=kept_key(keys, item.key), return_ref=keys.reference(item.return_ref))


def _give_back_once(
    context: Context, conn: Connection, items: Sequence[Return]
) -> list[Recorded | Refusal | Problem]:
    known = queries.dossiers_of_keys(conn, [item.at for item in items])
    answers: dict[int, Recorded | Refusal | Problem] = {}
    fresh: dict[int, Inbound] = {}
    for n, item in enumerate(items):
        dossier = known.get(item.at)
        named = dossier.named(item.key) if dossier else []
        if dossier is None or not named:
            answers[n] = Refusal("sale_unknown")
        elif (before := _returned_before(item, dossier, named)) is not None:
            answers[n] = before
        elif item.amount_cents > _left_cents(dossier, named):
            answers[n] = Refusal("return_exceeds_sale")
        elif item.returned_at is not None and item.returned_at > context.clock() + CLOCK_ERROR:
            answers[n] = Refusal("future_sale")
        else:
            fresh[n] = _return_inbound(context, item, max(named, key=Statement.register_key))
    for n, outcome in zip(fresh, intake.apply(context, conn, list(fresh.values())), strict=True):
        answers[n] = outcome.recorded[0]
    return [answers[n] for n in range(len(items))]


def _returned_before(item: Return, dossier: Dossier, named: Sequence[Statement]) -> Recorded | Refusal | None:
    for statement in named:
        for operation in statement.evidence.operations:
            if (operation.space, operation.key) == (RETURNS, item.return_ref):
                same = operation.amount_cents == item.amount_cents
                return _as_it_is(dossier, statement) if same else Refusal("launch_conflict")
    return None


def _left_cents(dossier: Dossier, named: Sequence[Statement]) -> int:
    """Return what of the sale was not given back yet, as its document says it or else its payments."""
    told = [s for s in named if isinstance(s.evidence, DocumentEvidence)]
    if not told:
        row = dossier.sales[dossier.sale_of[named[0].id]]
        left: int = row["captured_cents"] - row["given_back_cents"]
        return left
    latest = max(told, key=Statement.register_key).evidence
    assert isinstance(latest, DocumentEvidence)
    whole = document(
        latest.kind, latest.keys, [s for s in told if getattr(s.evidence, "kind", None) == latest.kind]
    )
    return whole.money_cents - whole.given_back_cents


def _return_inbound(context: Context, item: Return, latest: Statement) -> Inbound:
    """Return what a return says: of a payment the operation alone, of a document its latest figures as well.

    It is believed as far as what it is about: telling a return never lifts a claim to a fact. The document
    keeps its own date, so that a later word of its source is not outdated by ours.
    """
    now = context.clock()
    operation = Operation(
        space=RETURNS,
        key=item.return_ref,
        amount_cents=item.amount_cents,
        happened_at=item.returned_at or now,
    )
    said: PaymentEvidence | DocumentEvidence
    if isinstance(latest.evidence, DocumentEvidence):
        said = latest.evidence.model_copy(update={"operations": (operation,), "customer": None})
    else:
        said = PaymentEvidence(
            keys=(item.key,), state=latest.evidence.state, operations=(operation,), as_of=now
        )
    source = Source(*item.scope, item.by.key_id, latest.merchant, latest.trust)
    return Inbound(source, (said,), now)


def claim(
    context: Context, conn: Connection, items: Sequence[Ownership]
) -> list[Recorded | Refusal | Problem]:
    """Record claims: the first is accepted, told again by the same person it is a duplicate.

    Refused: a key that names no sale, a sale that is somebody else's.
    """

    def once(some: Sequence[Ownership]) -> list[Recorded | Refusal | Problem]:
        return _claim_once(context, conn, some)

    named = [replace(item, key=kept_key(keys_of(context, conn, item.scope[0]), item.key)) for item in items]
    return _in_rounds(named, lambda item: item.at, once)


def _claim_once(
    context: Context, conn: Connection, items: Sequence[Ownership]
) -> list[Recorded | Refusal | Problem]:
    known = queries.dossiers_of_keys(conn, [item.at for item in items])
    answers: dict[int, Recorded | Refusal | Problem] = {}
    fresh: dict[int, ClaimMade] = {}
    for n, item in enumerate(items):
        dossier = known.get(item.at)
        named = dossier.named(item.key) if dossier else []
        if dossier is None or not named:
            answers[n] = Refusal("sale_unknown")
            continue
        owner = keys_of(context, conn, item.scope[0]).blind_index(item.document.text)
        sale_id = dossier.sale_of[named[0].id]
        told = dossier.claims_on(sale_id)
        others = {dossier.sales[sale_id]["owner"], *(c.owner for c in told)} - {None, owner}
        if _is_said(told, owner, decided=item.decided):
            answers[n] = _as_it_is(dossier, named[0])
        elif others and not item.decided:
            answers[n] = Refusal("already_claimed")
        else:
            fresh[n] = ClaimMade(*item.scope, item.key, owner, item.decided, context.clock())
    for n, recorded in zip(fresh, sales.claim(context, conn, list(fresh.values())), strict=True):
        answers[n] = recorded or Refusal("sale_unknown")
        if items[n].decided and recorded is not None:
            audit.record(context, conn, items[n].by, "sale.owner_decided", recorded.sale_id)
    return [answers[n] for n in range(len(items))]


def _is_said(told: Sequence[Claim], owner: str, *, decided: bool) -> bool:
    """Return whether a claim was made before, or a decision stands. That evidence agrees is neither (R0, R9)."""
    if not decided:
        return any(claim.owner == owner for claim in told)
    decisions = [(claim.made_at, claim.id, claim.owner) for claim in told if claim.decided]
    return bool(decisions) and max(decisions)[2] == owner


def _in_rounds(
    items: Sequence[Item],
    name: Callable[[Item], Hashable],
    work: Callable[[Sequence[Item]], Sequence[Answer]],
) -> list[Answer]:
    """Work through `items`, each round those of different names: the second sees what the first did."""
    waiting = dict(enumerate(items))
    answers: dict[int, Answer] = {}
    while waiting:
        first: dict[Hashable, int] = {}
        for n, item in waiting.items():
            first.setdefault(name(item), n)
        some = {n: waiting.pop(n) for n in first.values()}
        answers.update(zip(some, work(list(some.values())), strict=True))
    return [answers[n] for n in range(len(items))]
