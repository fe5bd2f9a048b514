from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stone.settings import StoneConfig
from adapters.stone.slip import COLUMNS, NOTES, slip
from adapters.stone.terminal import answer_fields, reserve, result
from contracts import Ignored, Key, Malformed, PaymentEvidence, SlipFacts, TerminalReport
from contracts.facts import AnyFact

CONFIG = StoneConfig(account_id="acc_1", return_scheme="ponteloja")
NOW = datetime(2031, 1, 9, 14, 3, 30, tzinfo=UTC)
SOLD = {"code": "0", "success": "true", "amount": "4590", "atk": "51000000000017"}
UNDONE = {"success": "true", "atk": "51000000000017", "canceledamount": "590", "authorizationcode": "A1B2C3"}


def uri(host: str, **fields: str) -> str:
    return f"ponte://{host}?" + "&".join(f"{name}={quote(value)}" for name, value in fields.items())


def told(host: str = "pay-response", zone: str = "America/Sao_Paulo", **said: Any) -> AnyFact:
    report = TerminalReport(
        terminal_ref="PB0000X00001",
        merchant_ref="128000001",
        zone=zone,
        answer=answer_fields(
            uri(host, **{name: value for name, value in said.items() if name not in {"held", "cpf"}})
        ),
        reservation=said.get("held"),
        cpf=said.get("cpf"),
        reported_at=NOW,
    )
    [fact] = result(report, CONFIG)
    return fact


def sale(**said: Any) -> PaymentEvidence:
    fact = told(**{**SOLD, **said})
    assert isinstance(fact, PaymentEvidence)
    return fact


def cancel(**said: Any) -> PaymentEvidence:
    fact = told("cancel", **{**UNDONE, **said})
    assert isinstance(fact, PaymentEvidence)
    return fact


def test_a_launch_asks_for_whole_centavos_and_carries_the_reservation() -> None:
    assert reserve("731000000000000042", 4590, CONFIG) == {
        "return_scheme": "ponteloja",
        "editable_amount": "0",
        "order_id": "731000000000000042",
        "amount": "4590",
    }
    assert "amount" not in reserve("42", None, CONFIG)
    assert all(isinstance(value, str) for value in reserve("42", 1, CONFIG).values())


def test_card_and_holder_never_leave_the_uri() -> None:
    fields = answer_fields(
        uri(
            "pay-response",
            **SOLD,
            pan="627303****2166",
            cardholder_name="CLIENTE/EXEMPLO",
            cvv="1",
            brand="VISA",
        )
    )
    assert fields == {"host": "pay-response", **SOLD}


@pytest.mark.parametrize("spelling", ["order_id", "orderid", "OrderId"])
def test_a_field_is_understood_in_every_spelling_stone_uses(spelling: str) -> None:
    fields = answer_fields(uri("pay-response", **{spelling: "42"}))
    assert fields == {"host": "pay-response", "orderid": "42"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ponte",
        "pay-response?code=0",
        "ponte://?code=0",
        "ponte://[x?code=0",
        "p://h?" + "a=1&" * 65,
        "é" * 9000,
    ],
)
def test_what_is_no_answer_of_the_payment_app_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        answer_fields(text)


def test_a_field_stated_twice_is_malformed_in_whatever_spellings() -> None:
    with pytest.raises(Malformed):
        answer_fields(uri("pay-response", order_id="1", orderid="2"))


def test_the_authorised_amount_counts_and_may_be_padded_with_zeros() -> None:
    assert [sale(amount=text).captured_cents for text in ("4590", "000004590", "1", "1999")] == [
        4590,
        4590,
        1,
        1999,
    ]


@pytest.mark.parametrize(
    "amount", ["45.90", "45,90", "-1", "+1", "1e3", "٣", "1_0", " 1", "999999999999", "x"]
)
def test_an_amount_that_is_no_whole_centavos_is_malformed(amount: str) -> None:
    with pytest.raises(Malformed):
        sale(amount=amount)


def test_an_approved_answer_without_an_amount_or_an_identity_is_malformed() -> None:
    for missing in ("amount", "atk"):
        with pytest.raises(Malformed):
            told(**{name: value for name, value in SOLD.items() if name != missing})
    with pytest.raises(Malformed):
        sale(atk="5100 0000")


@pytest.mark.parametrize(
    "answer",
    [
        {"code": "-6"},
        {"code": "0", "success": "false"},
        {"code": "0", "success": "FALSE"},
        {},
        {"code": "00"},
    ],
)
def test_an_answer_that_is_not_approved_earns_nothing_even_with_an_atk(answer: dict[str, str]) -> None:
    assert told(amount="4590", atk="51000000000017", **answer) == Ignored(reason="declined")


