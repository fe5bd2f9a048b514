import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from contracts.checkout import (
    Answer,
    Cancel,
    Card,
    Cards,
    Checkout,
    Credit,
    Debit,
    Debited,
    Debits,
    Declined,
    Entry,
    Failed,
    FindCards,
    ListDebits,
    Misread,
    NoSuch,
    OpenCard,
    Question,
    ReadCard,
    ReadDebit,
    Settle,
    Stranger,
)
from contracts.errors import Forged, Malformed
from contracts.giftcards import provider
from contracts.http import Delivery, Reply
from contracts.money import CENTS_MAX

NOW = datetime(2031, 1, 9, 15, 0, tzinfo=UTC)
BASE = "/checkout/ins_1"
CODE = "ABCD-EFGH-JKMN-PQR7"


class Keys(BaseModel):
    app_key: str = "provider-key"
    app_token: str = "provider-token-of-the-store"


CONFIG = Keys()
CHECKOUT: Checkout[Keys] = provider(lambda config: (config.app_key, config.app_token), name="ponte")
CREDENTIALS = {
    "x-provider-api-appkey": "provider-key",
    "x-provider-api-apptoken": "provider-token-of-the-store",
}

VOUCHER = Card("vou_24", 590, NOW, NOW + timedelta(days=90), None, CODE)
BALANCE = Card("mem_7", 10000, NOW, None, "Saldo do programa")
SETTLED = Entry("settlements/r-2", 180, NOW + timedelta(hours=1))
CANCELLED = Entry("cancellations/r-3", 410, NOW + timedelta(hours=2))
DEBITED = Debited("vou_24", "use_9", 592, NOW, "vou_24/r-1", (SETTLED,), (CANCELLED,))


def asked(method: str, path: str, body: object = None, **headers: str) -> Question:
    sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return CHECKOUT.ask(Delivery(sent, headers, method=method, path=path), CONFIG)


def told(question: Question | None, answer: Answer) -> Reply:
    return CHECKOUT.tell(question, answer, BASE)


def said(question: Question | None, answer: Answer) -> object:
    """Return what the store reads, numbers as they are written."""
    return json.loads(told(question, answer).body, parse_float=str)


def search(code: object = None, client: object = None, **headers: str) -> Question:
    cart = {"grandTotal": 182.5, "relationName": None, "redemptionCode": code, "items": [], "taxes": 0}
    return asked("POST", "/giftcards/_search", {"client": client, "cart": cart}, **headers)


def transaction(**changed: object) -> Question:
    order = {
        "orderId": "v500-01",
        "sequence": 5006128,
        "cart": {"items": [{"id": "1", "price": 14.99, "quantity": 1}], "grandTotal": 0, "shipping": 7.27},
        "clientProfile": {"document": "529.982.247-25", "corporateDocument": None, "isCorporate": False},
    }
    body = {
        "operation": "Debit",
        "value": 3,
        "description": "GiftCardHub",
        "redemptionToken": "vou_24",
        "redemptionCode": "***********PQR7",
        "requestId": "B56CBE231DEE4E1A859183C1030CE926",
        "orderInfo": order,
    }
    return asked("POST", "/giftcards/vou_24/transactions", body | changed)


def refusal(headers: dict[str, str]) -> Reply:
    """Return what a store hears that does not prove who it is."""
    with pytest.raises(Forged) as forged:
        CHECKOUT.signature(CONFIG).check(Delivery(b"", headers), NOW)
    return told(None, Stranger(absent=forged.value.reason == "absent"))


def test_a_shopper_is_looked_up_by_document_and_a_typed_code_by_itself() -> None:
    person = {"id": "20", "email": "a@b.example", "document": "529.982.247-25"}
    assert search(client=person) == FindCards("529.982.247-25", None, 0, 49)
    assert search(f" {CODE} ", person) == FindCards("529.982.247-25", CODE, 0, 49)


def test_of_a_person_and_a_company_the_person_pays_in_search_and_transaction_alike() -> None:
    both = {"document": "52998224725", "corporateDocument": "12.ABC.345/01DE-35"}
    company = {"document": " ", "corporateDocument": "12.ABC.345/01DE-35"}
    for client, document in ((both, "52998224725"), (company, "12.ABC.345/01DE-35"), ({}, None)):
        debit = transaction(orderInfo={"orderId": "v500-01", "clientProfile": client})
        assert isinstance(debit, Debit)
        assert search(client=client) == FindCards(document, None, 0, 49)
        assert debit.document == document


def test_a_search_for_nobody_finds_nothing_and_is_no_error() -> None:
    assert search() == FindCards(None, None, 0, 49)
    assert asked("POST", "/giftcards/_search", {}) == FindCards(None, None, 0, 49)
    assert told(search(), Cards()) == Reply(
        200, b"[]", {"content-type": "application/json", "rest-content-range": "resources 0-0/0"}
    )


