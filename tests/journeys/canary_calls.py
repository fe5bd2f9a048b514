"""Requests that the hub accepts, for every place where a reference of another system or a typed text is kept.

A call that is refused plants nothing, so each of these is first sent as it stands and must be taken.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.gateway.world import GENERIC_SECRET, MERCHANT
from tests.journeys.canaries import FRESH, FRESH_CPF, Call

APP_KEY, APP_TOKEN = "loja-key", "loja-token-invented"
OPERATOR = "op-1"
SOLD = "sold"
CPF = "529.982.247-25"

Known = Mapping[str, Any]


def told_calls(known: Known) -> Iterator[Call]:
    """Yield what people and programs tell through the API."""
    yield from _sales(known)
    yield from _settings(known)
    yield from _places(known)
    yield from _people(known)
    yield from _vouchers(known)


def _sales(known: Known) -> Iterator[Call]:
    partner = {"partner_id": known["partner_id"]}
    yield launch(known, SOLD)
    yield launch(known, f"l{FRESH}")
    key = {"kind": f"launch:{known['partner_id']}", "value": SOLD}
    returned = {**partner, "return_ref": f"r{FRESH}", "amount_cents": 1}
    yield Call("POST", "/v1/sales/returns", {**returned, "launch_ref": SOLD})
    yield Call("POST", "/v1/sales/returns", {**returned, "key": key})
    yield Call("POST", "/v1/sales/claims", {**partner, "key": key, "cpf": CPF})
    yield Call("POST", "/v1/sales/owner", {**partner, "key": key, "cpf": CPF})
    yield Call("POST", "/v1/sales/lookup", {**partner, "key": key})


def launch(known: Known, launch_ref: str) -> Call:
    """Return a launch of R$ 1,000.00 under a reference."""
    return Call("POST", "/v1/sales", {
        "launch_ref": launch_ref, "partner_id": known["partner_id"], "store_id": known["store_id"], "cpf": CPF,
        "gross_cents": 100_000, "sold_at": known["now"], "operator_ref": OPERATOR, "payments": [
            {"keys": [{"kind": "stone:atk", "value": f"a{FRESH}"}], "method": "credit", "amount_cents": 100_000},
        ],
    })  # fmt: skip


def _settings(known: Known) -> Iterator[Call]:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    generic = {"namespace": f"ns{FRESH}", "secret": GENERIC_SECRET}
    installation = {"connector": "generic", "partner_id": known["partner_id"], "config": generic}
    yield Call("POST", "/v1/programmes", {"name": "Clube", "unit": "points", "mode": "coalition"})
    yield Call("POST", "/v1/partners", {"name": "Padaria"})
    yield Call("POST", "/v1/categories", {"name": "Ouro", "multiplier_milli": 1000, "valid_days": 365})
    campaign = {
        "name": "Natal",
        "multiplier_milli": 1000,
        "starts_at": later,
        "ends_at": "2190-01-01T00:00:00Z",
    }
    yield Call("POST", "/v1/campaigns", {**campaign, "min_sale_cents": 1, "max_extra_units": 1})
    yield Call("POST", "/v1/keys", {"name": "PDV", "scopes": ["sales:read"]})
    yield Call("POST", "/v1/installations", {**installation, "name": f"PDV {FRESH}"})
    yield Call("POST", "/v1/rewards", {
        "name": "Vale", "kind": "discount", "cost_units": 100, "amount_cents": 100, "stock": 1_000,
        "minimum_cents": 1,
    })  # fmt: skip


def _places(known: Known) -> Iterator[Call]:
    at = f"/v1/partners/{known['partner_id']}"
    store = {"store_id": known["store_id"]}
    yield Call("POST", f"{at}/rates", {"rate_micro": 7_000_000})
    yield Call("POST", f"{at}/stores", {"name": "Filial"})
    yield Call("POST", f"{at}/merchants", {**store, "merchant_ref": f"m{FRESH}"})
    yield Call("POST", f"{at}/operators", {**store, "name": "Bia", "operator_ref": f"o{FRESH}"})
    enrolled = {**store, "installation_id": known["stone_id"], "serial": f"s{FRESH}"}
    yield Call("POST", f"{at}/terminals", enrolled)


def _people(known: Known) -> Iterator[Call]:
    at = f"/v1/members/{known['member_id']}"
    consent = {"text_version": "v1", "channel": "counter"}
    member = {"cpf": FRESH_CPF, "name": "Bia", "phone": "+55 11 99999-0000", "consent": consent}
    yield Call("POST", "/v1/members", member)
    yield Call("POST", f"{at}/dependents", {"cpf": FRESH_CPF, "name": "Caio"})
    yield Call("POST", f"{at}/goodwill", {"units": 1, "reason": "goodwill", "valid_days": 30})


def _vouchers(known: Known) -> Iterator[Call]:
    member = {"member_id": known["member_id"], "reward_id": known["reward_id"]}
    yield Call("POST", "/v1/vouchers", {**member, "units": 1})
    order = {
        "code": known["code"], "partner_id": known["partner_id"], "order_cents": 1_000, "amount_cents": 1,
        "order_ref": f"v{FRESH}",
    }  # fmt: skip
    # Wrong codes are throttled: only the order's name is planted, for else no order would be served any more.
    yield Call("POST", "/v1/vouchers/reserve", order, only="order_ref")
    yield Call("POST", "/v1/vouchers/redeem", order, only="order_ref")
    turn = {"use_id": known["use_id"], "amount_cents": 1, "rollback_ref": f"b{FRESH}"}
    yield Call("POST", "/v1/vouchers/rollback", turn)


def machine_calls(known: Known) -> Iterator[Call]:
    """Yield what vendors, terminals and stores send: the lanes that prove themselves by a signature."""
    yield from _deliveries(known)
    yield from _terminals(known)
    yield from _checkouts(known)


def _deliveries(known: Known) -> Iterator[Call]:
    at, now = f"/in/{known['installation_id']}", known["now"]
    operation = {"space": "s", "key": "k", "kind": "return", "amount_cents": 1, "happened_at": now}
    told = {
        "links": [["order:loja", f"k{FRESH}"]], "merchant_ref": MERCHANT, "terminal_ref": "t", "operator_ref": "o",
        "sold_at": now, "as_of": now, "state": "captured", "voucher_codes": ["v"],
        "customer": {"document": CPF, "phone": "x", "consent": True},
        "lines": [{"code": "c", "quantity_milli": 1, "amount_cents": 1}], "operations": [operation],
    }  # fmt: skip
    atk = ["stone:atk", f"p{FRESH}"]
    payment = {**told, "about": "payment", "keys": [atk], "method": "credit", "captured_cents": 1000}
    document = {
        **told, "about": "document", "keys": [["order:loja", f"d{FRESH}"]], "kind": "order", "gross_cents": 1000,
        "discount_cents": 0, "shipping_cents": 0, "fees_cents": 0, "paid_with_loyalty_cents": 0,
        "tenders": [{"keys": [["pagarme:charge", f"t{FRESH}"]], "method": "credit", "amount_cents": 1000}],
    }  # fmt: skip
    use = {"about": "voucher_use", "order": ["order:loja", f"u{FRESH}"], "state": "authorised", "as_of": now}
    yield Call("POST", at, {"facts": [payment]})
    yield Call("POST", at, {"facts": [document]})
    yield Call("POST", at, {"facts": [{**use, "code": known["code"], "amount_cents": 1}]})
    covered = {"about": "coverage", "merchant_ref": f"m{FRESH}", "day_on": now[:10], "methods": ["credit"]}
    yield Call("POST", f"/in/{known['covering_id']}", {"facts": [covered]})
    closed = {"about": "reservation_closed", "reservation": ["reservation", "43"], "as_of": now}
    yield Call("POST", at, {"facts": [closed]})
    yield Call("POST", at, {"facts": [], "card": {"holder_name": "x", "number": "x"}})


def _terminals(known: Known) -> Iterator[Call]:
    at = "/v1/terminal"
    yield Call("POST", f"{at}/reservations", {"cpf": CPF, "amount_cents": 1000})
    answer = f"ponte://pay-response?code=0&success=true&amount=1000&atk=9{FRESH}"
    yield Call("POST", f"{at}/results", {"answer": answer, "reservation": "42", "cpf": CPF})
    yield Call("GET", f"{at}/reservations/{known['reservation']}")
    yield Call("POST", f"{at}/reservations/{known['reservation']}/close", {})


def _checkouts(known: Known) -> Iterator[Call]:
    cards = f"/checkout/{known['till_id']}/giftcards"
    at = f"{cards}/{known['card_id']}/transactions"
    person = {"document": CPF, "email": "x", "name": "x"}
    yield Call(
        "POST", f"{cards}/_search", {"client": person, "cart": {"grandTotal": 1, "redemptionCode": "x"}}
    )
    yield Call("POST", at, {
        "operation": "Debit", "value": 0.01, "description": "x", "requestId": f"q{FRESH}", "redemptionToken": "x",
        "orderInfo": {"orderId": f"i{FRESH}", "clientProfile": person},
    })  # fmt: skip
    turn = {"value": 0.01, "requestId": f"w{FRESH}"}
    yield Call("POST", f"{at}/{known['debit_id']}/settlements", turn)
    yield Call("POST", f"{at}/{known['debit_id']}/cancellations", turn)
