"""Every reading of the evidence that was seen to fail, in its smallest form; 7 points per R$ 1.

The readings about lots, expiry and un-posting belong to the ledger and are tested there.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

from contracts.facts import DocumentEvidence, Key, Method, Operation, PaymentEvidence, Tender, Trust
from loyalty.evidence import NOTHING_COVERED, Claim, CoveredDays, Statement, is_future
from loyalty.programme import Campaign, campaign_in_force
from loyalty.sales import Sale, converge
from tests.loyalty.desk import Desk, stamp
from tests.loyalty.history import ZONE, Delivery

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)
SHOP = "loja-1"
CARD: Method = "credit"
ATK, CHARGE, ORDER = Key("stone:atk", "1"), Key("pagarme:charge", "ch1"), Key("order:loja", "77")
RECEIPT = Key("nfe:chave", "35260312345678000195650010000000011000000010")


def later(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def paid(trust: Trust, *keys: Key, captured: int | None = 1000, **more: object) -> Statement:
    said = {"keys": keys or (ATK,), "method": CARD, "captured_cents": captured, "merchant_ref": SHOP}
    return stamp(
        PaymentEvidence.model_validate({**said, "sold_at": NOON, "as_of": NOON, **more}), trust, NOON
    )


def bought(
    trust: Trust,
    key: Key,
    gross: int = 1000,
    *,
    by: Iterable[Key] = (),
    owner: str | None = None,
    **more: object,
) -> Statement:
    tenders = tuple(Tender(keys=(k,), amount_cents=gross) for k in by)
    said = {"keys": (key,), "gross_cents": gross, "tenders": tenders, "sold_at": NOON, "as_of": NOON}
    said["kind"] = "order" if key.kind.startswith("order") else "fiscal"
    if owner:
        said["customer"] = {"document": owner}
    return stamp(DocumentEvidence.model_validate({**said, **more}), trust, NOON)


def given(
    kind: str, cents: int | None, at: datetime, *, key: str, instalment: int | None = None, space: str = "2.4"
) -> Operation:
    said = {"space": space, "key": key, "kind": kind, "amount_cents": cents, "instalment": instalment}
    return Operation.model_validate({**said, "happened_at": at})


def covered(*offsets: int, method: Method = CARD) -> CoveredDays:
    """Return the days counted from that of the sale."""
    return CoveredDays.of((SHOP, method, date(2026, 3, 2) + timedelta(days=n)) for n in offsets)


def sales(statements: Sequence[Statement], days: CoveredDays = NOTHING_COVERED) -> tuple[Sale, ...]:
    """Return the sales of `statements`, the same in every order."""
    first = converge(statements, (), days, ZONE)
    for order in permutations(statements):
        assert converge(order, (), days, ZONE) == first
    return first


def seven(statements: Sequence[Statement], days: CoveredDays = NOTHING_COVERED) -> list[int]:
    """Return the points of each sale that is worth any."""
    worth = [int(sale.kept * 7 / 100) for sale in sales(statements, days)]
    return [units for units in worth if units]


def test_the_order_names_the_owner_whatever_arrives_first() -> None:
    terminal = paid("device", customer={"document": "ana"})
    order = bought("signed", ORDER, by=[ATK], owner="bia")

    (sale,) = sales([terminal, order])

    assert sale.owner == "bia"
    assert sale.flags == ("owner_conflict",)


def test_a_terminal_past_midnight_does_not_earn_the_campaign_that_the_file_denies() -> None:
    midnight = datetime(2026, 3, 3, 3, tzinfo=UTC)
    campaign = Campaign("x", "Dobro", 2000, midnight, midnight + timedelta(days=1), recorded_at=NOON)
    terminal = paid("device", sold_at=midnight)
    file = paid("file", sold_at=midnight - timedelta(minutes=1))

    (alone,), (sale,) = sales([terminal]), sales([terminal, file])

    assert campaign_in_force([campaign], "p", alone.sold_at, 1000) == campaign
    assert campaign_in_force([campaign], "p", sale.sold_at, 1000) is None
    assert seven([terminal, file]) == [70]


def test_an_order_edited_down_counts_its_latest_amount() -> None:
    assert seven([bought("signed", ORDER), bought("signed", ORDER, 700, as_of=later(1))]) == [49]


def test_an_order_cancelled_and_reopened_counts() -> None:
    opened, again = bought("signed", ORDER), bought("signed", ORDER, as_of=later(2))
    cancelled = bought("signed", ORDER, as_of=later(1), state="void")

    assert seven([opened, cancelled]) == []
    assert seven([opened, cancelled, again]) == [70]


def test_a_webhook_that_charges_back_the_whole_yields_to_the_file_that_knows_the_instalment() -> None:
    webhook = paid("signed", captured=900, charged_back_cents=900, as_of=later(2))
    thirds = (300, 300, 300)
    disputed = given("chargeback", 300, later(2), key="d", instalment=1)
    won = given("reinstatement", 300, later(26), key="d", instalment=1)
    file = paid("file", captured=900, instalment_cents=thirds, operations=(disputed,), as_of=later(20))
    second = paid("file", captured=None, operations=(won,), as_of=later(44))

    assert seven([webhook, file], covered(0)) == [42]
    assert seven([webhook, file, second], covered(0, 1)) == [63]


def test_the_same_poll_repeated_after_the_last_file_writes_no_movement() -> None:
    def poll(hours: int) -> Delivery:
        said = paid("confirmed", charged_back_cents=1000, as_of=later(hours)).evidence
        return Delivery("poll", "confirmed", (said.model_copy(update={"customer": customer}),), later(hours))

    customer = bought("signed", ORDER, owner="ana").evidence.customer
    rows = tuple(paid("file", as_of=later(20)).evidence for _ in range(1))
    desk = Desk()
    desk.receive([poll(2), Delivery("file", "file", rows, later(20))])
    desk.rows |= {(SHOP, CARD, date(2026, 3, 2) + timedelta(days=n)) for n in range(3)}
    desk.receive([poll(3)])
    movements = desk.movements

    for night in range(5):
        desk.receive([poll(24 * (night + 4))])

    assert seven(
        [paid("file"), paid("confirmed", charged_back_cents=1000, as_of=later(2))], covered(0, 1)
    ) == [70]
    assert desk.movements == movements


def test_a_card_file_says_nothing_of_a_pix() -> None:
    pix = paid("device", Key("pix:e2e", "E1"), method="pix")

    assert seven([pix], covered(0, 1, 2)) == [70]
    assert seven([pix], covered(0, 1, method="pix")) == []


def test_a_terminal_that_knows_both_keys_makes_webhook_and_file_one_sale() -> None:
    webhook, file, terminal = paid("signed", CHARGE), paid("file", ATK), paid("device", ATK, CHARGE)

    assert seven([webhook, file]) == [70, 70]
    assert seven([webhook, file, terminal]) == [70]


def test_a_charge_by_mistake_and_its_cancel_leave_the_purchase_alone() -> None:
    mistake = paid("signed", Key("stone:atk", "2"), captured=9000, returned_cents=9000, links=(ORDER,))

    (sale,) = sales([bought("signed", ORDER), mistake, paid("signed", links=(ORDER,))])

    assert int(sale.kept * 7 / 100) == 70
    assert "payments_exceed_document" in sale.flags


def test_a_refund_takes_goods_and_shipping_in_proportion() -> None:
    assert seven([bought("signed", ORDER, 800, shipping_cents=200, returned_cents=500)]) == [28]


def test_a_refund_that_names_its_goods_takes_them_exactly() -> None:
    split = bought("signed", ORDER, 800, shipping_cents=200, returned_cents=500, returned_items_cents=400)

    assert seven([split]) == [28]
    assert seven(
        [bought("signed", ORDER, 800, shipping_cents=200, returned_cents=500, returned_items_cents=500)]
    ) == [21]


def test_one_refund_in_two_layouts_is_one_refund() -> None:
    new = given("return", 300, later(1), key="op-1")
    old = given("return", 300, later(1), key="nsu-9", space="2")

    assert seven([paid("file", operations=(new,)), paid("file", operations=(old,), as_of=later(24))]) == [49]


def test_refund_and_chargeback_on_one_instalment_overlap() -> None:
    refund = given("return", 200, later(1), key="r", instalment=2)
    disputed = given("chargeback", None, later(2), key="d", instalment=2)

    assert seven(
        [paid("file", captured=900, instalment_cents=(300, 300, 300), operations=(refund, disputed))]
    ) == [42]


def test_a_receipt_cancelled_and_issued_again_under_one_payment_counts_once() -> None:
    again = Key("nfe:chave", RECEIPT.value[:-1] + "9")
    first = bought("fiscal", RECEIPT, by=[ATK], state="void", as_of=later(1))

    assert seven([first, paid("device")]) == []
    assert seven([first, paid("device"), bought("fiscal", again, by=[ATK], as_of=later(1))]) == [70]


def test_a_fiscal_cancellation_is_final() -> None:
    void, live = bought("fiscal", RECEIPT, state="void"), bought("fiscal", RECEIPT, as_of=later(1))

    assert seven([void, live]) == []


def test_order_and_receipt_of_one_purchase_are_not_summed() -> None:
    assert seven([bought("signed", ORDER, by=[ATK]), bought("fiscal", RECEIPT, by=[ATK])]) == [70]


def test_a_receipt_already_net_of_a_return_does_not_take_it_twice() -> None:
    order = bought("signed", ORDER, by=[ATK], returned_cents=300)

    assert seven([order, bought("fiscal", RECEIPT, 700, by=[ATK])]) == [49]


def test_a_forged_report_does_not_sell_a_paper_receipt_to_a_stranger() -> None:
    forged = paid("device", links=(RECEIPT,), customer={"document": "eve"})
    receipt = bought("fiscal", RECEIPT)

    assert [s.owner for s in sales([forged, receipt])] == ["eve"]
    (honest,) = (s for s in sales([forged, receipt], covered(0, 1)) if s.kept)
    assert (honest.owner, honest.flags) == (None, ())


def test_a_refuted_report_names_no_owner_even_where_the_receipt_names_its_key() -> None:
    forged = paid("device", customer={"document": "eve"})

    (sale,) = sales([forged, bought("fiscal", RECEIPT, by=[ATK])], covered(0, 1))

    assert (sale.owner, sale.flags, sale.confirmed) == (None, ("not_in_file",), True)


def test_a_report_from_the_future_is_refused() -> None:
    assert is_future(paid("device", sold_at=datetime(2099, 1, 1, tzinfo=UTC)).evidence, NOON)
    assert is_future(paid("device", as_of=NOON + timedelta(minutes=11)).evidence, NOON)
    assert not is_future(paid("device", as_of=NOON + timedelta(minutes=10)).evidence, NOON)


def test_a_device_cannot_join_two_honest_sales() -> None:
    other = paid("signed", Key("stone:atk", "2"), links=(ORDER,))
    hostile = paid("device", links=(ORDER,))
    honest = [paid("signed"), other, bought("signed", ORDER)]

    assert seven(honest) == [70, 70]
    assert seven([*honest, hostile]) == [70, 70]
    assert [s.flags for s in sales([*honest, hostile])] == [("link_refused",), ()]


# --------------------------------------------------------------------------------- smaller print of the same rules
def test_two_cards_of_one_order_are_one_sale_with_one_floor() -> None:
    halves = [paid("signed", Key("stone:atk", n), captured=507, links=(ORDER,)) for n in "12"]

    assert seven([*halves, bought("signed", ORDER, 1014)]) == [70]


def test_reports_without_an_acquirers_key_equal_named_payments_one_to_one() -> None:
    named = paid("signed", links=(ORDER,), captured=500)
    reports = [paid("device", Key("reservation", n), links=(ORDER,), captured=500) for n in "12"]
    order = bought("signed", ORDER)

    assert [s.captured_cents for s in sales([named, reports[0], order])] == [500]
    assert [s.captured_cents for s in sales([named, *reports, order])] == [1000]


def test_a_reservation_that_would_join_two_payments_is_ignored_and_flagged() -> None:
    reservation = Key("reservation", "9")
    one, two = paid("signed", ATK, reservation), paid("signed", Key("stone:atk", "2"), reservation)

    assert seven([one, two]) == [70, 70]
    assert [s.flags for s in sales([one, two])] == [("weak_key_ignored",), ("weak_key_ignored",)]


def test_a_report_cannot_give_one_payment_two_transaction_keys() -> None:
    hostile = paid("device", ATK, Key("stone:atk", "2"))

    assert seven([paid("file", ATK), paid("file", Key("stone:atk", "2")), hostile]) == [70, 70]
    assert [s.flags for s in sales([hostile])] == [("key_conflict",)]


def test_a_claim_cannot_make_two_believed_orders_one() -> None:
    other = Key("order:loja", "78")
    both = stamp(
        bought("declared", ORDER).evidence.model_copy(update={"keys": (ORDER, other)}), "declared", NOON
    )

    assert seven([bought("signed", ORDER), bought("signed", other), both]) == [70, 70]


def test_a_sale_near_midnight_waits_for_the_file_of_the_next_day() -> None:
    terminal = paid("device")

    assert seven([terminal], covered(0)) == [70]
    assert seven([terminal], covered(0, 1)) == []
    assert [s.reason for s in sales([terminal], covered(0, 1))] == ["not_in_file"]
    assert seven([terminal, paid("file", as_of=later(60))], covered(0, 1)) == [70]


def test_a_report_without_a_date_of_sale_is_judged_by_the_day_it_was_made() -> None:
    assert seven([paid("device", sold_at=None)], covered(0, 1)) == []


def test_a_signed_sale_missing_in_the_file_is_flagged_and_its_refunds_still_count() -> None:
    (sale,) = sales([paid("signed", returned_cents=300, as_of=later(1))], covered(0, 1))

    assert int(sale.kept * 7 / 100) == 49
    assert sale.flags == ("missing_in_file",)


def test_a_return_without_its_sale_is_kept_and_flagged_after_coverage() -> None:
    cancel = paid("file", captured=None, operations=(given("return", 300, later(1), key="r"),))

    assert seven([cancel]) == []
    assert sales([cancel], covered(0, 1))[0].flags == ("return_without_sale",)
    assert seven([cancel, paid("signed")], covered(0, 1)) == [49]


def test_a_cancelled_document_whose_payment_is_kept_earns_nothing_and_is_flagged() -> None:
    (sale,) = sales([bought("signed", ORDER, by=[ATK], state="void"), paid("file")], covered(0, 1))

    assert sale.kept == 0
    assert sale.flags == ("paid_but_cancelled", "returns_disagree")
    assert sale.views == (("order", 1000), ("payments", 0))


def test_an_open_order_counts_as_far_as_its_payments_prove_it() -> None:
    order = bought("signed", ORDER, state="authorised")

    assert [s.reason for s in sales([order])] == ["nothing_captured"]
    assert seven([order, paid("signed", captured=400, links=(ORDER,))]) == [28]
    assert seven([order, paid("signed", links=(ORDER,))]) == [70]


def test_what_an_open_order_gave_back_is_given_back() -> None:
    """An order that is open again keeps its returns: to forget them would let the split return grow the sale."""
    money = paid("signed", links=(ORDER,))
    plain = bought("signed", ORDER, state="authorised", returned_cents=500)
    split = bought("signed", ORDER, state="authorised", returned_cents=500, returned_items_cents=500)
    shipped = bought(
        "signed",
        ORDER,
        800,
        state="authorised",
        shipping_cents=200,
        returned_cents=999,
        returned_items_cents=800,
    )
    for kind in ("order", "fiscal"):
        for order in (plain, split):
            told = order.evidence.model_copy(update={"kind": kind})
            assert seven([stamp(told, "signed", NOON), money]) == [35]
    assert sales([shipped, money])[0].kept == 0


def test_a_test_sale_never_earns() -> None:
    (sale,) = sales([paid("signed", test=True)])

    assert sale.kept == 0
    assert (sale.reason, sale.owner) == ("test", None)


def test_the_same_transaction_under_another_merchant_is_not_heard() -> None:
    (sale,) = sales([paid("file"), paid("signed", captured=900, returned_cents=900, merchant_ref="loja-2")])

    assert int(sale.kept * 7 / 100) == 70
    assert sale.flags == ("merchant_conflict",)


def test_a_transaction_that_another_partner_states_as_well_is_quarantined() -> None:
    said = [paid("signed")]

    assert [s.reason for s in converge(said, (), NOTHING_COVERED, ZONE, {ATK: said[0].rank})] == [
        "quarantined"
    ]
    assert [s.reason for s in converge(said, (), NOTHING_COVERED, ZONE, {ATK: said[0].rank + 1})] == [None]


def test_a_chargeback_won_back_on_another_day_is_won_back() -> None:
    lost, won = given("chargeback", 1000, later(2), key="d"), given("reinstatement", 1000, later(30), key="d")
    assert seven([paid("signed", operations=(lost, won), as_of=later(31))]) == [70]


def test_what_is_won_back_on_a_day_hides_nothing_else_of_that_day() -> None:
    told = (
        given("return", 500, later(2), key="r", instalment=1),
        given("chargeback", 500, later(2), key="c", instalment=1),
        given("reinstatement", 500, later(30), key="c", instalment=1),
        given("chargeback", 500, later(31), key="d", instalment=2),
    )
    assert seven([paid("signed", instalment_cents=(500, 500), operations=told, as_of=later(40))]) == []


def test_a_reinstatement_by_instalment_undoes_a_chargeback_of_the_whole() -> None:
    whole = (
        given("chargeback", 1000, later(2), key="d"),
        given("reinstatement", 1000, later(3), key="d", instalment=1),
    )
    assert seven([paid("file", operations=whole)]) == [70]
    part = (
        given("chargeback", 900, later(2), key="d"),
        given("reinstatement", 300, later(3), key="d", instalment=1),
    )
    assert seven([paid("file", captured=900, instalment_cents=(300, 300, 300), operations=part)]) == [21]


def test_a_return_told_first_as_a_whole_and_then_by_instalment_is_one() -> None:
    whole = paid("file", operations=(given("return", 300, later(2), key="r"),))
    named = paid("file", operations=(given("return", 300, later(2), key="r", instalment=1),), as_of=later(5))
    assert seven([whole, named]) == [49]


def test_winning_a_part_back_never_costs_more() -> None:
    early = paid("signed", charged_back_cents=500, as_of=later(2))
    late = paid("signed", charged_back_cents=500, reinstated_cents=100, as_of=later(100))
    assert seven([paid("file"), early], covered(0, 1)) == [70]
    assert seven([paid("file"), early, late], covered(0, 1)) == [70]


def test_an_order_is_sold_when_it_is_paid_and_not_when_it_is_made() -> None:
    made = bought("signed", ORDER, state="authorised", sold_at=NOON - timedelta(days=3))
    (sale,) = sales([made, bought("signed", ORDER, as_of=later(1))])
    assert sale.sold_at == NOON


def test_a_report_whose_keys_are_those_of_two_honest_sales_joins_neither() -> None:
    """As the row of the table has it: the order's number stands among the keys."""
    other = paid("signed", Key("stone:atk", "2"), links=(ORDER,))
    honest = [paid("signed"), other, bought("signed", ORDER, owner="bia")]
    hostile = paid("device", ATK, ORDER, as_of=later(1))

    assert [s.owner for s in sales(honest)] == [None, "bia"]
    assert [(s.owner, s.flags) for s in sales([*honest, hostile])] == [(None, ("link_refused",)), ("bia", ())]
    assert seven([*honest, hostile]) == [70, 70]


