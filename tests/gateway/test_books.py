"""Whatever a programme lives through, in any order: the books hold after every step, and posted is what is due.

The model knows what happened to each sale and nothing of how the hub concludes it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.facts import Coverage, Customer, Key, PaymentEvidence, Trust
from gateway import enrolment, worker
from gateway.enrolment import PackBought
from gateway.members import actions as members
from gateway.members.actions import GoodwillGiven
from gateway.sales import actions as sales
from gateway.sales.dossiers import ClaimMade
from gateway.store import tables as t
from gateway.vouchers.issuing import Issued, MemberWish, issue_for
from loyalty.refusals import Refusal
from tests.gateway.world import MERCHANT, NOW, Club, World, open_world
from tests.loyalty.history import CPFS, ZONE

ANA, BIA, CAIO = CPFS
CENTS = st.sampled_from([99, 1000, 1999, 5000, 1])
BUYER = st.sampled_from([ANA, BIA, ANA, CAIO, BIA, None])
WHICH = st.integers(0, 5)
"""Which of the sales so far: the number counts round."""

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass
class Bought:
    """One sale as it truly is; `seen` says whether somebody better than a device knows it."""

    club: Club
    said: PaymentEvidence
    owner: str | None
    seen: bool
    decided: str | None = None

    @property
    def key(self) -> Key:
        return self.said.keys[0]

    @property
    def sold_on(self) -> date:
        assert self.said.sold_at is not None
        return self.said.sold_at.astimezone(ZONE).date()

    @property
    def kept_cents(self) -> int:
        said = self.said
        lost = (said.charged_back_cents or 0) - (said.reinstated_cents or 0)
        return max(0, (said.captured_cents or 0) - (said.returned_cents or 0) - lost)


def sold_something(machine: Any) -> bool:
    return bool(getattr(machine, "sold", ()))


class Programme(RuleBasedStateMachine):
    """Two partners, one of them prepaid; two members and a stranger; a clock that never goes back."""

    world: World
    run: Run

    @initialize(
        activation=st.sampled_from([{}, {"activation": "after_days", "activation_days": 1}]),
        shortfall=st.sampled_from(["debt", "goodwill", "partner"]),
        first=st.lists(st.tuples(CENTS, BUYER, st.booleans(), st.booleans()), min_size=2, max_size=3),
    )
    def found(
        self, activation: dict[str, Any], shortfall: str, first: list[tuple[int, str | None, bool, bool]]
    ) -> None:
        self.world.clock.set(NOW)
        self.club: Club = self.run(self.world.club(valid_days=2, shortfall=shortfall, **activation))
        self.partners = (self.club, self.run(self.club.partner(funding="prepaid")))
        self.sold: list[Bought] = []
        self.covered: set[date] = set()
        for cpf in (ANA, BIA):
            self.run(self.club.enrol(cpf))
        self.buy_pack(300)
        for cents, buyer, prepaid, device in first:
            self.sell(cents, buyer, prepaid=prepaid, device=device)

    @rule(cents=CENTS, cpf=BUYER, prepaid=st.booleans(), device=st.booleans())
    def sell(self, cents: int, cpf: str | None, *, prepaid: bool, device: bool) -> None:
        now = self.world.clock()
        said = PaymentEvidence(
            keys=(Key("stone:atk", f"atk-{len(self.sold)}"),), merchant_ref=MERCHANT, method="credit", captured_cents=cents,
            sold_at=now, as_of=now, customer=Customer(document=cpf) if cpf else None,
        )  # fmt: skip
        self.sold.append(Bought(self.partners[prepaid], said, cpf, seen=not device))
        self.tell(self.sold[-1])

    def tell(self, bought: Bought) -> None:
        trust: Trust = "signed" if bought.seen else "device"
        self.run(bought.club.tell(bought.said, trust=trust, source=f"ins_{trust}"))

    @precondition(sold_something)
    @rule(which=WHICH, of=st.sampled_from([1, 2, 3]), kind=st.sampled_from(["returned", "charged_back"]))
    def take_back(self, which: int, of: int, kind: str) -> None:
        bought = self.sold[which % len(self.sold)]
        if not bought.seen:
            return
        field = f"{kind}_cents"
        so_far = getattr(bought.said, field) or 0
        cents = min(bought.said.captured_cents or 0, so_far + bought.kept_cents // of)
        self.restate(bought, **{field: cents})

    @precondition(sold_something)
    @rule(which=WHICH)
    def reinstate(self, which: int) -> None:
        bought = self.sold[which % len(self.sold)]
        if bought.said.charged_back_cents:
            self.restate(bought, reinstated_cents=bought.said.charged_back_cents)

    @precondition(sold_something)
    @rule(which=WHICH)
    def confirm(self, which: int) -> None:
        bought = self.sold[which % len(self.sold)]
        bought.seen = True
        self.restate(bought)

    def restate(self, bought: Bought, **changes: int) -> None:
        bought.said = bought.said.model_copy(update={"as_of": self.world.clock(), **changes})
        self.tell(bought)

    @precondition(sold_something)
    @rule(which=WHICH)
    def repeat(self, which: int) -> None:
        before = self.movements()
        self.tell(self.sold[which % len(self.sold)])
        assert self.movements() == before

    @precondition(sold_something)
    @rule(which=WHICH, cpf=st.sampled_from([ANA, BIA, CAIO]))
    def decide_owner(self, which: int, cpf: str) -> None:
        bought = self.sold[which % len(self.sold)]
        bought.decided = cpf
        index = self.club.keys.blind_index(cpf)
        made = ClaimMade(
            self.club.programme_id, bought.club.partner_id, bought.key, index, decided=True,
            made_at=self.world.clock(),
        )  # fmt: skip
        self.run(self.world.hub.submit(sales.claim, made))

    @rule(cpf=st.sampled_from([ANA, BIA]), units=st.sampled_from([1, 7, 60, 10**6]))
    def cash_out(self, cpf: str, units: int) -> None:
        before = self.run(self.club.units()).get(cpf, 0)
        asked = MemberWish(self.club.admin, self.club.member_of[cpf], None, units)
        answer = self.run(self.world.hub.submit(issue_for, asked))
        taken = before - self.run(self.club.units()).get(cpf, 0)
        assert taken == (units if isinstance(answer, Issued) else 0)
        assert isinstance(answer, Issued | Refusal)

    @rule(cpf=st.sampled_from([ANA, BIA]), units=st.integers(1, 9))
    def give(self, cpf: str, units: int) -> None:
        gift = GoodwillGiven(self.club.admin, self.club.member_of[cpf], units, 1, "sorry")
        self.run(self.world.hub.submit(members.give, gift))

    @rule()
    def enrol_the_stranger(self) -> None:
        if CAIO not in self.club.member_of:
            self.run(self.club.enrol(CAIO))

    @rule(units=st.sampled_from([1, 50, 500]))
    def buy_pack(self, units: int) -> None:
        bought = PackBought(self.club.admin, self.partners[1].partner_id, units)
        self.run(self.world.hub.submit(enrolment.buy_pack, bought))

    @rule(hours=st.sampled_from([1, 13, 30]), works=st.booleans())
    def pass_time(self, hours: int, *, works: bool) -> None:
        self.world.clock.advance(timedelta(hours=hours))
        if works:
            self.run(worker.run_due(self.world.hub))

    @rule()
    def cover_yesterday(self) -> None:
        day = self.world.clock().astimezone(ZONE).date() - timedelta(days=1)
        self.covered.add(day)
        whole = Coverage(merchant_ref=MERCHANT, day_on=day, methods=("credit",))
        for club in self.partners:
            self.run(club.tell(whole, trust="file", source="ins_file", covers=True))

    @invariant()
    def the_books_hold(self) -> None:
        if hasattr(self, "club"):
            assert self.run(self.club.breaches()) == []
            self.world.clock.advance(timedelta(seconds=1))

    @invariant()
    def posted_is_due(self) -> None:
        for number, bought in enumerate(getattr(self, "sold", ())):
            keyed = {"first_value": bought.key.value, "partner_id": bought.club.partner_id}
            (row,) = self.run(self.club.rows(t.sale, **keyed))
            posted = {
                award["member_id"]: award["units"]
                for award in self.run(self.club.rows(t.award, sale_id=row["sale_id"]))
                if award["units"]
            }
            due = self.due(bought)
            if row["state"] == "held":
                assert set(posted) <= set(due), f"sale {number}"
            else:
                assert posted == due, f"sale {number}"

    def due(self, bought: Bought) -> dict[str, int]:
        """Return by member what the sale should have posted."""
        denied = not bought.seen and {bought.sold_on, bought.sold_on + timedelta(days=1)} <= self.covered
        owner = bought.decided or (None if denied else bought.owner)
        member = self.club.member_of.get(owner or "")
        units = 0 if denied else bought.kept_cents * 7 // 100
        return {member: units} if member and units else {}

    def movements(self) -> int:
        return len(self.run(self.club.rows(t.movement)))


def test_after_every_step_of_a_programme_the_books_hold_and_posted_is_what_is_due(migrated_url: str) -> None:
    examples = 40 if migrated_url.startswith("sqlite") else 10
    with asyncio.Runner() as runner:
        opening = open_world(migrated_url)
        lived = type(
            "Lived",
            (Programme,),
            {"world": runner.run(opening.__aenter__()), "run": staticmethod(runner.run)},
        )
        try:
            run_state_machine_as_test(
                lived,
                settings=settings(
                    max_examples=examples, stateful_step_count=30, deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
        finally:
            runner.run(opening.__aexit__(None, None, None))
