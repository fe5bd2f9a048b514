"""Which payments and documents are one purchase (R2).

Believed sources link first; a claim's link counts only where it cannot join what honest life keeps apart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contracts.facts import DocumentEvidence, Key
from loyalty.disjoint import Disjoint
from loyalty.documents import LADDER, Document, standing
from loyalty.evidence import Statement
from loyalty.payments import Payment

Node: TypeAlias = tuple[str, int | Key]
"""`("payment", n)`, `("document", n)` or `("group", key)`: an acquirer's order that payments name."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The payments and documents of one purchase, before the arithmetic."""

    payments: tuple[Payment, ...]
    documents: tuple[Document, ...]


_EMPTY = Cell((), ())


class _Board:
    """The purchases while links are laid; `members` knows the payments and documents of each root."""

    def __init__(
        self, payments: Sequence[Payment], documents: Sequence[Document], payment_of: Mapping[Key, int]
    ) -> None:
        self.node_of: dict[Key, Node] = {key: ("payment", n) for key, n in payment_of.items()}
        self.members: dict[Node, Cell] = {("payment", n): Cell((p,), ()) for n, p in enumerate(payments)}
        self.members |= {("document", n): Cell((), (d,)) for n, d in enumerate(documents)}
        self.sets: Disjoint[Node] = Disjoint(self.members)
        for n, doc in enumerate(documents):
            for key in doc.keys:
                first = self.node_of.setdefault(key, ("document", n))
                if first[0] == "document":  # a document cannot take over what names a payment
                    self.unite(first, ("document", n))

    def target(self, key: Key) -> Node:
        return self.node_of.get(key, ("group", key))

    def cell(self, node: Node) -> Cell:
        return self.members.get(self.sets.find(node), _EMPTY)

    def unite(self, a: Node, b: Node) -> None:
        root, other = self.sets.find(a), self.sets.find(b)
        if root != other:
            mine, theirs = self.cell(root), self.cell(other)
            self.sets.unite(root, other)
            self.members.pop(other, None)
            self.members[root] = Cell(mine.payments + theirs.payments, mine.documents + theirs.documents)


def link(
    payments: Sequence[Payment],
    documents: Sequence[Document],
    payment_of: Mapping[Key, int],
    silenced: frozenset[int],
) -> tuple[tuple[Cell, ...], dict[str, str]]:
    """Return the purchases and the flags (statement id -> flag) of refused links.

    Links of payments whose index is `silenced` (a better source denies them) are not heard.
    """
    board = _Board(payments, documents, payment_of)
    claims: list[tuple[Node, Statement]] = []
    for node, statement in _linking(payments, documents, silenced):
        if statement.strong:
            for key in links_of(statement):
                board.unite(node, board.target(key))
        else:
            claims.append((node, statement))
    flags: dict[str, str] = {}
    for node, statement in sorted(claims, key=lambda claim: claim[1].content_key()):
        for key in sorted(links_of(statement)):
            target = board.target(key)
            if board.sets.find(node) == board.sets.find(target):
                continue
            if _admissible(board.cell(node), board.cell(target)):
                board.unite(node, target)
            else:
                flags[statement.id] = "link_refused"
    return tuple(cell for cell in board.members.values() if cell.payments or cell.documents), flags


def links_of(statement: Statement) -> tuple[Key, ...]:
    """Return the keys of the other kind that a statement names."""
    evidence = statement.evidence
    if isinstance(evidence, DocumentEvidence) and evidence.tenders:
        return (*evidence.links, *(key for tender in evidence.tenders for key in tender.keys))
    return evidence.links


def _linking(
    payments: Sequence[Payment], documents: Sequence[Document], silenced: frozenset[int]
) -> Iterator[tuple[Node, Statement]]:
    for n, p in enumerate(payments):
        if n not in silenced:
            yield from ((("payment", n), s) for s in p.statements if s.evidence.links)
    for n, d in enumerate(documents):
        yield from ((("document", n), s) for s in d.statements if links_of(s))


def _admissible(mine: Cell, theirs: Cell) -> bool:
    """A claim joins no two orders, no documents of different total, no more money than the document asks."""
    if _EMPTY in (mine, theirs):
        return True
    if all(any(d.kind == "order" for d in cell.documents) for cell in (mine, theirs)):
        return False
    sides = (_asked_cents(mine.documents), _asked_cents(theirs.documents))
    asked = [cents for cents in sides if cents is not None]
    if len(asked) == 2 and asked[0] != asked[1]:
        return False
    if not asked:  # no document says that they belong together, and believed sources keep them apart
        return not (_is_believed(mine) and _is_believed(theirs))
    captured = sum(p.captured_cents for p in pair_anonymous((*mine.payments, *theirs.payments))[0])
    return captured <= asked[0]


def _is_believed(cell: Cell) -> bool:
    return any(s.strong for p in cell.payments for s in p.statements)


def _asked_cents(documents: Sequence[Document]) -> int | None:
    """Return the money a purchase charges by its best kind of document, `None` without any."""
    for kind in LADDER:
        of_kind = [d for d in documents if d.kind == kind]
        if of_kind:
            return sum(d.money_cents for d in standing(of_kind))
    return None


def pair_anonymous(payments: Iterable[Payment]) -> tuple[list[Payment], list[tuple[Payment, Payment]]]:
    """Pair each report without an acquirer's key with a named payment of the same amount, one to one (R1).

    Return the payments that stand for themselves, and the pairs (named, report).
    """
    ordered = sorted(payments, key=lambda p: p.keys)
    alone = [p for p in ordered if p.named]
    free, pairs = list(alone), []
    for report in ordered:
        if report.named:
            continue
        amount = report.stated_cents
        twin = next((p for p in free if amount is not None and p.stated_cents == amount), None)
        if twin is None:
            alone.append(report)
        else:
            free.remove(twin)
            pairs.append((twin, report))
    return alone, pairs
