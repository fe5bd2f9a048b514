"""Writing the ledger: differences between target and posted become movements, in one set per batch.

Every verb here loads wallets, lets `loyalty.wallet` decide, and writes what changed; only caches are updated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, update

from gateway.context import Context
from gateway.ledger import queries
from gateway.ledger.queries import MemberRef
from gateway.store import rows
from gateway.store import tables as t
from loyalty import wallet as verbs
from loyalty.accounts import ISSUANCE, Account, Award, Lot, Movement, Occasion, Wallet, combine
from loyalty.wallet import NewLot, Shortfall


@dataclass(frozen=True, slots=True)
class Due:
    """What one (sale, member, partner) should have posted. `posted` is what it has; `pending` asks to wait.

    `fresh` says that nothing was ever posted for it, `merged` that its sale has just taken another one over,
    `prepaid` that the partner's pack pays, `held` why nothing more may be posted now.
    """

    programme_id: str
    posted: Award
    target_units: int
    sold_at: datetime
    expires_at: datetime | None
    reason: str
    fresh: bool = True
    merged: bool = False
    pending: bool = False
    prepaid: bool = False
    held: str | None = None
    shortfall: Shortfall = "debt"

    @property
    def member(self) -> MemberRef:
        """Whose wallet it concerns."""
        return (self.programme_id, self.posted.member_id)

    @property
    def funding(self) -> Account:
        """Where the value comes from and returns to."""
        return Account("prepaid", self.posted.partner_id) if self.prepaid else ISSUANCE

    @property
    def needs_lots(self) -> bool:
        """Whether the member's whole wallet must be known: only a first credit can do without."""
        return not self.fresh and self.target_units != self.posted.units


class Settled(NamedTuple):
    """What is posted after the movements, and why the rest waits."""

    posted: Award
    held: str | None


@dataclass(slots=True)
class Journal:
    """The working copy of everything the ledger touches during a batch; written once at the end."""

    context: Context
    wallets: dict[MemberRef, Wallet]
    packs: dict[tuple[str, Account], int]
    movements: list[tuple[str, Movement, str | None]] = field(default_factory=list)
    lots: dict[tuple[str, str, str], Lot] = field(default_factory=dict)

    def take(self, programme_id: str, before: Wallet, after: Wallet) -> None:
        """Keep `after` in place of `before`, noting the lots that changed."""
        self.wallets[(programme_id, after.member_id)] = after
        if before.lots is not after.lots:
            known = {lot.id: lot for lot in before.lots}
            for lot in after.lots:
                if known.get(lot.id) is not lot:
                    self.lots[(programme_id, after.member_id, lot.id)] = lot

    def post(self, programme_id: str, movement: Movement, counterpart_id: str | None = None) -> None:
        """Append a movement."""
        self.movements.append((programme_id, movement, counterpart_id))

    def fund(self, programme_id: str, movements: Iterable[Movement]) -> None:
        """Note what `movements` took from packs and gave back to them: the next credit may need it."""
        for movement in movements:
            for account, units in movement.postings:
                if account.kind == "prepaid":
                    self.packs[(programme_id, account)] = self.packs.get((programme_id, account), 0) + units


def post(context: Context, conn: Connection, dues: Sequence[Due]) -> list[Settled]:
    """Post every difference between target and posted, in (sold_at, sale) order; return what came of each.

    A pack that cannot pay a positive difference holds it (`pack_exhausted`). Differences of one sale for
    several members become one movement (R10).
    """
    whole = [due.member for due in dues if due.needs_lots]
    packs = {(due.programme_id, due.funding) for due in dues if due.prepaid}
    journal = Journal(
        context,
        queries.wallets(conn, (due.member for due in dues), whole),
        queries.balances(conn, packs) if packs else {},
    )
    order = sorted(
        range(len(dues)), key=lambda n: (dues[n].target_units > dues[n].posted.units, dues[n].sold_at, n)
    )
    settled: dict[int, Settled] = {}
    moved: dict[tuple[str, str, bool], list[Movement]] = {}
    for n in order:
        due = dues[n]
        settled[n], movements = _settle(journal, due)
        moved.setdefault((due.programme_id, due.posted.sale_id, due.merged), []).extend(movements)
    for (programme_id, _, merged), movements in moved.items():
        _journal_movements(journal, programme_id, movements, merged=merged)
    write(conn, journal)
    return [settled[n] for n in range(len(dues))]


