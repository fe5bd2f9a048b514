"""A hub in miniature: the real store and the real actions, with settings laid down as rows.

Nothing here decides anything: what a test learns, it learns from the hub.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from adapters.erp.generic.connector import connector as generic
from adapters.stone.connector import connector as stone
from contracts.connector import AnyConnector
from contracts.documents import tax_id
from contracts.facts import AnyFact, Customer, Key, PaymentEvidence, Trust
from gateway import enrolment
from gateway.access import PROGRAMME_SCOPES, Principal, Scope
from gateway.catalogue import Catalogue
from gateway.context import Context
from gateway.hub import Hub
from gateway.installations import actions as installations
from gateway.installations.actions import NewInstallation
from gateway.installations.queries import secret_place
from gateway.intake import Inbound, Outcome, Source, apply
from gateway.keys import actions as keys
from gateway.keys.actions import MadeKey, NewKey
from gateway.ledger.queries import award_of, lot_of
from gateway.members.actions import NewMember
from gateway.members.queries import KnownMember
from gateway.observe import Metrics
from gateway.ports import Clock, Entropy, Ids, SettableClock, system_entropy
from gateway.privacy import ProgrammeKeys, Vault
from gateway.settings import Settings
from gateway.store import rows
from gateway.store import tables as t
from gateway.store.engine import Store
from gateway.transport import JwksCache, Transport
from gateway.verification import Report, verify
from loyalty import invariants
from loyalty.accounts import Account
from loyalty.invariants import Books, Entry, Held, Issued

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
MASTER_KEY = bytes(range(32))
MERCHANT = "loja-1"
TERMINAL_SECRET = b"a secret that only this terminal knows"
NAMESPACE = "loja"
GENERIC_SECRET = "a secret of thirty-two characters"
SEVEN_POINTS = ((EPOCH, 7_000_000),)


@dataclass(frozen=True, slots=True)
class World:
    """An open hub and the clock it reads."""

    hub: Hub
    clock: SettableClock

    async def lay(self, *written: tuple[Table, Mapping[str, Any]]) -> None:
        """Insert rows of settings as they stand."""
        await self.hub.submit(_lay, written)

    async def club(
        self,
        rates: Iterable[tuple[datetime, int]] = SEVEN_POINTS,
        *,
        unit: str = "points",
        valid_days: int | None = None,
        funding: str = "issuance",
        active: bool = True,
        **policy: Any,
    ) -> "Club":
        """Found a programme with one partner, its store, its rates and one category for its members."""
        new, vault = self.hub.context.ids.new, self.hub.context.vault
        programme_id, partner_id, store_id = new("prg"), new("par"), new("sto")
        wrapped = vault.new_programme_key()
        club = Club(self, programme_id, partner_id, store_id, vault.programme(programme_id, wrapped))
        await self.lay(
            (t.programme, {
                "programme_id": programme_id, "name": "Clube", "unit": unit, "mode": "proprietary",
                "zone": "America/Sao_Paulo", "active": active,
                "key_wrapped": wrapped, "created_at": EPOCH, "version": 1,
            }),
            (t.policy, {
                "programme_id": programme_id, "valid_from": EPOCH, "recorded_at": EPOCH,
                "terms": json.dumps(policy),
            }),
            (t.category, {
                "programme_id": programme_id, "category_id": "cat", "name": "Ouro", "multiplier_milli": 1000,
                "valid_days": valid_days, "valid_from": EPOCH, "recorded_at": EPOCH,
            }),
            *club.partner_rows(partner_id, store_id, rates, funding),
        )  # fmt: skip
        return club

    async def is_sound(self) -> Report:
        """Check every promise of the ledger, each sale concluded again; return what was looked at."""
        report = await self.hub.read(lambda conn: verify(self.hub.context, conn))
        assert report.sound, report.breaches
        return report

    async def read(self, table: Table, **where: object) -> list[dict[str, Any]]:
        """Return the rows of `table` whose columns equal `where`."""

        def query(conn: Connection) -> list[dict[str, Any]]:
            asked = select(table).where(*(table.c[name] == value for name, value in where.items()))
            return [dict(row) for row in conn.execute(asked).mappings()]

        return await self.hub.read(query)


@dataclass(frozen=True, slots=True)
class Club:
    """One programme with its first partner. CPFs are told in clear; the hub hears them as it always does."""

    world: World
    programme_id: str
    partner_id: str
    store_id: str
    keys: ProgrammeKeys
    member_of: dict[str, str] = field(default_factory=dict)

    def partner_rows(
        self, partner_id: str, store_id: str, rates: Iterable[tuple[datetime, int]], funding: str
    ) -> list[tuple[Table, dict[str, Any]]]:
        """Return what makes a partner: itself, a store that vendors call `MERCHANT`, and its rates."""
        ours = {"programme_id": self.programme_id, "partner_id": partner_id}
        made = {**ours, "name": "Loja", "cnpj": None, "created_at": EPOCH}
        return [
            (t.partner, {**made, "funding": funding, "version": 1}),
            (t.store, {**made, "store_id": store_id, "zone": "America/Sao_Paulo"}),
            (t.merchant, {**ours, "merchant_ref": MERCHANT, "store_id": store_id}),
            *(
                (
                    t.rate,
                    {**ours, "rate_micro": micro, "valid_from": at, "valid_until": None, "recorded_at": at},
                )
                for at, micro in rates
            ),
        ]

    async def partner(
        self, rates: Iterable[tuple[datetime, int]] = SEVEN_POINTS, *, funding: str = "issuance"
    ) -> "Club":
        """Add another partner and return the club as that partner sees it."""
        new = self.world.hub.context.ids.new
        partner_id, store_id = new("par"), new("sto")
        await self.world.lay(*self.partner_rows(partner_id, store_id, rates, funding))
        return Club(self.world, self.programme_id, partner_id, store_id, self.keys, self.member_of)

    async def enrol(self, cpf: str, since_at: datetime = EPOCH) -> str:
        """Register a person in the club's category; sales that wait for the CPF are credited at once."""
        asked = NewMember(self.admin, tax_id(cpf), None, None, "cat", since_at, "v1 counter")
        made = await self.world.hub.submit(enrolment.register, asked)
        assert isinstance(made, KnownMember), made
        self.member_of[cpf] = made.member_id
        return made.member_id

    @property
    def admin(self) -> Principal:
        """Return whoever may do everything in this programme."""
        return Principal(self.programme_id, "key_test", frozenset(PROGRAMME_SCOPES))

    def inbound(
        self,
        facts: Iterable[AnyFact],
        trust: Trust = "signed",
        source: str = "ins_test",
        *,
        covers: bool = False,
    ) -> Inbound:
        """Return facts as a source of this partner states them now."""
        told_by = Source(self.programme_id, self.partner_id, source, self.store_id, trust, covers)
        return Inbound(told_by, tuple(facts), self.world.clock())

    async def tell(
        self, *facts: AnyFact, trust: Trust = "signed", source: str = "ins_test", covers: bool = False
    ) -> Outcome:
        """Apply one delivery of facts and return what became of it."""
        return await self.world.hub.submit(apply, self.inbound(facts, trust, source, covers=covers))

    async def install(
        self, connector: str = "generic", config: Mapping[str, Any] | None = None, *,
        trust: Trust = "signed", covers: bool = False,
    ) -> str:  # fmt: skip
        """Install a connector for this partner and return the installation's id."""
        chosen = config or {"namespace": NAMESPACE, "secret": GENERIC_SECRET}
        account = self.world.hub.context.ids.new("acc")
        asked = NewInstallation(
            self.programme_id, self.partner_id, self.store_id, connector, "Loja", json.dumps(chosen).encode(),
            account, trust, covers,
        )  # fmt: skip
        made = await self.world.hub.submit(installations.install, asked)
        assert isinstance(made, str)
        return made

    async def terminal(self, installation_id: str) -> str:
        """Stand a terminal in the store and return its id; `TERMINAL_SECRET` signs for it."""
        terminal_id = self.world.hub.context.ids.new("ter")
        await self.world.lay((t.terminal, {
            "programme_id": self.programme_id, "terminal_id": terminal_id, "partner_id": self.partner_id,
            "store_id": self.store_id, "installation_id": installation_id, "serial": terminal_id,
            "secret_sealed": self.keys.seal_config(secret_place(terminal_id), TERMINAL_SECRET),
            "active": True, "created_at": EPOCH,
        }))  # fmt: skip
        return terminal_id

    async def api_key(self, *scopes: Scope) -> str:
        """Make an API key of this programme; without `scopes` it may do everything."""
        asked = NewKey(self.admin, self.programme_id, "test", frozenset(scopes) or PROGRAMME_SCOPES)
        made = await self.world.hub.submit(keys.create, asked)
        assert isinstance(made, MadeKey)
        return made.text

    async def rows(self, table: Table, **where: object) -> list[dict[str, Any]]:
        """Return rows of this programme."""
        return await self.world.read(table, programme_id=self.programme_id, **where)

    async def units(self, kind: str = "available") -> dict[str, int]:
        """Return what each CPF holds on its accounts of `kind`, zeros left out."""
        held = {row["account_ref"]: row["units"] for row in await self.rows(t.balance, account=kind)}
        return {cpf: held[member] for cpf, member in self.member_of.items() if held.get(member)}

    async def breaches(self) -> list[str]:
        """Return every breach of I1 to I8 in the stored books."""
        return invariants.check(await self.world.hub.read(self.books))

    def books(self, conn: Connection) -> Books:
        """Return the books of this programme as they are stored."""

        def read(table: Table) -> list[dict[str, Any]]:
            query = select(table).where(table.c.programme_id == self.programme_id)
            return [dict(row) for row in conn.execute(query).mappings()]

        kinds = {row["movement_id"]: row["kind"] for row in read(t.movement)}
        lines = sorted(read(t.posting), key=lambda row: (row["movement_id"], row["line"]))
        return Books(
            entries=[
                Entry(r["movement_id"], kinds[r["movement_id"]], Account(r["account"], r["account_ref"]), r["units"])
                for r in lines
            ],
            balances={Account(r["account"], r["account_ref"]): r["units"] for r in read(t.balance)},
            lots=[Held(row["member_id"], lot_of(row)) for row in read(t.lot)],
            awards=[award_of(row) for row in read(t.award)],
            vouchers=[
                Issued(r["voucher_id"], *(r[f"{name}units"] for name in ("", "free_", "held_", "spent_", "lapsed_")))
                for r in read(t.voucher)
            ],
        )  # fmt: skip