@pytest.mark.parametrize("odd", [[], {}, 5, True, "", "  "])
def test_a_document_or_code_that_is_no_text_finds_nothing_and_is_no_error(odd: object) -> None:
    assert search(odd, {"document": odd, "corporateDocument": odd}) == FindCards(None, None, 0, 49)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("resources=0-9", 0, 9),
        ("resources=10-19", 10, 19),
        ("resources=0-99999", 0, 49),
        ("resources=9-0", 0, 49),
        ("items=0-9", 0, 49),
        ("resources=٠-٩", 0, 49),
        ("", 0, 49),
    ],
)
def test_a_range_is_followed_where_it_can_be_read(header: str, first: int, last: int) -> None:
    assert search(**{"rest-range": header}) == FindCards(None, None, first, last)


def test_the_range_of_what_was_found_is_told() -> None:
    question = search(**{"rest-range": "resources=10-11"})
    answer = Cards((VOUCHER, BALANCE), total=40)
    assert told(question, answer).headers["rest-content-range"] == "resources 10-11/40"


def test_found_cards_are_a_voucher_and_a_balance_with_its_caption() -> None:
    assert said(search(), Cards((VOUCHER, BALANCE))) == [
        {
            "id": "vou_24",
            "provider": "ponte",
            "balance": "5.90",
            "_self": {"href": "/checkout/ins_1/giftcards/vou_24"},
        },
        {
            "id": "mem_7",
            "provider": "ponte",
            "balance": "100.00",
            "caption": "Saldo do programa",
            "_self": {"href": "/checkout/ins_1/giftcards/mem_7"},
        },
    ]


def test_a_card_without_value_is_not_shown() -> None:
    assert said(search(), Cards((replace(VOUCHER, balance_cents=0),))) == []


def test_a_voucher_is_read_with_its_code_masked_whatever_the_query_says() -> None:
    sent = Delivery(b"", method="GET", path="/giftcards/vou_24", query={"ts": "1"})
    question = CHECKOUT.ask(sent, CONFIG)
    assert question == ReadCard("vou_24")
    assert said(question, VOUCHER) == {
        "id": "vou_24",
        "redemptionToken": "vou_24",
        "redemptionCode": "***************PQR7",
        "balance": "5.90",
        "emissionDate": "2031-01-09T15:00:00.000Z",
        "expiringDate": "2031-04-09T15:00:00.000Z",
        "currencyCode": "BRL",
        "discount": False,
        "transactions": {"href": "/checkout/ins_1/giftcards/vou_24/transactions"},
    }
    assert CODE.encode() not in told(question, VOUCHER).body


def test_a_balance_has_a_caption_no_code_and_the_end_that_the_protocol_wants() -> None:
    assert said(ReadCard("mem_7"), BALANCE) == {
        "id": "mem_7",
        "redemptionToken": "mem_7",
        "redemptionCode": None,
        "balance": "100.00",
        "emissionDate": "2031-01-09T15:00:00.000Z",
        "expiringDate": "2099-12-31T23:59:59.000Z",
        "caption": "Saldo do programa",
        "currencyCode": "BRL",
        "discount": False,
        "transactions": {"href": "/checkout/ins_1/giftcards/mem_7/transactions"},
    }


def test_a_store_may_wish_for_a_new_card() -> None:
    wish = {
        "relationName": "loyalty-program",
        "emissionDate": "2031-01-09T15:00:00Z",
        "expiringDate": "2032-02-04T17:02:19.1712345Z",
        "caption": "Programa",
        "restrictedToOwner": True,
        "multipleRedemptions": True,
        "multipleCredits": False,
        "profileId": "92de2249",
        "currencyCode": "BRL",
    }
    question = asked("POST", "/giftcards", wish)
    ends_at = datetime(2032, 2, 4, 17, 2, 19, 171234, tzinfo=UTC)
    assert question == OpenCard(
        ends_at, "Programa", "loyalty-program", "92de2249", owner_only=True, many_debits=True
    )
    opened = Card("vou_38", 0, NOW, ends_at, "Programa")
    assert said(question, opened) == wish | {
        "id": "vou_38",
        "emissionDate": "2031-01-09T15:00:00.000Z",
        "expiringDate": "2032-02-04T17:02:19.171Z",
    }


