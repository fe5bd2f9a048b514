"""One document: what was bought, and what of it the document itself says went back (R3, R6).

A document is a set of statements of one kind that share an identity; every function here reads the whole set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.facts import DocumentEvidence, DocumentKind, Key
from loyalty.evidence import Statement

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
    returned_money_cents: int
    returned_items_cents: int
    given_back_cents: int
    live: bool
    void: bool


def document(kind: DocumentKind, keys: tuple[Key, ...], statements: Sequence[Statement]) -> Document:
    """Return the document that `keys` name and `statements` (all of one kind) speak of.

    Claims (`device`, `declared`) count only where nothing better speaks.
    """
    ordered = sorted(statements, key=Statement.content_key)
    heard = [s for s in ordered if s.strong] or ordered
    said = [_said(s) for s in heard]
    latest = said[0] if len(heard) == 1 else _said(max(heard, key=Statement.register_key))
    final = kind == "fiscal" and any(evidence.state == "void" for evidence in said)
    void = final or latest.state == "void"
    split = [evidence for evidence in said if evidence.returned_items_cents is not None]
    money = max((evidence.returned_cents for evidence in split), default=0)
    return Document(
        kind=kind,
        keys=keys,
        statements=tuple(ordered),
        items_cents=min(latest.items_cents, latest.money_cents),
        money_cents=latest.money_cents,
        returned_money_cents=money,
        returned_items_cents=min(
            money, max((evidence.returned_items_cents or 0 for evidence in split), default=0)
        ),
        given_back_cents=max(*(evidence.returned_cents for evidence in said), _listed_cents(heard, latest)),
        live=not void and latest.state == "captured",
        void=void,
    )


def standing(documents: Sequence[Document]) -> Sequence[Document]:
    """Return those of one kind's `documents` that say what was bought: the live, else the open, else all."""
    return [d for d in documents if d.live] or [d for d in documents if not d.void] or documents


def _said(statement: Statement) -> DocumentEvidence:
    evidence = statement.evidence
    assert isinstance(evidence, DocumentEvidence)
    return evidence


def _listed_cents(statements: Sequence[Statement], latest: DocumentEvidence) -> int:
    """Return what keyed operations gave back: the largest numbering, each key once."""
    if not any(s.evidence.operations for s in statements):
        return 0
    union: dict[tuple[str, str], int] = {}
    for statement in sorted(statements, key=Statement.register_key):
        for op in statement.evidence.operations:
            if op.kind == "return":
                whole = op.amount_cents is None
                union[(op.space, op.key)] = latest.money_cents if whole else op.amount_cents or 0
    spaces: dict[str, int] = {}
    for (space, _), amount in union.items():
        spaces[space] = spaces.get(space, 0) + amount
    return max(spaces.values(), default=0)
