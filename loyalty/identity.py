"""Which statements speak of the same payment or document (R1).

Grouping is a function of the set: statements are taken in content order, never in order of arrival.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from contracts.facts import SINGULAR_KINDS, WEAK_KINDS, DocumentEvidence, DocumentKind, Key
from loyalty.disjoint import Disjoint
from loyalty.evidence import Statement, key_rank


@dataclass(frozen=True, slots=True)
class Identified:
    """Statements grouped by identity, and what had to be refused to group them (statement id -> flag)."""

    payments: tuple[tuple[Statement, ...], ...]
    documents: tuple["IdentifiedDocument", ...]
    payment_of: Mapping[Key, int]
    flags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IdentifiedDocument:
    """One document in one kind's view, and the keys that name it."""

    kind: DocumentKind
    keys: tuple[Key, ...]
    statements: tuple[Statement, ...]


def identify(statements: Sequence[Statement]) -> Identified:
    """Return the payments and documents that `statements` speak of."""
    if len(statements) == 1 and (alone := _alone(statements[0])):
        return alone
    ordered = sorted(statements, key=Statement.content_key)
    flags: dict[str, str] = {}
    payments, payment_of = _payments([s for s in ordered if s.evidence.about == "payment"], flags)
    documents = _documents([s for s in ordered if s.evidence.about == "document"], flags)
    return Identified(payments, documents, payment_of, flags)


def _alone(statement: Statement) -> Identified | None:
    """Return the answer for a sale that begins: one statement whose keys cannot contradict each other."""
    keys = statement.evidence.keys
    if len({key.kind for key in keys}) < len(keys):
        return None
    if isinstance(statement.evidence, DocumentEvidence):
        named = IdentifiedDocument(statement.evidence.kind, tuple(sorted(keys, key=key_rank)), (statement,))
        return Identified((), (named,), {}, {})
    return Identified(((statement,),), (), dict.fromkeys(keys, 0), {})


Payments = tuple[tuple[tuple[Statement, ...], ...], Mapping[Key, int]]


def _payments(statements: Sequence[Statement], flags: dict[str, str]) -> Payments:
    sets: Disjoint[Key] = Disjoint()
    known: dict[Key, _Known] = {}
    for statement in _believed_first(statements):
        first, *others = _proving_first(statement)
        _learn(sets, known, first, statement)
        for key in others:
            if key.kind not in WEAK_KINDS:
                _learn(sets, known, key, statement)
                if not _unite(sets, known, first, key, claimed=not statement.strong):
                    flags[statement.id] = "key_conflict"
    _unite_weak(statements, sets, flags)
    gathered: dict[Key, list[Statement]] = {}
    for statement in statements:
        gathered.setdefault(sets.find(_proving_first(statement)[0]), []).append(statement)
    index = {root: n for n, root in enumerate(gathered)}
    keys = {key for s in statements for key in s.evidence.keys}
    payment_of = {key: index[sets.find(key)] for key in keys if sets.find(key) in index}
    return tuple(map(tuple, gathered.values())), payment_of


def _believed_first(statements: Sequence[Statement]) -> Sequence[Statement]:
    """Return statements in content order, of the claims those first that name a payment as believed sources do."""
    believed = {key for s in statements if s.strong for key in s.evidence.keys if key.kind in SINGULAR_KINDS}
    return sorted(statements, key=lambda s: not (s.strong or believed.intersection(s.evidence.keys)))


def _proving_first(statement: Statement) -> Sequence[Key]:
    """Return a statement's keys, what proves most first."""
    keys = statement.evidence.keys
    return keys if len(keys) == 1 else sorted(keys, key=key_rank)


class _Known(NamedTuple):
    """By kind, the keys of one payment that may differ in no statement, and those that believed sources gave it."""

    singular: dict[str, Key]
    believed: dict[str, Key]


def _learn(sets: Disjoint[Key], known: dict[Key, _Known], key: Key, statement: Statement) -> None:
    if key not in sets:
        sets.find(key)
        own = {key.kind: key}
        known[key] = _Known(own if key.kind in SINGULAR_KINDS else {}, own if statement.strong else {})


def _unite(sets: Disjoint[Key], known: dict[Key, _Known], a: Key, b: Key, *, claimed: bool) -> bool:
    """Join two keys of one payment, unless that gives it two values of a singular kind.

    A claim cannot give it two of any kind that believed sources keep apart.
    """
    root, other = sets.find(a), sets.find(b)
    if root == other:
        return True
    mine, theirs = known[root], known[other]
    if _differ(mine.singular, theirs.singular) or (claimed and _differ(mine.believed, theirs.believed)):
        return False
    sets.unite(root, other)
    known[root] = _Known(mine.singular | theirs.singular, mine.believed | theirs.believed)
    return True


