"""The working copy of every voucher that a batch touches: loaded in sets, decided in memory, written once.

Requests are served in their order, so that of any number that race for one voucher exactly one wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.context import Context
from gateway.coupons import actions as coupons
from gateway.ledger import queries as ledger
from gateway.ledger.actions import Journal, write
from gateway.outbox import event
from gateway.store import Connection, Table, rows
from gateway.store import tables as t
from gateway.vouchers import queries
from gateway.vouchers.queries import Row, UseRef, VoucherRef
from loyalty import wallet as wallets
from loyalty.accounts import Occasion
from loyalty.vouchers import Step, Use, Voucher

NO_USE: UseRef = ("", "")
"""Asked about where nothing was used: a code that nobody knows costs as many reads as one that was spent."""


@dataclass(slots=True)
class Till:
    """Vouchers, uses and wallets of one batch, and what changed of them; `beside` is written with them.

    `stale` names coupons whose store may have burnt or re-armed them by its own habit: (voucher, installation).
    """

    context: Context
    conn: Connection
    vouchers: dict[VoucherRef, Row]
    uses: dict[UseRef, Row]
    journal: Journal
    entries: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    stale: set[tuple[VoucherRef, str]] = field(default_factory=set)
    beside: dict[Table, list[Row]] = field(default_factory=dict)
    _changed: set[VoucherRef] = field(default_factory=set)
    _used: set[UseRef] = field(default_factory=set)
    _noted: list[Row] = field(default_factory=list)

    @classmethod
    def open(cls, context: Context, conn: Connection, wanted: Iterable[VoucherRef]) -> "Till":
        """Return a till with these vouchers, all their uses and what was done to them."""
        keys = list(dict.fromkeys(wanted))
        vouchers = {
            (row["programme_id"], row["voucher_id"]): row
            for row in queries.vouchers_by(conn, "voucher_id", keys)
        }
        uses = {
            (row["programme_id"], row["use_id"]): row for row in queries.uses_by(conn, "voucher_id", keys)
        }
        entries = {
            (row["programme_id"], row["use_id"], row["request_ref"]): row
            for row in queries.entries_of(conn, uses or [NO_USE])
        }
        return cls(context, conn, vouchers, uses, Journal(context, {}, {}), entries)

    def voucher(self, at: VoucherRef) -> Voucher:
        """Return a voucher as it stands now."""
        return queries.voucher_of(self.vouchers[at])

    def use(self, at: UseRef) -> Use:
        """Return a use as it stands now."""
        return queries.use_of(self.uses[at])

    def use_for(self, at: VoucherRef, partner_id: str, order_ref: str) -> Row | None:
        """Return what one order of a partner did with a voucher, if anything."""
        for row in self.uses.values():
            mine = (row["programme_id"], row["voucher_id"]) == at
            if mine and (row["partner_id"], row["order_ref"]) == (partner_id, order_ref):
                return row
        return None

    def take(self, at: VoucherRef, step: Step, occasion: Occasion, state: str | None = None) -> None:
        """Keep what a verb did; units that it sends back to the wallet arrive there at once."""
        programme_id, _ = at
        self.vouchers[at] |= queries.columns_of(step.voucher)
        self._changed.add(at)
        if step.use is not None:
            used = (programme_id, step.use.id)
            changed = queries.columns_of_use(step.use)
            self.uses[used] |= changed if state is None else {**changed, "state": state}
            self._used.add(used)
        if step.movement is not None:
            self.journal.post(programme_id, step.movement)
        if step.wallet_units:
            self._give_back(at, step.wallet_units, occasion)

    def add(self, row: Row) -> None:
        """Add a voucher that did not exist."""
        at = (row["programme_id"], row["voucher_id"])
        self.vouchers[at] = row
        self._changed.add(at)

    def begin(self, row: Row) -> None:
        """Add a use that did not exist."""
        self.uses[(row["programme_id"], row["use_id"])] = row

    def state(self, at: VoucherRef, use_id: str, stated_at: datetime) -> None:
        """Remember that a store's statement about a use was followed."""
        used = (at[0], use_id)
        self.uses[used]["stated_at"] = stated_at
        self._used.add(used)

    def note(self, programme_id: str, use_id: str, request_ref: str, kind: str, cents: int) -> Row:
        """Remember a settlement or cancellation under the store's own request."""
        row = {
            "programme_id": programme_id,
            "use_id": use_id,
            "request_ref": request_ref,
            "kind": kind,
            "amount_cents": cents,
            "made_at": self.context.clock(),
        }
        self.entries[(programme_id, use_id, request_ref)] = row
        self._noted.append(row)
        return row

    def tell(self, kind: str, at: VoucherRef, now: datetime) -> None:
        """Note an event for whoever listens; thin: an id and the state, no personal data."""
        self.events.append(event(self.context, at[0], kind, at[1], now))

    def close(self) -> list[VoucherRef]:
        """Write everything that changed; return the vouchers whose value or state is another now."""
        changed = sorted(self._changed)
        for at in changed:
            self.vouchers[at]["version"] += 1
        write(self.conn, self.journal)
        rows.put(self.conn, t.voucher, [self.vouchers[at] for at in changed])
        rows.put(self.conn, t.voucher_use, [self.uses[at] for at in sorted(self._used)])
        rows.insert(self.conn, t.voucher_entry, self._noted)
        rows.insert(self.conn, t.outbox, self.events)
        for table, written in self.beside.items():
            rows.put(self.conn, table, written)
        coupons.follow(self.context, self.conn, [self.vouchers[at] for at in changed], self.stale)
        return changed

    def _give_back(self, at: VoucherRef, units: int, occasion: Occasion) -> None:
        programme_id, voucher_id = at
        row = self.vouchers[at]
        member = (programme_id, row["member_id"])
        if member not in self.journal.wallets:
            self.journal.wallets |= ledger.wallets(self.conn, [member], [member])
        wallet = self.journal.wallets[member]
        after, movement = wallets.give_back(wallet, units, voucher_id, occasion)
        self.journal.take(programme_id, wallet, after)
        self.journal.post(programme_id, movement)
        row["units"] -= units
