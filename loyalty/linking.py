"""Which payments and documents are one purchase (R2).

Believed sources link first; a claim's link counts only where it cannot join what honest life keeps apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from contracts.facts import DocumentEvidence, Key
from loyalty.disjoint import Disjoint
from loyalty.documents import LADDER, Document
from loyalty.evidence import Statement
from loyalty.payments import Payment

Node: TypeAlias = tuple[str, int | Key]
"""`("payment", n)`, `("document", n)` or `("group", key)`: the acquirer's order that several payments name."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The payments and documents of one purchase, before the arithmetic."""

    payments: tuple[Payment, ...]
    documents: tuple[Document, ...]
    flags: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class _Board:
    payments: Sequence[Payment]
    documents: Sequence[Document]
    node_of: Mapping[Key, Node]
    sets: Disjoint[Node]
    members: dict[Node, list[Node]]

    def unite(self, a: Node, b: Node) -> None:
        root, other = self.sets.find(a), self.sets.find(b)
        if root != other:
            self.sets.unite(root, other)
            self.members[root] = self.members.get(root, [root]) + self.members.pop(other, [other])

    def content(self, nodes: Iterable[Node]) -> tuple[list[Payment], list[Document]]:
        payments = [self.payments[n] for kind, n in nodes if kind == "payment" and isinstance(n, int)]
        documents = [self.documents[n] for kind, n in nodes if kind == "document" and isinstance(n, int)]
        return payments, documents


def link(
    payments: Sequence[Payment],
    documents: Sequence[Document],
    payment_of: Mapping[Key, int],
    silenced: frozenset[int],
) -> tuple[tuple[Cell, ...], dict[str, str]]:
    """Return the purchases and the flags (statement id -> flag) of refused links.

    Links of payments whose index is `silenced` (a better source denies them) are not heard.
    """
    node_of: dict[Key, Node] = {key: ("payment", index) for key, index in payment_of.items()}
    node_of.update({key: ("document", index) for index, doc in enumerate(documents) for key in doc.keys})
    nodes: list[Node] = [("payment", n) for n in range(len(payments))]
    nodes += [("document", n) for n in range(len(documents))]
    board = _Board(payments, documents, node_of, Disjoint(nodes), {node: [node] for node in nodes})
    for index, doc in enumerate(documents):
        for key in doc.keys:
            board.unite(node_of[key], ("document", index))
    flags: dict[str, str] = {}
    _strong_links(board, silenced)
    _claimed_links(board, silenced, flags)
    cells: dict[Node, tuple[list[Payment], list[Document]]] = {}
    for node in nodes:
        root = board.sets.find(node)
        cells[root] = board.content(board.members[root])
    return tuple(Cell(tuple(p), tuple(d)) for p, d in cells.values()), flags


def _wanted(board: _Board, silenced: frozenset[int]) -> Iterable[tuple[Node, Statement]]:
    for index, payment in enumerate(board.payments):
        if index not in silenced:
            for statement in payment.statements:
                yield ("payment", index), statement
    for index, document in enumerate(board.documents):
        for statement in document.statements:
            yield ("document", index), statement


def _links(statement: Statement) -> tuple[Key, ...]:
    evidence = statement.evidence
    if isinstance(evidence, DocumentEvidence):
        return (*evidence.links, *(key for tender in evidence.tenders for key in tender.keys))
    return evidence.links


def _strong_links(board: _Board, silenced: frozenset[int]) -> None:
    for node, statement in _wanted(board, silenced):
        if statement.strong:
            for key in _links(statement):
                board.unite(node, board.node_of.get(key, ("group", key)))


def _claimed_links(board: _Board, silenced: frozenset[int], flags: dict[str, str]) -> None:
    claims = [(node, s) for node, s in _wanted(board, silenced) if not s.strong and _links(s)]
    for node, statement in sorted(claims, key=lambda claim: claim[1].content_key()):
        for key in sorted(_links(statement)):
            target = board.node_of.get(key, ("group", key))
            mine, theirs = board.sets.find(node), board.sets.find(target)
            if mine == theirs:
                continue
            both = board.members.get(mine, [mine]) + board.members.get(theirs, [theirs])
            if _admissible(*board.content(both)):
                board.unite(node, target)
            else:
                flags[statement.id] = "link_refused"


def _admissible(payments: Sequence[Payment], documents: Sequence[Document]) -> bool:
    """A claimed link joins no two orders, no differing totals, and no more money than the document asks."""
    totals = []
    for kind in LADDER:
        of_kind = [doc for doc in documents if doc.kind == kind and doc.live]
        if kind == "order" and len(of_kind) > 1:
            return False
        if of_kind:
            totals.append(sum(doc.total_cents for doc in of_kind))
    if len(set(totals)) > 1:
        return False
    captured = sum(p.captured_cents for p in pair_anonymous(payments)[0])
    return not totals or captured <= totals[0]


def pair_anonymous(payments: Sequence[Payment]) -> tuple[list[Payment], list[tuple[Payment, Payment]]]:
    """Pair each report without an acquirer's key with a named payment of the same amount, one to one (R1).

    Return the payments that stand for themselves, and the pairs (named, report).
    """
    named = sorted((p for p in payments if p.named), key=lambda p: p.keys)
    alone, pairs = list(named), []
    free = list(named)
    for report in sorted((p for p in payments if not p.named), key=lambda p: p.keys):
        amount = report.stated_cents
        twin = next((p for p in free if amount is not None and p.stated_cents == amount), None)
        if twin is None:
            alone.append(report)
        else:
            free.remove(twin)
            pairs.append((twin, report))
    return alone, pairs