def test_an_older_terminal_approves_without_saying_success() -> None:
    assert told(code="0", amount="1", atk="51000000000017").about == "payment"


@pytest.mark.parametrize("count", ["0", "1", "3", ""])
def test_the_instalment_count_changes_nothing(count: str) -> None:
    assert sale(installment_count=count) == sale()


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("Débito", "debit"),
        ("DE\u0301BITO", "debit"),
        ("CRÉDITO", "credit"),
        ("credit", "credit"),
        (" Voucher ", "voucher"),
        ("PIX", "pix"),
        ("INSTANT_PAYMENT", "pix"),
        ("Fiado", "unknown"),
    ],
)
def test_the_type_is_read_without_case_and_accents(text: str, method: str) -> None:
    assert sale(type=text).method == method


def test_an_unreadable_type_does_not_cost_the_sale() -> None:
    fields = answer_fields("ponte://pay-response?code=0&amount=1&atk=51000000000017&type=D%E9bito")
    assert (fields["amount"], fields["type"]) == ("1", "D\ufffdbito")


@pytest.mark.parametrize(
    ("text", "zone", "sold_at"),
    [
        ("05/10/2030 14:36:17", "America/Sao_Paulo", datetime(2030, 10, 5, 17, 36, 17, tzinfo=UTC)),
        ("05/10/2030 23:36:17", "America/Manaus", datetime(2030, 10, 6, 3, 36, 17, tzinfo=UTC)),
        # Clocks went back: 23:30 came twice, and the first is meant.
        ("17/02/2018 23:30:00", "America/Sao_Paulo", datetime(2018, 2, 18, 1, 30, tzinfo=UTC)),
        # Clocks went forward at midnight: 00:30 never was, and a terminal that says so had not noticed.
        ("04/11/2018 00:30:00", "America/Sao_Paulo", datetime(2018, 11, 4, 3, 30, tzinfo=UTC)),
    ],
)
def test_local_time_becomes_the_instant_it_means_in_the_stores_zone(
    text: str, zone: str, sold_at: datetime
) -> None:
    assert sale(authorization_date_time=text, zone=zone).sold_at == sold_at


@pytest.mark.parametrize(
    "text", ["2030-10-05 14:36:17", "05/10/2030 02:36:17 PM", "31/02/2030 10:00:00", "01/01/0001 00:00:00"]
)
def test_a_time_in_another_form_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        sale(authorization_date_time=text)


def test_an_answer_without_a_time_leaves_it_open() -> None:
    assert sale().sold_at is None


def test_the_echoed_order_id_names_the_reservation_and_the_report_stands_in_for_it() -> None:
    assert [key for key in sale(order_id="42", held="43").keys if key.kind == "reservation"] == [
        Key("reservation", "42")
    ]
    for echo in ("null", "", "0", "9223372036854775808"):
        keys = sale(order_id=echo, held="43").keys
        assert [key for key in keys if key.kind == "reservation"] == [Key("reservation", "43")]


def test_the_authorisation_code_alone_is_never_a_key() -> None:
    code = {"authorization_code": "A1B2C3", "authorization_date_time": "09/01/2031 11:03:09"}
    assert sale(**code).keys[-1] == Key("authorisation", "128000001/2031-01-09/A1B2C3/4590")
    assert [key.kind for key in sale(authorization_code="A1B2C3").keys] == ["stone:atk"]


def test_a_cpf_typed_after_the_payment_goes_along_and_a_wrong_one_is_malformed_unseen() -> None:
    customer = sale(cpf="529.982.247-25").customer
    assert customer is not None
    assert customer.document == "52998224725"
    with pytest.raises(Malformed) as caught:
        sale(cpf="529.982.247-26")
    assert "529" not in caught.value.why


def test_preauthorised_money_is_not_captured_until_the_capture_answers() -> None:
    held, captured = sale(manual_capture="1"), sale()
    assert (held.state, held.captured_cents) == ("authorised", None)
    assert (captured.state, captured.captured_cents) == ("captured", 4590)


def test_everything_a_device_says_is_a_claim() -> None:
    assert {sale().trust, cancel().trust} == {"device"}
    assert (sale().merchant_ref, sale().terminal_ref, sale().as_of) == ("128000001", "PB0000X00001", NOW)


def test_a_cancel_is_one_operation_however_often_it_is_delivered_and_spelt() -> None:
    once = cancel(orderid="42")
    again = cancel(order_id="42", canceledamount="000590")
    assert once == again
    assert once.captured_cents is None
    [operation] = once.operations
    assert (operation.space, operation.key, operation.amount_cents) == ("stone:device", "590.A1B2C3", 590)
    other = cancel(canceledamount="591").operations, cancel(authorizationcode="D4").operations
    assert len({once.operations, *other}) == 3