@contextlib.asynccontextmanager
async def open_world(
    database_url: str,
    *more: AnyConnector,
    clock: Clock | None = None,
    entropy: Entropy = system_entropy,
    at: datetime = NOW,
) -> AsyncIterator[World]:
    """Open a hub on `database_url` with the shipped connectors and `more`; its clock stands at `at`."""
    settable = SettableClock(at)
    settings = Settings(
        data_dir=Path(),
        database_url=database_url,
        master_key=MASTER_KEY,
        mode="sandbox",
        unsafe_database=True,
        allow_addresses=(ip_network("127.0.0.0/8"),),
    )
    told = clock or settable
    catalogue = Catalogue.of(stone, generic, *more)
    context = Context(told, Ids(told, entropy), Vault(MASTER_KEY, entropy), catalogue)
    metrics, transport = Metrics(catalogue.slugs), Transport(settings.allow_addresses, told)
    store = await Store.open(
        database_url,
        queue_max=settings.queue_limit,
        on_batch=lambda size, _seconds, outcome: metrics.commit(size) if outcome == "committed" else None,
        allow_unsafe=True,
    )
    store.on_rollback.append(context.memory.clear)
    try:
        yield World(Hub(settings, context, store, transport, JwksCache(transport, told), metrics), settable)
    finally:
        await store.close()
        await transport.close()


def _lay(
    context: Context, conn: Connection, items: Sequence[Sequence[tuple[Table, Mapping[str, Any]]]]
) -> list[None]:
    for written in items:
        for table, row in written:
            rows.insert(conn, table, [row])
            context.memory.forget(row["programme_id"])
    return [None] * len(items)


def later(days: float = 0, **more: float) -> datetime:
    """Return an instant after `NOW`."""
    return NOW + timedelta(days=days, **more)


def card_sale(cpf: str, number: int, sold_at: datetime, **more: Any) -> PaymentEvidence:
    """Return what a vendor says of a credit sale of R$ 10.00, or of what `more` makes of it."""
    told = {
        "keys": (Key("stone:atk", f"5100000000000{number}"),),
        "merchant_ref": MERCHANT,
        "method": "credit",
        "captured_cents": 1000,
        "sold_at": sold_at,
        "as_of": sold_at,
        "customer": Customer(document=cpf),
    }
    return PaymentEvidence.model_validate(told | more)