def _differ(mine: Mapping[str, Key], theirs: Mapping[str, Key]) -> bool:
    return any(mine.get(kind, key) != key for kind, key in theirs.items())


def _unite_weak(statements: Sequence[Statement], sets: Disjoint[Key], flags: dict[str, str]) -> None:
    """A weak key joins reports to at most one named payment; one that would join two is ignored."""
    users: dict[Key, list[Statement]] = {}
    for statement in statements:
        for key in statement.evidence.keys:
            if key.kind in WEAK_KINDS:
                users.setdefault(key, []).append(statement)
    if not users:
        return
    named = {sets.find(key) for s in statements for key in s.evidence.keys if key.kind not in WEAK_KINDS}
    for weak in sorted(users):
        root_of = {s.id: sets.find(_proving_first(s)[0]) for s in users[weak]}
        deaf = _not_joined(users[weak], root_of, named)
        flags.update({s.id: "weak_key_ignored" for s in users[weak] if root_of[s.id] in deaf})
        roots = {*root_of.values(), sets.find(weak)} - deaf
        if not roots:
            continue
        best, *others = sorted(roots, key=lambda root: (root not in named, key_rank(root)))
        for root in others:
            sets.unite(best, root)


def _not_joined(users: Sequence[Statement], root_of: Mapping[str, Key], named: set[Key]) -> set[Key]:
    """Return the roots that a weak key does not join: all of several named payments, but for a single believed one.

    A claim cannot take a payment's reservation away by naming another payment with it.
    """
    roots = set(root_of.values())
    if len(roots & named) < 2:
        return set()
    believed = {root_of[s.id] for s in users if s.strong} & named
    return (roots & named) - believed if len(believed) == 1 else roots


def in_their_roles(statements: Sequence[Statement]) -> Sequence[Statement]:
    """Return `statements` whose claims name nothing by a key that believed sources use in the other role (R1).

    Such a key is a link: a device that calls a payment by an order's number says that they belong together.
    """
    if len(statements) == 1 or all(s.strong for s in statements):
        return statements
    named: dict[str, set[Key]] = {"payment": set(), "document": set()}
    linked: set[Key] = set()
    for s in statements:
        if s.strong:
            named[s.evidence.about].update(s.evidence.keys)
            linked.update(s.evidence.links if s.evidence.about == "payment" else ())
    return [s if s.strong else _in_its_role(s, named, linked) for s in statements]


def _in_its_role(claim: Statement, named: Mapping[str, set[Key]], linked: set[Key]) -> Statement:
    about, keys = claim.evidence.about, claim.evidence.keys
    own = named[about]
    other = named["document" if about == "payment" else "payment"]
    # A document that no believed source names may well be what the payments link to.
    if about == "payment" or own.intersection(keys):
        other = other | linked
    foreign = tuple(key for key in keys if key in other and key not in own)
    rest = tuple(key for key in keys if key not in foreign)
    if not foreign or not rest:
        return claim
    links = {"keys": rest, "links": (*claim.evidence.links, *foreign)}
    return replace(claim, evidence=claim.evidence.model_copy(update=links))


def _documents(statements: Sequence[Statement], flags: dict[str, str]) -> tuple[IdentifiedDocument, ...]:
    """A document is a component over its keys; one component may hold several kinds, each its own view.

    A claim's keys join no two documents that believed sources keep apart.
    """
    sets: Disjoint[Key] = Disjoint()
    believed: set[Key] = set()
    for statement in statements:
        first, *others = _proving_first(statement)
        for key in others:
            if not statement.strong and len({sets.find(first), sets.find(key)} & believed) > 1:
                flags[statement.id] = "key_conflict"
            else:
                joined = {sets.find(first), sets.find(key)} & believed
                root = sets.unite(first, key)
                if joined:
                    believed.add(root)
        if statement.strong:
            believed.add(sets.find(first))
    named: dict[Key, set[Key]] = {}
    kinds: dict[tuple[Key, DocumentKind], list[Statement]] = {}
    for statement in statements:
        evidence = statement.evidence
        assert isinstance(evidence, DocumentEvidence)
        for key in evidence.keys:
            named.setdefault(sets.find(key), set()).add(key)
        kinds.setdefault((sets.find(_proving_first(statement)[0]), evidence.kind), []).append(statement)
    return tuple(
        IdentifiedDocument(kind, tuple(sorted(named[root], key=key_rank)), tuple(said))
        for (root, kind), said in kinds.items()
    )