def _settle(journal: Journal, due: Due) -> tuple[Settled, list[Movement]]:
    programme_id, posted = due.programme_id, due.posted
    wallet = journal.wallets[due.member]
    occasion = Occasion(due.sold_at, journal.context.clock(), due.reason)
    movements: list[Movement] = []
    held = due.held
    difference = due.target_units - posted.units
    after = wallet
    if difference < 0:
        after, posted, movement = verbs.debit(
            wallet, posted, -difference, funding=due.funding, occasion=occasion, shortfall=due.shortfall
        )
        movements.append(movement)
    elif difference > 0 and held is None:
        pack = (programme_id, due.funding)
        if due.prepaid and journal.packs.get(pack, 0) < difference:
            held = "pack_exhausted"
        else:
            lot = None if due.pending else NewLot(journal.context.ids.new("lot"), due.expires_at)
            after, posted, movement = verbs.credit(
                wallet, posted, difference, funding=due.funding, occasion=occasion, lot=lot
            )
            movements.append(movement)
    if not due.pending and posted.pending:
        lot = NewLot(journal.context.ids.new("lot"), due.expires_at)
        after, posted, movement = verbs.activate(after, posted, occasion=occasion, lot=lot)
        movements.append(movement)
    journal.fund(programme_id, movements)
    if after is not wallet:
        journal.take(programme_id, wallet, after)
    return Settled(posted, held), movements


def _journal_movements(
    journal: Journal, programme_id: str, movements: list[Movement], *, merged: bool
) -> None:
    """Append the movements of one sale (R10): an owner change is one, and what a merge takes back is a merge.

    A movement names two members, who find it in their statements: of more, those who only lose have one each.
    """
    members = list(dict.fromkeys(m.member_id for m in movements if m.member_id))
    pair = members[-2:] if len(members) > 1 else []  # decreases are settled first: who gains comes last
    for movement in movements:
        if movement.member_id not in pair:
            taken_back = merged and movement.kind == "reversal"
            journal.post(programme_id, replace(movement, kind="merged") if taken_back else movement)
    between = [m for m in movements if m.member_id in pair]
    if between:
        occasion = Occasion(between[0].happened_at, between[0].learned_at, between[0].reason)
        whole = combine("merged" if merged else "owner_change", between, occasion)
        journal.post(programme_id, replace(whole, member_id=pair[0]), pair[1])


def write(conn: Connection, journal: Journal) -> None:
    """Write movements, postings, balance deltas (summed per account, in account order) and changed lots."""
    movements: list[dict[str, Any]] = []
    postings: list[dict[str, Any]] = []
    deltas: dict[tuple[str, Account], int] = {}
    for programme_id, movement, counterpart_id in journal.movements:
        movement_id = journal.context.ids.new("mov")
        movements.append(_movement_row(programme_id, movement_id, movement, counterpart_id))
        for line, (account, units) in enumerate(movement.postings):
            deltas[(programme_id, account)] = deltas.get((programme_id, account), 0) + units
            postings.append(
                {
                    "programme_id": programme_id,
                    "movement_id": movement_id,
                    "line": line,
                    "account": account.kind,
                    "account_ref": account.ref,
                    "units": units,
                }
            )
    rows.insert(conn, t.movement, movements)
    rows.insert(conn, t.posting, postings)
    rows.add(
        conn, t.balance, [_balance_row(p, account, units) for (p, account), units in deltas.items()], "units"
    )
    rows.put(conn, t.lot, [_lot_row(p, m, lot) for (p, m, _), lot in journal.lots.items()])


def _movement_row(
    programme_id: str, movement_id: str, movement: Movement, counterpart_id: str | None
) -> dict[str, Any]:
    return {
        "programme_id": programme_id,
        "movement_id": movement_id,
        "kind": movement.kind,
        "sale_id": movement.sale_id,
        "member_id": movement.member_id,
        "counterpart_id": counterpart_id,
        "partner_id": movement.partner_id,
        "happened_at": movement.happened_at,
        "learned_at": movement.learned_at,
        "reason": movement.reason,
    }