def test_a_new_card_may_have_no_end_and_a_time_without_zone() -> None:
    assert asked("POST", "/giftcards", {"caption": "Vale"}) == OpenCard(None, "Vale")
    local = asked("POST", "/giftcards", {"caption": "Vale", "expiringDate": "2032-02-04T17:02:19.17"})
    assert local == OpenCard(datetime(2032, 2, 4, 17, 2, 19, 170000, tzinfo=UTC), "Vale")


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00", "amanhã", 5, True])
def test_an_end_that_is_no_instant_of_ours_is_misread(end: object) -> None:
    with pytest.raises(Malformed, match="expiringDate"):
        asked("POST", "/giftcards", {"caption": "Vale", "expiringDate": end})


def test_a_debit_names_shopper_order_and_request_and_takes_a_masked_code_for_none() -> None:
    assert transaction() == Debit(
        "vou_24", "529.982.247-25", None, 300, "vou_24/B56CBE231DEE4E1A859183C1030CE926", "v500-01"
    )
    typed = transaction(redemptionCode=CODE, orderInfo=None)
    assert typed == Debit("vou_24", None, CODE, 300, "vou_24/B56CBE231DEE4E1A859183C1030CE926", None)


def test_a_debit_is_answered_with_its_number() -> None:
    assert said(transaction(), DEBITED) == {
        "cardId": "vou_24",
        "id": "use_9",
        "_self": {"href": "/checkout/ins_1/giftcards/vou_24/transactions/use_9"},
    }


def test_one_request_number_on_two_cards_is_two_requests_and_is_told_as_the_store_gave_it() -> None:
    body = {"operation": "Debit", "value": 1, "requestId": "v500-01"}
    refs = set()
    for card in ("vou_24", "mem_7"):
        debit = asked("POST", f"/giftcards/{card}/transactions", body)
        assert isinstance(debit, Debit)
        refs.add(debit.request_ref)
        view = said(ReadDebit(card, "use_9"), replace(DEBITED, card_ref=card, request_ref=debit.request_ref))
        assert isinstance(view, dict)
        assert view["requestId"] == "v500-01"
    assert len(refs) == 2


def test_a_store_may_ask_to_put_value_on_a_card() -> None:
    wish = transaction(operation="Credit", value=28.4)
    assert wish == Credit("vou_24", 2840, "vou_24/B56CBE231DEE4E1A859183C1030CE926")


def test_the_debits_of_a_card_are_listed_shortly() -> None:
    question = asked("GET", "/giftcards/vou_24/transactions")
    assert question == ListDebits("vou_24")
    assert said(question, Debits((DEBITED, replace(DEBITED, debit_ref="use_10")))) == [
        {
            "cardId": "vou_24",
            "id": debit,
            "_self": {"href": f"/checkout/ins_1/giftcards/vou_24/transactions/{debit}"},
        }
        for debit in ("use_9", "use_10")
    ]
    assert said(question, Debits()) == []


def test_a_debit_is_read_with_links_to_its_parts() -> None:
    question = asked("GET", "/giftcards/vou_24/transactions/use_9")
    path = "/checkout/ins_1/giftcards/vou_24/transactions/use_9"
    assert question == ReadDebit("vou_24", "use_9", "debit")
    assert said(question, DEBITED) == {
        "value": "5.92",
        "description": "ponte",
        "date": "2031-01-09T15:00:00.000Z",
        "requestId": "r-1",
        "settlement": {"href": f"{path}/settlements"},
        "cancellation": {"href": f"{path}/cancellations"},
        "authorization": {"href": f"{path}/authorization"},
        "operation": "Debit",
    }


def test_authorization_settlements_and_cancellations_are_read_one_by_one() -> None:
    def part(name: str, debit: Debited = DEBITED) -> object:
        question = asked("GET", f"/giftcards/vou_24/transactions/use_9/{name}")
        assert question == ReadDebit("vou_24", "use_9", name)
        return said(question, debit)

    none = replace(DEBITED, settlements=(), cancellations=())
    assert part("authorization") == {"oid": "use_9", "value": "5.92", "date": "2031-01-09T15:00:00.000Z"}
    assert part("settlements") == [
        {"oid": "settlements/r-2", "value": "1.80", "date": "2031-01-09T16:00:00.000Z"}
    ]
    assert part("cancellations") == [
        {"oid": "cancellations/r-3", "value": "4.10", "date": "2031-01-09T17:00:00.000Z"}
    ]
    assert part("settlements", none) == part("cancellations", none) == []