def test_a_claimed_document_cannot_join_an_order_with_an_acquirers_order() -> None:
    group, second = Key("pagarme:order", "or-5"), Key("stone:atk", "2")
    honest = [paid("file", links=(ORDER,)), bought("signed", ORDER), paid("file", second, links=(group,))]
    said = bought("device", ORDER).evidence.model_copy(update={"keys": (ORDER, group)})

    assert seven([*honest, stamp(said, "device", NOON)], covered(0, 1)) == [70, 70]


def test_a_forged_card_sale_of_a_method_that_nobody_can_read_is_refuted_by_the_file() -> None:
    days = CoveredDays.of(
        (SHOP, how, date(2026, 3, 2) + timedelta(days=n)) for how in ("credit", "debit") for n in (0, 1)
    )
    forged = paid("device", method="unknown", customer={"document": "eve"})
    receipt = bought("fiscal", RECEIPT)

    assert [s.reason for s in sales([forged], days)] == ["not_in_file"]
    linked = paid("device", method="unknown", links=(RECEIPT,), customer={"document": "eve"})
    assert {s.owner for s in sales([receipt, linked], days)} == {None}
    assert seven([paid("device", method="unknown")]) == [70]


def test_a_forged_payment_cannot_take_a_reservation_from_an_honest_one() -> None:
    reserved = Key("reservation", "r")
    typed = paid(
        "device", reserved, captured=None, state="authorised", method="unknown", customer={"document": "ana"}
    )
    honest = [typed, paid("file"), paid("signed", ATK, CHARGE, reserved)]
    forged = paid("device", Key("stone:atk", "9"), reserved)

    assert [s.owner for s in sales(honest, covered(0, 1))] == ["ana"]
    assert [s.owner for s in sales([*honest, forged], covered(0, 1)) if s.kept] == ["ana"]