def test_a_cancel_that_did_not_succeed_takes_nothing_back() -> None:
    refused = Ignored(reason="cancel_refused")
    assert told("cancel", success="false", reason="7011", atk="1", canceledamount="590") == refused
    assert told("cancel", responsecode="7202", atk="1", canceledamount="590") == refused
    assert told("cancel", responsecode="0000", atk="1", canceledamount="590").about == "payment"
    with pytest.raises(Malformed):
        told("cancel", success="true", atk="1")


def test_an_answer_about_printing_is_no_sale() -> None:
    assert told("print", DEEPLINK_RETURN="SUCCESS") == Ignored(reason="not_a_sale")


@given(
    host=st.sampled_from(["pay-response", "cancel", "print"]),
    fields=st.dictionaries(
        st.sampled_from([*SOLD, *UNDONE, "order_id", "type", "authorization_date_time", "itk", "pan"]),
        st.text(max_size=24),
    ),
    zone=st.sampled_from(["America/Sao_Paulo", "America/Noronha", "Pacific/Kiritimati"]),
)
def test_any_answer_is_malformed_or_understood(host: str, fields: dict[str, str], zone: str) -> None:
    full = SOLD if host == "pay-response" else UNDONE
    try:
        fact = told(host, zone, **{**full, **fields})
    except Malformed:
        return
    assert fact.about in {"payment", "ignored"}


@given(st.text())
def test_any_text_is_malformed_or_holds_allowed_fields_only(text: str) -> None:
    try:
        fields = answer_fields(f"ponte://pay-response?{text}")
    except Malformed:
        return
    assert fields["host"].startswith("pay-response")


FACTS = SlipFacts("Clube Exemplo", "points", 4590, 45, 1230, "***.982.247-**", "credited")


def test_a_slip_of_points_shows_what_was_earned_and_the_balance() -> None:
    assert list(slip(FACTS, CONFIG)) == [
        "         Clube Exemplo",
        "--------------------------------",
        "CPF               ***.982.247-**",
        "Compra                  R$ 45,90",
        "Pontos                       +45",
        "Saldo                      1.230",
    ]


def test_an_amount_too_long_for_its_line_gets_one_of_its_own() -> None:
    facts = SlipFacts("Clube Exemplo", "cashback", 10**11, 10**22, None, None, "credited")
    assert list(slip(facts, CONFIG))[3:] == ["Cashback", "+R$ 100.000.000.000.000.000.000,00".rjust(COLUMNS)]


def test_a_slip_of_what_was_not_sold_shows_no_purchase() -> None:
    lines = slip(SlipFacts("Clube Exemplo", "points", 0, 0, None, None, "declined"), CONFIG)
    assert lines[2:] == ["Pagamento não aprovado: nada foi", "creditado."]


def test_a_slip_of_cashback_speaks_in_reais_and_a_reversal_has_its_sign() -> None:
    facts = SlipFacts("Clube Exemplo", "cashback", 123456, -905, 100005, None, "cancelled")
    assert list(slip(facts, CONFIG))[2:5] == [
        "Compra               R$ 1.234,56",
        "Cashback                -R$ 9,05",
        "Saldo                R$ 1.000,05",
    ]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("pending", "em confirmação"),
        ("no_cpf", "sem CPF"),
        ("unmatched", "cadastre-se"),
        ("declined", "não aprovado"),
    ],
)
def test_a_slip_says_why_nothing_is_credited_yet(outcome: str, words: str) -> None:
    lines = slip(SlipFacts("Clube Exemplo", "points", 4590, 0, None, None, outcome), CONFIG)
    assert words in " ".join(lines)
    assert not any(line.startswith(("Pontos", "Saldo", "CPF ***")) for line in lines)


@given(
    st.builds(
        SlipFacts,
        programme_name=st.text(max_size=80),
        unit=st.sampled_from(["points", "cashback"]),
        sold_cents=st.integers(0, 10**11),
        earned_units=st.integers(-(10**14), 10**14),
        balance_units=st.none() | st.integers(-(10**14), 10**14),
        cpf_mask=st.none() | st.just("***.982.247-**"),
        outcome=st.sampled_from([*NOTES, "credited", "none"]),
    )
)
def test_no_line_of_a_slip_is_wider_than_the_paper(facts: SlipFacts) -> None:
    assert max(map(len, slip(facts, CONFIG))) <= COLUMNS
