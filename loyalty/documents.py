"""One document: what was bought, and what of it the document itself says went back (R3, R6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.facts import DocumentEvidence, DocumentKind, Key
from loyalty.evidence import Statement, key_rank

LADDER: tuple[DocumentKind, ...] = ("order", "fiscal", "row", "manual")
"""Which kind says what was bought, best first; kinds are never summed."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document in one kind's view; centavos.

    `returned_money_cents` and `returned_items_cents` are r and i of R6 (0 where the source does not split
    them); `given_back_cents` is the larger of its cumulative figure and its keyed operations. A document
    that is neither `live` nor `void` is open: not paid yet.
    """

    kind: DocumentKind
    keys: tuple[Key, ...]
    statements: tuple[Statement, ...]
    items_cents: int
    money_cents: int
    total_cents: int
    returned_money_cents: int
    returned_items_cents: int
    given_back_cents: int
    live: bool
    void: bool


def document(kind: DocumentKind, statements: Sequence[Statement]) -> Document:
    """Return the document that `statements` (all of one kind) speak of.

    Claims (`device`, `declared`) count only where nothing better speaks.
    """
    ordered = sorted(statements, key=Statement.content_key)
    heard = [s for s in ordered if s.strong] or ordered
    latest = _evidence(max(heard, key=Statement.register_key))
    voided = any(s.evidence.state == "void" for s in heard) if kind == "fiscal" else latest.state == "void"
    split = [e for e in map(_evidence, heard) if e.returned_items_cents is not None]
    money = max((e.returned_cents for e in split), default=0)
    return Document(
        kind=kind,
        keys=tuple(sorted({key for s in ordered for key in s.evidence.keys}, key=key_rank)),
        statements=tuple(ordered),
        items_cents=min(latest.items_cents, latest.money_cents),
        money_cents=latest.money_cents,
        total_cents=latest.total_cents,
        returned_money_cents=money,
        returned_items_cents=min(money, max((e.returned_items_cents or 0 for e in split), default=0)),
        given_back_cents=max(max(_evidence(s).returned_cents for s in heard), _listed_cents(heard)),
        live=not voided and latest.state == "captured",
        void=voided,
    )


def _evidence(statement: Statement) -> DocumentEvidence:
    evidence = statement.evidence
    assert isinstance(evidence, DocumentEvidence)
    return evidence


def _listed_cents(statements: Sequence[Statement]) -> int:
    """Return what keyed operations gave back: the largest numbering, each key once."""
    union: dict[tuple[str, str], int] = {}
    for statement in sorted(statements, key=Statement.register_key):
        for op in statement.evidence.operations:
            if op.kind == "return":
                union[(op.space, op.key)] = op.amount_cents or 0
    spaces: dict[str, int] = {}
    for (space, _), amount in union.items():
        spaces[space] = spaces.get(space, 0) + amount
    return max(spaces.values(), default=0)
