"""Whatever happens in whatever order: the wallet against a model that counts single units.

The model imports nothing of the ledger's rules: it keeps what happened and replays it, unit by unit.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loyalty import vouchers
from loyalty.accounts import Account, Award, Lot, Movement, Wallet, combine
from loyalty.invariants import Books, Entry, Held, Issued, check
from loyalty.refusals import Refusal
from loyalty.rewards import OnExpiry, Remainder
from loyalty.settlement import settle
from loyalty.vouchers import Use, Value, Voucher
from loyalty.wallet import (
    NewLot,
    Shortfall,
    activate,
    buy_pack,
    cash_out,
    credit,
    debit,
    expire,
    give_back,
    goodwill,
    purchase,
    write_off,
)
from tests.loyalty.hours import FOREVER, PARTNERS, at, hour, until

ACTS = [
    *["a_checkout_reserves"] * 3,
    *["a_checkout_lets_go"] * 3,
    *["a_purchase_is_undone"] * 2,
    "a_voucher_is_taken_back",
    "due_vouchers_expire",
]

REMAINDERS: list[Remainder] = ["keep", "forfeit", "wallet"]
ON_EXPIRY: list[OnExpiry] = ["return", "breakage"]

T = TypeVar("T")


def pick(data: st.DataObject, options: list[T]) -> T | None:
    return data.draw(st.sampled_from(options)) if options else None


@dataclass
class Model:
    """One wallet as the list of what happened: lots as [born, expires, units], redemptions as [at, units]."""

    lots: dict[str, list[int]] = field(default_factory=dict)
    redemptions: dict[str, list[int]] = field(default_factory=dict)

    def read(self, now: int) -> tuple[int, int, int]:
        """Available, breakage and debt (not negative), had every lot been expired on time."""
        free: list[tuple[int, int, str]] = []
        owed = 0
        births = [(born, 0, name, expires, units) for name, (born, expires, units) in self.lots.items()]
        uses = [(then, 1, name, 0, units) for name, (then, units) in self.redemptions.items()]
        for then, is_use, name, expires, units in sorted(births + uses):
            for _ in range(units):
                live = [unit for unit in free if unit[0] > then]
                if not is_use and owed:
                    owed -= 1
                elif not is_use:
                    free.append((expires, then, name))
                elif live:
                    free.remove(min(live))
                else:
                    owed += 1
        available = sum(expires > now for expires, _, _ in free)
        return available, len(free) - available, owed


class Ledger(RuleBasedStateMachine):
    """Two members, a partner with a pack and one without, and a clock that never goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.wallets = {name: Wallet(name) for name in ("ana", "bia")}
        self.models = {name: Model() for name in self.wallets}
        self.awards: dict[tuple[str, str, str], Award] = {}
        self.expiries: dict[str, int] = {}
        self.targets: Counter[tuple[str, str, str]] = Counter()
        self.vouchers: dict[str, Voucher] = {}
        self.uses: dict[str, Use] = {}
        self.entries: list[Entry] = []
        self.balances: Counter[Account] = Counter()

    # -- the books a hub would keep
    def post(self, movement: Movement) -> None:
        name = f"movement_{len(self.entries)}"
        for account, units in movement.postings:
            self.entries.append(Entry(name, movement.kind, account, units))
            self.balances[account] += units

    def fresh(self, name: str, expires: int) -> NewLot:
        return NewLot(f"{name}_{self.now}", until(expires))

    @initialize(units=st.integers(0, 30), hours=st.sampled_from([6, 20, 60]))
    def a_pack_is_bought_and_members_have_something_to_cash_out(self, units: int, hours: int) -> None:
        self.post(buy_pack("padaria", 10_000, at(0)))
        for member in self.wallets if units else ():
            self.a_member_gets_a_gift_or_buys(member, units, hours, bought=False)

    @rule(hours=st.integers(0, 3))
    def time_passes(self, hours: int) -> None:
        self.now += hours

    @rule(units=st.integers(1, 9))
    def a_pack_is_topped_up(self, units: int) -> None:
        self.post(buy_pack("padaria", units, at(self.now)))

    @rule(
        sale=st.sampled_from(["sale_1", "sale_2", "sale_3", "sale_4"]),
        member=st.sampled_from(["ana", "bia"]),
        partner=st.sampled_from(sorted(PARTNERS)),
        units=st.integers(1, 9),
        hours=st.sampled_from([-1, 1, 2, 5, 9, FOREVER]),
        pending=st.booleans(),
    )
    def a_sale_earns(
        self, sale: str, member: str, partner: str, units: int, hours: int, *, pending: bool
    ) -> None:
        self.now += 1
        self.earn((sale, member, partner), units, hours, pending=pending)

    def earn(self, key: tuple[str, str, str], units: int, hours: int, *, pending: bool) -> Movement:
        self.post_target(key, units)
        expires = self.expiries.setdefault(f"{key}", self.now + hours)
        award = self.awards.get(key, Award(*key))
        lot = None if pending else self.fresh(f"lot_{key}", expires)
        funding = PARTNERS[key[2]]
        before = award.absorbed + award.forgiven + sum(each.taken_back for each in self.own_lots(award))
        wallet, award, movement = credit(
            self.wallets[key[1]], award, units, funding=funding, occasion=at(self.now), lot=lot
        )
        assert (movement.kind == "restoration") >= (before > 0)
        self.keep(wallet, award)
        self.post(movement)
        return movement

    @rule(data=st.data(), shortfall=st.sampled_from(["debt", "debt", "goodwill", "partner"]))
    def a_sale_is_reversed_in_part(self, data: st.DataObject, shortfall: Shortfall) -> None:
        self.now += 1
        key = pick(data, sorted(self.awards))
        if key and self.awards[key].units:
            units = data.draw(st.integers(1, self.awards[key].units))
            self.post(self.reverse(key, units, shortfall))

    def reverse(self, key: tuple[str, str, str], units: int, shortfall: Shortfall) -> Movement:
        self.post_target(key, -units)
        wallet, award, movement = debit(
            self.wallets[key[1]],
            self.awards[key],
            units,
            funding=PARTNERS[key[2]],
            occasion=at(self.now),
            shortfall=shortfall,
        )
        if shortfall != "debt":
            assert wallet.debt >= self.wallets[key[1]].debt
        self.keep(wallet, award)
        return movement

    @rule(data=st.data(), hours=st.sampled_from([1, 5, FOREVER]))
    def a_sale_changes_its_owner(self, data: st.DataObject, hours: int) -> None:
        self.now += 1
        key = pick(data, sorted(self.awards))
        if key and self.awards[key].units:
            units = self.awards[key].units
            entries = len(self.entries), self.balances.copy()
            taken = self.reverse(key, units, "debt")
            other = (key[0], "bia" if key[1] == "ana" else "ana", key[2])
            given_ = self.earn(other, units, hours, pending=False)
            del self.entries[entries[0] :]
            self.balances = entries[1]
            self.post(combine("owner_change", [taken, given_], at(self.now)))

    @rule(data=st.data(), hours=st.sampled_from([1, 5, FOREVER]))
    def a_pending_award_is_activated(self, data: st.DataObject, hours: int) -> None:
        self.now += 1
        key = pick(data, sorted(key for key, award in self.awards.items() if award.pending))
        if key:
            lot = self.fresh(f"lot_{key}", self.expiries.setdefault(f"{key}", self.now + hours))
            wallet, award, movement = activate(
                self.wallets[key[1]], self.awards[key], occasion=at(self.now), lot=lot
            )
            self.keep(wallet, award)
            self.post(movement)

    @rule(
        member=st.sampled_from(["ana", "bia"]),
        units=st.integers(1, 9),
        bought=st.booleans(),
        hours=st.integers(1, 9),
    )
    def a_member_gets_a_gift_or_buys(self, member: str, units: int, hours: int, *, bought: bool) -> None:
        self.now += 1
        give = purchase if bought else goodwill
        lot = self.fresh("gift", self.now + hours)
        self.wallets[member], movement = give(self.wallets[member], units, occasion=at(self.now), lot=lot)
        self.models[member].lots[lot.id] = [self.now, self.now + hours, units]
        self.post(movement)

    @rule(
        member=st.sampled_from(["ana", "bia"]),
        units=st.integers(1, 12),
        cents=st.integers(1, 30),
        hours=st.sampled_from([3, 9, FOREVER]),
        remainder=st.sampled_from(REMAINDERS),
        on_expiry=st.sampled_from(ON_EXPIRY),
    )
    def a_member_cashes_out(
        self, member: str, units: int, cents: int, hours: int, remainder: Remainder, on_expiry: OnExpiry
    ) -> None:
        self.now += 1
        available, _, owed = self.models[member].read(self.now)
        name = f"voucher_{self.now}"
        answer = cash_out(self.wallets[member], units, name, at(self.now))
        assert isinstance(answer, Refusal) == (available < units or owed > 0)
        if not isinstance(answer, Refusal):
            self.wallets[member], movement = answer
            self.models[member].redemptions[name] = [self.now, units]
            self.post(movement)
            self.vouchers[name] = Voucher(
                *(name, member, Value(cents, units), until(self.now + hours)),
                remainder=remainder,
                on_expiry=on_expiry,
            )

    # -- vouchers at their checkouts
    @rule(
        data=st.data(),
        member=st.sampled_from(["ana", "bia"]),
        cents=st.integers(1, 30),
        hours=st.sampled_from([3, 9, FOREVER]),
        acts=st.lists(st.sampled_from(ACTS), min_size=2, max_size=8),
    )
    def a_member_cashes_out_to_buy(
        self, data: st.DataObject, member: str, cents: int, hours: int, acts: list[str]
    ) -> None:
        available = self.models[member].read(self.now + 1)[0]
        terms = data.draw(st.tuples(st.sampled_from(REMAINDERS), st.sampled_from(ON_EXPIRY)))
        if available:
            self.a_member_cashes_out(member, data.draw(st.integers(1, available)), cents, hours, *terms)
            self.checkouts_are_busy(data, acts)

    @rule(data=st.data(), acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=8))
    def checkouts_are_busy(self, data: st.DataObject, acts: list[str]) -> None:
        self.now += 1
        for act in acts:
            getattr(self, act)(data)
            self.the_books_keep_every_invariant()

    def a_checkout_reserves(self, data: st.DataObject) -> None:
        name = pick(data, sorted(name for name, each in self.vouchers.items() if each.free.cents))
        if name:
            partner, asked = data.draw(st.sampled_from(sorted(PARTNERS))), data.draw(st.integers(1, 30))
            cents = vouchers.quote(
                self.vouchers[name], partner_id=partner, order_cents=asked, at=hour(self.now)
            )
            if not isinstance(cents, Refusal):
                use = Use(f"use_{len(self.uses)}", name, partner, None)
                self.follow(vouchers.reserve(self.vouchers[name], use, cents, at(self.now)))

    def a_checkout_lets_go(self, data: st.DataObject) -> None:
        name = pick(data, sorted(name for name, use in self.uses.items() if use.held.cents))
        if name:
            use = self.uses[name]
            cents = data.draw(st.integers(1, use.held.cents))
            verb = data.draw(st.sampled_from([vouchers.commit, vouchers.settle, vouchers.release]))
            self.follow(verb(self.vouchers[use.voucher_id], use, cents, at(self.now)))

    def a_purchase_is_undone(self, data: st.DataObject) -> None:
        name = pick(data, sorted(name for name, use in self.uses.items() if use.spent.cents))
        if name:
            use = self.uses[name]
            cents = data.draw(st.just(use.spent.cents) | st.integers(1, use.spent.cents))
            self.follow(vouchers.roll_back(self.vouchers[use.voucher_id], use, cents, at(self.now)))

    def a_voucher_is_taken_back(self, data: st.DataObject) -> None:
        name = pick(data, sorted(name for name, each in self.vouchers.items() if each.free.cents))
        if name:
            verb = data.draw(st.sampled_from([vouchers.revoke, vouchers.put_back]))
            self.follow(verb(self.vouchers[name]))

    def due_vouchers_expire(self, _data: st.DataObject) -> None:
        for voucher in list(self.vouchers.values()):
            if voucher.is_due(hour(self.now)) and voucher.free.cents:
                self.follow(vouchers.expire(voucher, at(self.now)))

    def follow(self, step: vouchers.Step) -> None:
        """Keep what a verb did; what it sends back reaches the wallet at once."""
        name, member = step.voucher.id, step.voucher.member_id
        self.vouchers[name] = step.voucher
        if step.use:
            self.uses[step.use.id] = step.use
        if step.movement:
            self.post(step.movement)
        if step.wallet_units:
            self.models[member].redemptions[name][1] -= step.wallet_units
            self.wallets[member], movement = give_back(
                self.wallets[member], step.wallet_units, name, at(self.now)
            )
            self.post(movement)

    @rule(member=st.sampled_from(["ana", "bia"]))
    def due_lots_expire(self, member: str) -> None:
        answer = expire(self.wallets[member], at(self.now))
        if answer:
            self.wallets[member], movement = answer
            self.post(movement)

    @rule(member=st.sampled_from(["ana", "bia"]))
    def a_debt_is_written_off(self, member: str) -> None:
        self.now += 1
        owed = self.models[member].read(self.now)[2]
        answer = write_off(self.wallets[member], f"writeoff_{self.now}", at(self.now))
        assert (answer is None) == (owed == 0)
        if answer:
            self.wallets[member], movement = answer
            self.models[member].lots[f"writeoff_{self.now}"] = [self.now, self.now, owed]
            self.post(movement)

    # -- bookkeeping of the model
    def post_target(self, key: tuple[str, str, str], units: int) -> None:
        self.targets[key] += units

    def own_lots(self, award: Award) -> list[Lot]:
        return [
            lot
            for lot in self.wallets[award.member_id].lots
            if (lot.sale_id, lot.partner_id) == (award.sale_id, award.partner_id)
        ]

    def keep(self, wallet: Wallet, award: Award) -> None:
        """The model learns only sizes: what each lot holds by right (checked against the award by I7)."""
        self.wallets[wallet.member_id] = wallet
        self.awards[award.sale_id, award.member_id, award.partner_id] = award
        lots = self.models[wallet.member_id].lots
        for lot in wallet.lots:
            born, expires, _ = lots.get(lot.id, [self.now, self.hours(lot.expires_at), 0])
            lots[lot.id] = [born, expires, lot.issued]

    @staticmethod
    def hours(expires_at: datetime | None) -> int:
        return FOREVER if expires_at is None else round((expires_at - hour(0)) / timedelta(hours=1))

    # -- what must hold after every step
    @invariant()
    def the_books_keep_every_invariant(self) -> None:
        held = [Held(name, lot) for name, wallet in self.wallets.items() for lot in wallet.lots]
        issued = [
            Issued(each.voucher_id, each.units, *(value.units for value in self.values(each.voucher_id)))
            for wallet in self.wallets.values()
            for each in wallet.redemptions
        ]
        assert check(Books(self.entries, self.balances, held, self.awards.values(), issued)) == []

    def values(self, voucher_id: str) -> tuple[Value, ...]:
        voucher = self.vouchers[voucher_id]
        return voucher.free, voucher.held, voucher.spent, voucher.lapsed

    @invariant()
    def what_uses_claim_is_what_vouchers_promise(self) -> None:
        for name in ("held", "spent"):
            claimed: dict[str, Value] = {}
            for use in self.uses.values():
                so_far = claimed.get(use.voucher_id, Value())
                claimed[use.voucher_id] = so_far.plus(getattr(use, name))
            for voucher in self.vouchers.values():
                assert getattr(voucher, name) == claimed.get(voucher.id, Value())

    @invariant()
    def no_unit_outlives_its_centavos(self) -> None:
        for voucher in self.vouchers.values():
            for value in (*self.values(voucher.id), voucher.returned):
                assert min(value) >= 0
                assert value.cents or not value.units

    @invariant()
    def posted_equals_target(self) -> None:
        assert {key: award.units for key, award in self.awards.items()} == dict(self.targets)

    @invariant()
    def wallets_agree_with_the_ledger_and_with_the_model(self) -> None:
        for name, wallet in self.wallets.items():
            for kind in ("pending", "available", "debt"):
                assert getattr(wallet, kind) == self.balances[Account(kind, name)]
            answer = expire(wallet, at(self.now))
            on_time = answer[0] if answer else wallet
            expired = sum(lot.expired for lot in on_time.lots)
            assert (on_time.available, expired, -on_time.debt) == self.models[name].read(self.now)
            unused, owed = settle(wallet.lots, wallet.redemptions)
            assert owed == -wallet.debt
            assert unused == {lot.id: lot.remaining + lot.expired for lot in wallet.lots}

    def teardown(self) -> None:
        """Whatever happened, reversing everything telescopes to zero and makes the pack whole."""
        self.now += 1
        for key, award in list(self.awards.items()):
            if award.units:
                self.post(self.reverse(key, award.units, "debt"))
            assert self.awards[key].units == 0
        pack, bought = self.balances[Account("prepaid", "padaria")], 0
        for _, kind, account, units in self.entries:
            bought += units if kind == "pack" and account.kind == "prepaid" else 0
        assert bought - pack == sum(
            award.forgiven for award in self.awards.values() if award.partner_id == "padaria"
        )
        self.the_books_keep_every_invariant()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=100, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
