"""The Stone terminal: what our app launches, and what the answer of Stone's payment app means.

The answer is a plain URI that nobody signed: whatever it says is the device's claim, never more.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from adapters.stone.settings import StoneConfig, reservation_key
from contracts import (
    Customer,
    Facts,
    Ignored,
    Key,
    Malformed,
    Operation,
    PaymentEvidence,
    TerminalReport,
    tax_id,
)
from contracts.facts import CENTS_MAX, Method

# Run together and in lower case, because Stone's flows spell one field in two ways: `order_id`, `orderid`.
# Not here, so dropped on arrival: pan, cardholder_name, brand and whatever a later version adds.
ALLOWED = frozenset(
    {
        "host",
        "code",
        "success",
        "responsecode",
        "amount",
        "canceledamount",
        "atk",
        "itk",
        "orderid",
        "authorizationcode",
        "authorizationdatetime",
        "type",
        "paymenttype",
        "manualcapture",
    }
)
# `type` is text for people, in the terminal's language: Débito, CRÉDITO and credit have all been seen.
METHODS: dict[str, Method] = {
    "credito": "credit",
    "credit": "credit",
    "debito": "debit",
    "debit": "debit",
    "voucher": "voucher",
    "pix": "pix",
    "instant_payment": "pix",
    "pre-pago": "prepaid",
    "prepaid": "prepaid",
}
ANSWER_MAX = 8192
FIELDS_MAX = 64


def reserve(reservation: str, amount_cents: int | None, config: StoneConfig) -> Mapping[str, str]:
    """Return the parameters of `payment-app://pay`, all texts as Android wants them.

    Without an amount the operator types it on the terminal. `order_id` comes back in the answer if the
    feature is on in the terminal's settings (sdkandroid.stone.com.br/reference/pagamento).
    """
    launch = {"return_scheme": config.return_scheme, "editable_amount": "0", "order_id": reservation}
    if amount_cents is None:
        return {**launch, "editable_amount": "1"}
    return {**launch, "amount": str(amount_cents)}


def answer_fields(uri: str) -> Mapping[str, str]:
    """Return what may be kept of the answer `<scheme>://<host>?<query>`, and its `host`.

    Names are run together (`order_id` is `orderid`), empty and `null` values are left out. Refused as
    `Malformed`: what is no such URI, too long, or states one field twice.
    """
    if len(uri) > ANSWER_MAX:
        raise Malformed("answer: too long")
    try:
        parts = urlsplit(uri)
        # Invented bytes become marks: an unreadable `type` must not cost the sale.
        pairs = parse_qsl(parts.query, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Malformed("answer: not a URI of the payment app") from None
    if not parts.scheme or not parts.netloc:
        raise Malformed("answer: not a URI of the payment app")
    fields = {"host": parts.netloc.lower()}
    for spelling, value in pairs:
        name = spelling.replace("_", "").lower()
        if name not in ALLOWED or value.lower() == "null":
            continue
        if name in fields:
            raise Malformed(f"answer.{name}: stated twice")
        fields[name] = value
    return fields


def result(report: TerminalReport, config: StoneConfig) -> Facts:
    """Return what the device's answer says, with no more trust than a device has.

    Refused as `Malformed`: an approved answer without an amount or without any identity.
    """
    del config  # a report is already bound to its store by the terminal's own credential
    match report.answer.get("host"):
        case "pay-response":
            return _payment(report)
        case "cancel":
            return _cancel(report)
    return [Ignored(reason="not_a_sale")]


def _payment(report: TerminalReport) -> Facts:
    answer = report.answer
    # Older terminals send no `success`; a declined answer may carry an ATK all the same.
    if answer.get("code") != "0" or answer.get("success", "").lower() == "false":
        return [Ignored(reason="declined")]
    # What was authorised: the operator may have changed what we asked for.
    amount_cents = _cents(answer, "amount")
    if amount_cents is None:
        raise Malformed("answer.amount: missing")
    sold_at, local_day = _sold_at(answer, report.zone)
    # Reserved money is not captured money; the app says so, Stone's answer does not.
    held = answer.get("manualcapture") == "1"
    evidence = PaymentEvidence(
        keys=(*_keys(report), *_authorisation(report, local_day, amount_cents)),
        merchant_ref=report.merchant_ref,
        terminal_ref=report.terminal_ref,
        sold_at=sold_at,
        state="authorised" if held else "captured",
        method=_method(answer.get("type")),
        captured_cents=None if held else amount_cents,
        customer=_customer(report),
        as_of=report.reported_at,
        trust="device",
    )
    return [evidence]


def _cancel(report: TerminalReport) -> Facts:
    answer = report.answer
    success = answer.get("success", "").lower()
    if success == "false" or (success != "true" and answer.get("responsecode") not in {"0", "00", "0000"}):
        return [Ignored(reason="cancel_refused")]
    amount_cents = _cents(answer, "canceledamount")
    if amount_cents is None:
        raise Malformed("answer.canceledamount: missing")
    evidence = PaymentEvidence(
        keys=_keys(report),
        merchant_ref=report.merchant_ref,
        terminal_ref=report.terminal_ref,
        method=_method(answer.get("paymenttype")),
        operations=(_cancellation(report, amount_cents),),
        as_of=report.reported_at,
        trust="device",
    )
    return [evidence]


def _cancellation(report: TerminalReport, amount_cents: int) -> Operation:
    """Return the cancel as an operation, named by all that tells it from another one.

    The device has no number for a cancel, and Android may deliver its answer twice. Two cancels of one
    sale with the same amount and authorisation code therefore count once, in the customer's favour,
    until a webhook or the conciliation file states the whole.
    """
    code = _matching(report.answer.get("authorizationcode"), r"[A-Za-z0-9]{1,20}") or "-"
    return Operation(
        space="stone:device",
        key=f"{amount_cents}.{code}",
        amount_cents=amount_cents,
        happened_at=report.reported_at,
    )


def _keys(report: TerminalReport) -> tuple[Key, ...]:
    """Return the identities that an answer names; one at least."""
    answer = report.answer
    named = (
        _named("stone:atk", answer.get("atk")),
        _named("stone:itk", answer.get("itk")),
        # The echo tells which launch is answered; an answer of the one before may come late.
        reservation_key(answer.get("orderid")) or reservation_key(report.reservation),
    )
    keys = tuple(key for key in named if key is not None)
    if not keys:
        raise Malformed("answer.atk: missing, and nothing else names the sale")
    return keys


def _named(kind: str, value: str | None) -> Key | None:
    if value is None:
        return None
    if not re.fullmatch(r"[!-~]{1,128}", value):
        raise Malformed(f"answer.{kind.removeprefix('stone:')}: not a key")
    return Key(kind, value)


def _authorisation(report: TerminalReport, local_day: str | None, amount_cents: int) -> tuple[Key, ...]:
    """Return the weak composite key that a document may know the payment by: the code alone repeats."""
    code = _matching(report.answer.get("authorizationcode"), r"[A-Za-z0-9]{1,20}")
    merchant = _matching(report.merchant_ref, r"[!-~]{1,64}")
    if code is None or merchant is None or local_day is None:
        return ()
    return (Key("authorisation", f"{merchant}/{local_day}/{code}/{amount_cents}"),)


def _cents(answer: Mapping[str, str], name: str) -> int | None:
    """Return whole centavos; some apps pad them with zeros. Never reais, never a fraction."""
    text = answer.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) > CENTS_MAX:
        raise Malformed(f"answer.{name}: not an amount in centavos")
    return int(text)


def _sold_at(answer: Mapping[str, str], zone: str) -> tuple[datetime | None, str | None]:
    """Return the instant of the sale and its local day; the terminal writes local time and no zone.

    Of two readings, when clocks go back, the earlier: the later might not have come yet, and would be
    refused. An hour that a change of clocks skipped is read as if the terminal had not changed its own.
    """
    text = answer.get("authorizationdatetime")
    if text is None:
        return None, None
    try:
        # 24 hours: with `%I`, as one published parser has it, afternoons are lost.
        local = datetime.strptime(text, "%d/%m/%Y %H:%M:%S").replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        raise Malformed("answer.authorizationdatetime: not dd/MM/yyyy HH:mm:ss") from None
    if not 2000 < local.year < 2199:
        raise Malformed("answer.authorizationdatetime: not a year of such terminals")
    return local.astimezone(UTC), local.date().isoformat()


def _method(text: str | None) -> Method:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text or "") if not unicodedata.combining(c))
    return METHODS.get(plain.strip().lower(), "unknown")


def _customer(report: TerminalReport) -> Customer | None:
    return None if report.cpf is None else Customer(document=tax_id(report.cpf).text)


def _matching(text: str | None, pattern: str) -> str | None:
    return text if text is not None and re.fullmatch(pattern, text) else None