def _balance_row(programme_id: str, account: Account, units: int) -> dict[str, Any]:
    return {"programme_id": programme_id, "account": account.kind, "account_ref": account.ref, "units": units}


def _lot_row(programme_id: str, member_id: str, lot: Lot) -> dict[str, Any]:
    return {
        "programme_id": programme_id,
        "member_id": member_id,
        "lot_id": lot.id,
        "sale_id": lot.sale_id,
        "partner_id": lot.partner_id,
        "born_at": lot.born_at,
        "expires_at": lot.expires_at,
        "issued": lot.issued,
        "remaining": lot.remaining,
        "expired": lot.expired,
        "taken_back": lot.taken_back,
    }


def expire(context: Context, conn: Connection, members: Iterable[MemberRef]) -> int:
    """Move what remains in due lots of `members` to breakage; return how many wallets changed."""
    wanted = list(members)
    journal = Journal(context, queries.wallets(conn, wanted, wanted), {})
    for (programme_id, _), wallet in list(journal.wallets.items()):
        now = context.clock()
        outcome = verbs.expire(wallet, Occasion(now, now, "lot_expired"))
        if outcome is not None:
            journal.take(programme_id, wallet, outcome[0])
            journal.post(programme_id, outcome[1])
    write(conn, journal)
    return len(journal.movements)


def join_sales(conn: Connection, gone: Mapping[tuple[str, str], str]) -> None:
    """Add the posted maps of merged sales (R10): `gone` maps (programme id, ended sale) to its heir.

    Nothing moves: lots and awards change their sale; the differences are posted afterwards.
    """
    if not gone:
        return
    heirs = {(programme_id, heir) for (programme_id, _), heir in gone.items()}
    known = queries.awards_of(conn, heirs | set(gone))
    joined: dict[tuple[str, str, str, str], dict[str, Any]] = {
        (p, row["sale_id"], row["member_id"], row["partner_id"]): row
        for p, heir in heirs
        for row in known.get((p, heir), ())
    }
    for (programme_id, old), heir in gone.items():
        for row in known.get((programme_id, old), ()):
            at = (programme_id, heir, row["member_id"], row["partner_id"])
            kept = joined.get(at, {})
            sums = {
                name: row[name] + kept.get(name, 0) for name in ("units", "pending", "absorbed", "forgiven")
            }
            joined[at] = {**row, **kept, **sums, "sale_id": heir}
        its = (t.award.c.programme_id == programme_id, t.award.c.sale_id == old)
        conn.execute(delete(t.award).where(*its))
        lots = (t.lot.c.programme_id == programme_id, t.lot.c.sale_id == old)
        conn.execute(update(t.lot).where(*lots).values(sale_id=heir))
    rows.put(conn, t.award, list(joined.values()))


@dataclass(frozen=True, slots=True)
class Gift:
    """Units that a programme gives a member at its own cost."""

    programme_id: str
    member_id: str
    units: int
    expires_at: datetime | None
    reason: str


def give(context: Context, conn: Connection, items: Sequence[Gift]) -> None:
    """Credit goodwill; a debt is repaid first."""
    journal = Journal(
        context, queries.wallets(conn, [(item.programme_id, item.member_id) for item in items]), {}
    )
    for item in items:
        now = context.clock()
        wallet = journal.wallets[(item.programme_id, item.member_id)]
        lot = NewLot(context.ids.new("lot"), item.expires_at)
        occasion = Occasion(now, now, item.reason)
        after, movement = verbs.goodwill(wallet, item.units, occasion=occasion, lot=lot)
        journal.take(item.programme_id, wallet, after)
        journal.post(item.programme_id, movement)
    write(conn, journal)


def fill_packs(context: Context, conn: Connection, packs: Sequence[tuple[str, str, int]]) -> None:
    """Add bought units to the prepaid packs of (programme id, partner id, units)."""
    journal = Journal(context, {}, {})
    for programme_id, partner_id, units in packs:
        now = context.clock()
        journal.post(programme_id, verbs.buy_pack(partner_id, units, Occasion(now, now, "pack")))
    write(conn, journal)
