"""Which statements speak of the same payment or document (R1).

Grouping is a function of the set: statements are taken in content order, never in order of arrival.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.facts import SINGULAR_KINDS, WEAK_KINDS, DocumentEvidence, DocumentKind, Key
from loyalty.disjoint import Disjoint
from loyalty.evidence import Statement, key_rank


@dataclass(frozen=True, slots=True)
class Identified:
    """Statements grouped by identity, and what had to be refused to group them (statement id -> flag)."""

    payments: tuple[tuple[Statement, ...], ...]
    documents: tuple[tuple[DocumentKind, tuple[Statement, ...]], ...]
    payment_of: Mapping[Key, int]
    flags: Mapping[str, str]


def identify(statements: Sequence[Statement]) -> Identified:
    """Return the payments and documents that `statements` speak of."""
    ordered = sorted(statements, key=Statement.content_key)
    about_payment = [s for s in ordered if s.evidence.about == "payment"]
    about_document = [s for s in ordered if s.evidence.about == "document"]
    flags: dict[str, str] = {}
    sets = _payment_sets(about_payment, flags)
    gathered = _gather(about_payment, sets)
    index = {root: at for at, root in enumerate(gathered)}
    keys = {key for s in about_payment for key in s.evidence.keys}
    return Identified(
        payments=tuple(gathered.values()),
        documents=_documents(about_document),
        payment_of={key: index[sets.find(key)] for key in keys if sets.find(key) in index},
        flags=flags,
    )


def _payment_sets(statements: Sequence[Statement], flags: dict[str, str]) -> Disjoint[Key]:
    sets: Disjoint[Key] = Disjoint()
    singular: dict[Key, dict[str, Key]] = {}
    for statement in statements:
        first, *others = sorted(statement.evidence.keys, key=key_rank)
        _learn(sets, singular, first)
        for key in others:
            if key.kind in WEAK_KINDS:
                continue
            _learn(sets, singular, key)
            if not _unite_strong(sets, singular, first, key):
                flags[statement.id] = "key_conflict"
    _unite_weak(statements, sets, flags)
    return sets


def _learn(sets: Disjoint[Key], singular: dict[Key, dict[str, Key]], key: Key) -> None:
    if key not in sets:
        sets.find(key)
        singular[key] = {key.kind: key} if key.kind in SINGULAR_KINDS else {}


def _unite_strong(sets: Disjoint[Key], singular: dict[Key, dict[str, Key]], a: Key, b: Key) -> bool:
    """Join two keys of one payment, unless that gives it two values of a singular kind."""
    root, other = sets.find(a), sets.find(b)
    if root == other:
        return True
    mine, theirs = singular[root], singular[other]
    if any(mine.get(kind, key) != key for kind, key in theirs.items()):
        return False
    sets.unite(root, other)
    singular[root] = {**mine, **theirs}
    return True


def _unite_weak(statements: Sequence[Statement], sets: Disjoint[Key], flags: dict[str, str]) -> None:
    """A weak key joins reports to at most one named payment; one that would join two is ignored."""
    users: dict[Key, list[Statement]] = {}
    for statement in statements:
        for key in statement.evidence.keys:
            if key.kind in WEAK_KINDS:
                users.setdefault(key, []).append(statement)
    named = {sets.find(key) for s in statements for key in s.evidence.keys if key.kind not in WEAK_KINDS}
    for weak in sorted(users):
        roots = {sets.find(_first(statement)) for statement in users[weak]}
        if len({root for root in roots if root in named}) > 1:
            flags.update({statement.id: "weak_key_ignored" for statement in users[weak]})
            continue
        joined = sorted(roots, key=lambda root: (root not in named, key_rank(root)))
        for root in joined[1:]:
            sets.unite(joined[0], root)
        if joined[0] in named:
            sets.unite(joined[0], weak)
            named.add(sets.find(joined[0]))


def _first(statement: Statement) -> Key:
    return min(statement.evidence.keys, key=key_rank)


def _gather(statements: Sequence[Statement], sets: Disjoint[Key]) -> dict[Key, tuple[Statement, ...]]:
    gathered: dict[Key, tuple[Statement, ...]] = {}
    for statement in statements:
        root = sets.find(_first(statement))
        gathered[root] = (*gathered.get(root, ()), statement)
    return gathered


def _documents(statements: Sequence[Statement]) -> tuple[tuple[DocumentKind, tuple[Statement, ...]], ...]:
    """A document is a component over its keys; one component may hold several kinds, each its own view."""
    sets: Disjoint[Key] = Disjoint()
    for statement in statements:
        first, *others = sorted(statement.evidence.keys, key=key_rank)
        sets.find(first)
        for key in others:
            sets.unite(first, key)
    kinds: dict[tuple[Key, DocumentKind], tuple[Statement, ...]] = {}
    for statement in statements:
        evidence = statement.evidence
        assert isinstance(evidence, DocumentEvidence)
        at = (sets.find(_first(statement)), evidence.kind)
        kinds[at] = (*kinds.get(at, ()), statement)
    return tuple((kind, said) for (_, kind), said in kinds.items())