def test_a_device_takes_nothing_from_a_signed_sale_that_the_file_lacks() -> None:
    cancel = paid(
        "device", captured=None, operations=(given("return", 1000, later(1), key="x"),), as_of=later(1)
    )
    assert seven([paid("signed"), cancel]) == []
    (sale,) = sales([paid("signed"), cancel], covered(0, 1))
    assert (int(sale.kept), sale.flags) == (1000, ("missing_in_file",))


def test_a_report_answers_to_no_key_that_it_was_refused() -> None:
    other = Key("stone:atk", "2")
    honest = [paid("file", customer={"document": "ana"}), paid("file", other)]
    decided = [Claim("c", other, "eve", NOON, decided=True)]

    (mine, theirs) = converge([*honest, paid("device", ATK, other)], decided, covered(0, 1), ZONE)
    assert (mine.owner, theirs.owner) == ("ana", "eve")


def test_a_device_cannot_quarantine_a_sale_by_a_strangers_key() -> None:
    strange = Key("stone:atk", "2")
    (sale,) = converge([paid("file"), paid("device", ATK, strange)], (), covered(0, 1), ZONE, {strange: 0})
    assert int(sale.kept) == 1000
    (contested,) = converge([paid("file")], (), covered(0, 1), ZONE, {ATK: 0})
    assert contested.kept == 0
    assert contested.reason == "quarantined"


def test_a_device_makes_one_payment_neither_two_nor_two_payments_one() -> None:
    key, other = Key("stone:itk", "i"), Key("pagarme:charge", "ch2")
    honest = [paid("file"), paid("signed", CHARGE, key), paid("device", ATK, key, as_of=later(1))]
    stolen = paid("device", Key("stone:atk", "9"), key)
    assert seven(honest, covered(0, 1)) == [70]
    assert seven([*honest, stolen], covered(0, 1)) == [70]
    assert seven([paid("signed", CHARGE), paid("signed", other), paid("device", CHARGE, other)]) == [70, 70]


def test_a_device_moves_no_payment_to_another_buyer_by_a_link() -> None:
    second = Key("stone:atk", "2")
    ana = [paid("file"), paid("device", customer={"document": "ana"}, as_of=later(2))]
    eve = paid("device", second, captured=100, customer={"document": "eve"}, as_of=later(1))
    link = paid("device", second, captured=100, links=(ATK,), as_of=later(3))
    said = [*ana, paid("file", second, captured=100), eve, link]
    assert [(s.owner, int(s.kept)) for s in sales(said, covered(0, 1))] == [("ana", 1000), ("eve", 100)]