def test_a_settlement_and_a_cancellation_with_one_number_are_two_requests() -> None:
    body = {"value": 1.8, "requestId": "12093812masoidj120398"}
    path = "/giftcards/vou_24/transactions/use_9"
    settle, cancel = asked("POST", f"{path}/settlements", body), asked("POST", f"{path}/cancellations", body)
    assert settle == Settle("vou_24", "use_9", 180, "settlements/12093812masoidj120398")
    assert cancel == Cancel("vou_24", "use_9", 180, "cancellations/12093812masoidj120398")
    assert said(settle, SETTLED) == {
        "oid": "settlements/r-2",
        "value": "1.80",
        "date": "2031-01-09T16:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("written", "amount_cents"),
    [
        ("0.29", 29),
        ("1.15", 115),
        ("4.35", 435),
        ("19.99", 1999),
        ("1005.01", 100501),
        ("64.10", 6410),
        ("25", 2500),
        ("25.000", 2500),
        ("1e2", 10000),
        ("99999999.99", 9_999_999_999),
    ],
)
def test_reais_become_centavos_digit_by_digit(written: str, amount_cents: int) -> None:
    body = f'{{"operation": "Debit", "value": {written}, "requestId": "r"}}'.encode()
    debit = asked("POST", "/giftcards/vou_24/transactions", body)
    assert isinstance(debit, Debit)
    assert debit.amount_cents == amount_cents


@pytest.mark.parametrize(
    "written",
    ["-1", "14.990000000000000001", "0.001", "1e99999", '"25.00"', "true", "null", "NaN", "1000000001"],
)
def test_what_is_no_amount_of_reais_is_misread(written: str) -> None:
    body = f'{{"operation": "Debit", "value": {written}, "requestId": "r"}}'.encode()
    with pytest.raises(Malformed, match=r"value|body"):
        asked("POST", "/giftcards/vou_24/transactions", body)


@given(st.integers(min_value=0, max_value=CENTS_MAX))
def test_every_centavo_is_written_with_two_places(amount_cents: int) -> None:
    entry = said(Settle("vou_24", "use_9", amount_cents, "r"), Entry("r", amount_cents, NOW))
    assert isinstance(entry, dict)
    assert entry["value"] == f"{amount_cents // 100}.{amount_cents % 100:02d}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/giftcards"),
        ("PUT", "/giftcards/vou_24"),
        ("POST", "/giftcards/vou_24"),
        ("DELETE", "/giftcards/vou_24/transactions"),
        ("POST", "/giftcards/vou_24/transactions/use_9"),
        ("POST", "/giftcards/vou_24/transactions/use_9/authorization"),
        ("GET", "/giftcards/vou_24/transactions/use_9/refunds"),
        ("GET", "/giftcards/vou_24/transactions/use_9/settlements/1"),
        ("GET", "/giftcards//transactions"),
        ("GET", "/giftcards/vou 24"),
        ("GET", f"/giftcards/{'v' * 129}"),
        ("GET", "/api/giftcards/vou_24"),
    ],
)
def test_what_is_none_of_the_eleven_endpoints_is_misread(method: str, path: str) -> None:
    with pytest.raises(Malformed, match="path"):
        asked(method, path, {"value": 1, "requestId": "r", "operation": "Debit"})


@pytest.mark.parametrize(
    "changed", [{"requestId": ""}, {"requestId": None}, {"operation": "Refund"}, {"value": None}]
)
def test_a_transaction_that_says_too_little_is_misread(changed: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        transaction(**changed)


def test_a_store_without_credentials_hears_401_and_one_with_wrong_ones_403_both_with_an_empty_body() -> None:
    CHECKOUT.signature(CONFIG).check(Delivery(b"", CREDENTIALS | {"traceparent": "00-1"}), NOW)
    assert refusal({}) == Reply(401)
    for name in CREDENTIALS:
        assert refusal({k: v for k, v in CREDENTIALS.items() if k != name}) == Reply(401)
        assert refusal(CREDENTIALS | {name: "guessed"}) == Reply(403)
    assert "provider-token" not in repr(CHECKOUT.signature(CONFIG))


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (NoSuch(), 404, "not_found"),
        (Declined("voucher_expired"), 400, "voucher_expired"),
        (Misread("value: amount is negative"), 400, "malformed"),
        (Failed(3), 500, "unavailable"),
    ],
)
def test_a_refusal_has_a_status_and_a_stable_code(answer: Answer, status: int, code: str) -> None:
    reply = told(transaction(), answer)
    assert reply.status == status
    assert json.loads(reply.body)["error"]["code"] == code
    assert reply.headers.get("retry-after") == ("3" if status == 500 else None)


def test_no_code_and_no_document_stands_in_a_repr() -> None:
    shown = (
        f"{transaction(redemptionCode=CODE)!r} {search(CODE, {'document': '529.982.247-25'})!r} {VOUCHER!r}"
    )
    assert CODE not in shown
    assert "529" not in shown


@given(
    st.sampled_from(["", "/_search", "/vou_24/transactions", "/vou_24/transactions/use_9/settlements"]),
    st.binary(),
)
def test_any_bytes_give_a_question_or_malformed(path: str, body: bytes) -> None:
    try:
        asked("POST", f"/giftcards{path}", body)
    except Malformed:
        return
    assert json.loads(body)
