"""The working copies of one batch: which dossier an arrival belongs to, and which dossiers become one.

Pure on what was loaded; nothing here reads or writes the database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from contracts.facts import Key
from gateway.context import Context
from gateway.sales.dossiers import Arrival, Dossier, Scope, all_keys, body_of, digest_of, singular
from gateway.sales.records import evidence_row
from loyalty.evidence import Statement

Filed: TypeAlias = tuple[str, bool]
"""(evidence id, whether the statement was already known)."""


@dataclass(slots=True)
class Desk:
    """Dossiers by id and by (scope, key), and the rows to be written for new evidence and claims."""

    dossiers: dict[str, Dossier] = field(default_factory=dict)
    by_key: dict[tuple[Scope, Key], Dossier] = field(default_factory=dict)
    holders: dict[tuple[str, Key], list[str]] = field(default_factory=dict)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, dossier: Dossier) -> None:
        """Lay a loaded dossier on the desk."""
        self.dossiers[dossier.id] = dossier
        for key in dossier.ranks:
            self.by_key[(dossier.scope, key)] = dossier

    def touched(self) -> list[Dossier]:
        """The dossiers whose sales have to be concluded again."""
        return [dossier for dossier in self.dossiers.values() if dossier.touched]

    def find(self, context: Context, scope: Scope, keys: Iterable[Key]) -> Dossier:
        """Return the one dossier that `keys` belong to: a new one, or several become the oldest."""
        found = {dossier.id: dossier for key in keys if (dossier := self.by_key.get((scope, key)))}
        if not found:
            dossier = Dossier(scope, context.ids.new("dos"))
            self.dossiers[dossier.id] = dossier
        else:
            dossier, *others = (found[dossier_id] for dossier_id in sorted(found))
            for other in others:
                self._join(dossier, other)
        for key in keys:
            self.by_key[(scope, key)] = dossier
        return dossier

    def _join(self, dossier: Dossier, other: Dossier) -> None:
        dossier.absorb(other)
        del self.dossiers[other.id]
        for key in other.ranks:
            self.by_key[(other.scope, key)] = dossier

    def file(self, context: Context, arrival: Arrival) -> Filed:
        """File one arrival in its dossier; a statement known word for word changes nothing."""
        body = body_of(arrival.evidence)
        digest = digest_of(arrival, body)
        dossier = self.find(context, arrival.scope, all_keys(arrival.evidence))
        if digest in dossier.digests:
            evidence_id = dossier.digests[digest]
            self.known[evidence_id] = dossier.sales.get(dossier.sale_of.get(evidence_id, ""), {})
            return evidence_id, True
        statement = Statement(
            id=context.ids.new("evi"),
            evidence=arrival.evidence,
            trust=arrival.trust,
            received_at=arrival.received_at,
            digest=digest,
            owner=arrival.owner,
            merchant=arrival.merchant,
        )
        dossier.file(statement)
        self._contest(dossier, statement)
        self.evidence.append(evidence_row(arrival, statement, body))
        return statement.id, False

    def _contest(self, dossier: Dossier, statement: Statement) -> None:
        """Let dossiers of different partners know that they state the same singular key (R1)."""
        programme_id, partner_id = dossier.scope
        for key in singular(statement.evidence.keys):
            partners = self.holders.setdefault((programme_id, key), [])
            for other_id in partners:
                other = self.by_key.get(((programme_id, other_id), key))
                if other is not None and other_id != partner_id:
                    dossier.contest(key, other.ranks[key])
                    other.contest(key, statement.rank)
                    other.touched = True
            if partner_id not in partners:
                partners.append(partner_id)
