"""The shortest honest gateway: stamps facts, keeps dossiers, posts differences. Pure of databases and clocks.

`Desk` works incrementally, `from_scratch` all at once; that both agree is what the properties say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from hashlib import sha256

from contracts.facts import Coverage, DocumentEvidence, Key, Method, PaymentEvidence, Trust
from loyalty.award import award, terms_at
from loyalty.evidence import CoveredDays, Statement
from loyalty.linking import links_of
from loyalty.programme import Policy, Rate, rate_in_force
from loyalty.sales import Sale, converge, name_sales
from tests.loyalty.history import RATES, ZONE, Delivery

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(EPOCH, EPOCH)
HISTORY_RATES = tuple(Rate(micro, datetime.combine(day, time(), ZONE), EPOCH) for day, micro in RATES)
Row = tuple[str, Method, date]
Summary = tuple[tuple[str | None, int, tuple[str, ...], str | None], ...]


def stamp(evidence: PaymentEvidence | DocumentEvidence, trust: Trust, received_at: datetime) -> Statement:
    """Stamp a fact as intake does: owner token, merchant, content hash."""
    body = trust + evidence.model_dump_json()
    digest = sha256(body.encode()).hexdigest()
    owner = evidence.customer.document if evidence.customer else None
    bare = evidence.model_copy(update={"customer": None})
    return Statement(digest[:16], bare, trust, received_at, digest, owner, evidence.merchant_ref)


def stamped(deliveries: Iterable[Delivery], received_at: datetime) -> tuple[list[Statement], list[Row]]:
    """Return the distinct statements and the covered rows of `deliveries`."""
    statements: dict[str, Statement] = {}
    rows: list[Row] = []
    for delivery in deliveries:
        for fact in delivery.facts:
            if isinstance(fact, Coverage):
                rows += [(fact.merchant_ref, method, fact.day_on) for method in fact.methods]
            elif isinstance(fact, PaymentEvidence | DocumentEvidence):
                said = stamp(fact, delivery.trust, received_at)
                statements.setdefault(said.digest, said)
    return list(statements.values()), rows


def units_of(sale: Sale) -> int:
    """Return what a sale earns under the histories' rates."""
    rate = rate_in_force(HISTORY_RATES, sale.sold_at)
    assert rate is not None
    return award(
        sale.base_cents, sale.kept, sale.sold_at, terms_at("points", POLICY, rate, None, None), ZONE
    ).units


def summary(sales: Iterable[Sale]) -> Summary:
    """Return what may not depend on arrival: owner, units, flags, reason of each sale, in order."""
    return tuple((s.owner, units_of(s), s.flags, s.reason) for s in sorted(sales, key=lambda s: s.first_key))


def from_scratch(deliveries: Iterable[Delivery]) -> tuple[Sale, ...]:
    """Return the sales of everything at once."""
    statements, rows = stamped(deliveries, EPOCH)
    return converge(statements, (), CoveredDays.of(rows), ZONE)


def points(sales: Iterable[Sale]) -> dict[str, int]:
    """Return units by owner."""
    earned: dict[str, int] = {}
    for sale in sales:
        if sale.owner is not None and units_of(sale):
            earned[sale.owner] = earned.get(sale.owner, 0) + units_of(sale)
    return earned


@dataclass
class _Dossier:
    statements: list[Statement] = field(default_factory=list)
    sales: dict[str, Sale] = field(default_factory=dict)
    sale_of: dict[str, str] = field(default_factory=dict)


@dataclass
class Desk:
    """Receives deliveries one by one; `posted` is the map (sale, owner) -> units, `movements` its changes."""

    dossier_of: dict[Key, _Dossier] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    rows: set[Row] = field(default_factory=set)
    posted: dict[tuple[str, str], int] = field(default_factory=dict)
    movements: int = 0
    received: int = 0

    def receive(self, deliveries: Sequence[Delivery]) -> None:
        """Take one batch."""
        self.received += 1
        at = EPOCH.replace(microsecond=self.received)
        statements, rows = stamped(deliveries, at)
        touched: dict[int, _Dossier] = {}
        if not self.rows.issuperset(rows):
            self.rows.update(rows)
            touched = {id(d): d for d in self.dossier_of.values()}
        for said in statements:
            if said.digest not in self.known:
                self.known.add(said.digest)
                dossier = self._file(said, touched)
                touched[id(dossier)] = dossier
        for dossier in touched.values():
            self._conclude(dossier)

    def _file(self, said: Statement, touched: dict[int, _Dossier]) -> _Dossier:
        keys = (*said.evidence.keys, *links_of(said))
        found = list({id(d): d for d in map(self.dossier_of.get, keys) if d is not None}.values())
        dossier = found[0] if found else _Dossier()
        for other in found[1:]:
            touched.pop(id(other), None)
            dossier.statements += other.statements
            dossier.sales |= other.sales
            dossier.sale_of |= other.sale_of
            for key, owner in self.dossier_of.items():
                if owner is other:
                    self.dossier_of[key] = dossier
        dossier.statements.append(said)
        self.dossier_of |= dict.fromkeys(keys, dossier)
        return dossier

    def _conclude(self, dossier: _Dossier) -> None:
        sales = converge(dossier.statements, (), CoveredDays.of(self.rows), ZONE)
        age = {s.id: (s.received_at, s.id) for s in dossier.statements}
        names = name_sales(sales, dossier.sale_of, age)
        named = {
            name or f"sale-{sale.statement_ids[0]}-{self.received}": sale
            for name, sale in zip(names, sales, strict=True)
        }
        assert len(named) == len(sales), "two sales with one name"
        target = {(name, s.owner): units_of(s) for name, s in named.items() if s.owner is not None}
        mine = {key: units for key, units in self.posted.items() if key[0] in {*dossier.sales, *named}}
        for key in {*mine, *target}:
            if target.get(key, 0) != mine.get(key, 0):
                self.movements += 1
                self.posted[key] = target.get(key, 0)
        dossier.sales = named
        dossier.sale_of = {i: name for name, sale in named.items() for i in sale.statement_ids}

    def sales(self) -> tuple[Sale, ...]:
        """Return all sales."""
        dossiers = {id(d): d for d in self.dossier_of.values()}
        return tuple(sale for d in dossiers.values() for sale in d.sales.values())

    def points(self) -> dict[str, int]:
        """Return the posted units by owner."""
        earned: dict[str, int] = {}
        for (_, owner), units in self.posted.items():
            if units:
                earned[owner] = earned.get(owner, 0) + units
        return earned
