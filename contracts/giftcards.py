"""VTEX's Gift Card Provider Protocol as a ready-made `Checkout`: any store that speaks it can ask for cards.

It reads and writes the wire and decides nothing. Money there is reais as JSON numbers, here whole centavos:
no float stands between the two. Where a line has a reason in VTEX's pages, those are
developers.vtex.com/docs/api-reference/giftcard-provider-protocol and the guide
"Configuring an external gift card provider".
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, Field

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
from contracts.errors import Malformed
from contracts.facts import Instant, KeyValue, Ref
from contracts.http import Delivery, Reply
from contracts.money import cents
from contracts.signatures import HeaderSecrets
from contracts.wire import Wire, parse_exact

C = TypeVar("C", bound=BaseModel)

KEY_HEADER = "x-provider-api-appkey"
TOKEN_HEADER = "x-provider-api-apptoken"  # noqa: S105 -- a header's name

# `expiringDate` is required of every card; a balance that does not expire says it with this.
NEVER = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
# The pages give no larger range than this one; a wish that cannot be read is no wish.
FIRST, LAST = 0, 49
RANGE = re.compile(r"resources=([0-9]{1,6})-([0-9]{1,6})", re.ASCII)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def provider(keys: Callable[[C], tuple[str, str]], name: str = "ponte") -> Checkout[C]:
    """Return the capability. `keys(config)` are the appKey and the appToken that the store was given for us.

    `name` is what the store calls the provider, and what its shopper may read beside a card.
    """

    def signature(config: C) -> HeaderSecrets:
        app_key, app_token = keys(config)
        return HeaderSecrets({KEY_HEADER: app_key, TOKEN_HEADER: app_token})

    return Checkout(signature, ask, partial(_tell, name))


# ------------------------------------------------------------------------------------------- what is asked


def _reais(value: object) -> int:
    if not isinstance(value, Decimal):
        raise ValueError("not a number")  # noqa: TRY004 -- pydantic turns it into a fault of this place
    try:
        return cents(value)
    except Malformed as malformed:
        raise ValueError(malformed.why) from None


def _instant(value: object) -> datetime | None:
    """Return an instant of the wire, whose fraction may be longer than ours; without a zone it is UTC."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", str(value)))
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("not an instant") from None


def _text(value: object) -> str | None:
    """Return what somebody typed, `None` for nothing. Whatever else stands there finds no card."""
    return (value.strip() or None) if isinstance(value, str) else None


def _code(value: object) -> str | None:
    """Return a code that somebody typed. Where the store repeats the one that we masked, it is none."""
    code = _text(value)
    return None if code is None or "*" in code else code


Amount = Annotated[int, BeforeValidator(_reais)]
Code = Annotated[str | None, BeforeValidator(_code), Field(default=None, alias="redemptionCode", repr=False)]
Document = Annotated[str | None, BeforeValidator(_text)]


class _Person(Wire):
    """Who buys: the person, else the company (`corporateDocument`). One rule for search and transaction."""

    document: Document = Field(default=None, repr=False)
    company: Document = Field(default=None, alias="corporateDocument", repr=False)


_NOBODY = _Person()


class _Cart(Wire):
    code: Code


class _Search(Wire):
    client: _Person | None = None
    cart: _Cart | None = None


class _NewCard(Wire):
    caption: str
    expires_at: Annotated[
        Instant | None, BeforeValidator(_instant), Field(default=None, alias="expiringDate")
    ]
    relation: str | None = Field(default=None, alias="relationName")
    owner_ref: str | None = Field(default=None, alias="profileId", repr=False)
    owner_only: bool = Field(default=False, alias="restrictedToOwner")
    many_debits: bool = Field(default=False, alias="multipleRedemptions")
    many_credits: bool = Field(default=False, alias="multipleCredits")


class _Order(Wire):
    id: Ref | None = Field(default=None, alias="orderId")
    client: _Person | None = Field(default=None, alias="clientProfile")


class _Transaction(Wire):
    # `redemptionToken` is the one that `_card` gave out: whoever proved to be the store may name the card.
    operation: Literal["Debit", "Credit"]
    value: Amount
    request_id: KeyValue = Field(alias="requestId")
    code: Code
    order: _Order | None = Field(default=None, alias="orderInfo")


class _Turn(Wire):
    value: Amount
    request_id: KeyValue = Field(alias="requestId")


def ask(delivery: Delivery, _config: BaseModel) -> Question:
    """Return which of the eleven questions this is; `Malformed` if it is none of them.

    Headers and query fields that the protocol does not know mean nothing (`x-vtex-operation-id`, `?ts=`).
    """
    match (delivery.method, *delivery.path.removeprefix("/").split("/")):
        case ("POST", "giftcards", "_search"):
            return _search(delivery)
        case ("POST", "giftcards"):
            wish = parse_exact(_NewCard, delivery.body)
            return OpenCard(**wish.model_dump())
        case ("GET", "giftcards", card):
            return ReadCard(_ref(card))
        case ("GET", "giftcards", card, "transactions"):
            return ListDebits(_ref(card))
        case ("POST", "giftcards", card, "transactions"):
            return _debit(_ref(card), parse_exact(_Transaction, delivery.body))
        case (_, "giftcards", card, "transactions", debit, *part):
            return _about_a_debit(delivery, _ref(card), _ref(debit), part)
    raise Malformed("path: none of the protocol's")


def _search(delivery: Delivery) -> FindCards:
    wanted = parse_exact(_Search, delivery.body)
    first, last = _range(delivery.headers.get("rest-range", ""))
    code = None if wanted.cart is None else wanted.cart.code
    return FindCards(_document(wanted.client), code, first, last)


def _range(header: str) -> tuple[int, int]:
    found = RANGE.fullmatch(header.strip())
    first, last = (int(found[1]), int(found[2])) if found else (FIRST, LAST)
    return (first, min(last, first + LAST)) if first <= last else (FIRST, LAST)


def _debit(card_ref: str, wanted: _Transaction) -> Question:
    # A request counts once for each card: one order may be paid with two cards, under its own number.
    request_ref = f"{card_ref}/{wanted.request_id}"
    if wanted.operation == "Credit":
        return Credit(card_ref, wanted.value, request_ref)
    order = wanted.order or _Order()
    return Debit(card_ref, _document(order.client), wanted.code, wanted.value, request_ref, order.id)


def _about_a_debit(delivery: Delivery, card_ref: str, debit_ref: str, part: list[str]) -> Question:
    match (delivery.method, *part):
        case ("GET",):
            return ReadDebit(card_ref, debit_ref)
        case ("GET", "authorization" | "settlements" | "cancellations" as view):
            return ReadDebit(card_ref, debit_ref, view)
        case ("POST", "settlements" | "cancellations" as kind):
            turn = parse_exact(_Turn, delivery.body)
            # A settlement and a cancellation may bear the same number and are two requests all the same.
            request_ref = f"{kind}/{turn.request_id}"
            done = Settle if kind == "settlements" else Cancel
            return done(card_ref, debit_ref, turn.value, request_ref)
    raise Malformed("path: none of the protocol's")


def _ref(segment: str) -> str:
    if re.fullmatch(r"[!-~]{1,128}", segment) is None:
        raise Malformed("path: not an id of ours")
    return segment


def _document(client: _Person | None) -> str | None:
    known = client or _NOBODY
    return known.document or known.company


# ---------------------------------------------------------------------------------------- what is answered


def _tell(name: str, question: Question | None, answer: Answer, base_path: str) -> Reply:
    """Return the answer as the store reads it; links go through `base_path`."""
    refusal = _refusal(answer)
    if refusal is not None:
        return refusal
    if not isinstance(answer, Cards):
        return _reply(200, _shown(name, question, answer, base_path))
    # The guide: no card at all rather than one without value, which can break a checkout.
    found = [_found(name, card, base_path) for card in answer.cards if card.balance_cents]
    first = question.first if isinstance(question, FindCards) else FIRST
    total = len(answer.cards) if answer.total is None else answer.total
    counted = f"resources {first}-{first + max(len(found) - 1, 0)}/{total}"
    return _reply(200, found, {"rest-content-range": counted})


def _refusal(answer: Answer) -> Reply | None:
    match answer:
        case Stranger(absent=absent):
            return Reply(401 if absent else 403)  # the guide: both with an empty body
        case NoSuch():
            return _error(404, "not_found", "Não encontrado.")
        case Declined(code=code):
            return _error(400, code, "O vale não foi aceito.")
        case Misread(why=why):
            return _error(400, "malformed", why)
        case Failed(retry_after_seconds=seconds):
            return _error(500, "unavailable", "Tente de novo em instantes.", {"retry-after": str(seconds)})
    return None


def _shown(name: str, question: Question | None, answer: Answer, base_path: str) -> object:
    match answer:
        case Card() if isinstance(question, OpenCard):
            return _opened(question, answer)
        case Card():
            return _card(answer, base_path)
        case Debits(debits=debits):
            return [_summary(debit, base_path) for debit in debits]
        case Debited() if isinstance(question, ReadDebit):
            return _view(name, question.part, answer, base_path)
        case Debited():
            return _summary(answer, base_path)
        case Entry():
            return _entry(answer)
    raise TypeError("no answer to a question of this protocol")


def _found(name: str, card: Card, base_path: str) -> dict[str, object]:
    return {
        "id": card.card_ref,
        "provider": name,
        "balance": _Reais(card.balance_cents),
        **({} if card.caption is None else {"caption": card.caption}),
        "_self": {"href": _card_path(base_path, card.card_ref)},
    }


def _card(card: Card, base_path: str) -> dict[str, object]:
    """Return a card in full. A voucher shows its code masked, a balance its caption."""
    return {
        "id": card.card_ref,
        "redemptionToken": card.card_ref,
        "redemptionCode": None if card.code is None else _masked(card.code),
        "balance": _Reais(card.balance_cents),
        "emissionDate": _written(card.issued_at),
        "expiringDate": _written(card.expires_at or NEVER),
        **({} if card.caption is None else {"caption": card.caption}),
        "currencyCode": "BRL",
        "discount": False,
        "transactions": {"href": f"{_card_path(base_path, card.card_ref)}/transactions"},
    }


def _opened(wish: OpenCard, card: Card) -> dict[str, object]:
    return {
        "id": card.card_ref,
        "relationName": wish.relation,
        "emissionDate": _written(card.issued_at),
        "expiringDate": _written(card.expires_at or NEVER),
        "caption": wish.caption,
        "restrictedToOwner": wish.owner_only,
        "multipleRedemptions": wish.many_debits,
        "multipleCredits": wish.many_credits,
        "profileId": wish.owner_ref,
        "currencyCode": "BRL",
    }


def _summary(debit: Debited, base_path: str) -> dict[str, object]:
    return {
        "cardId": debit.card_ref,
        "id": debit.debit_ref,
        "_self": {"href": _debit_path(base_path, debit)},
    }


def _view(name: str, part: str, debit: Debited, base_path: str) -> object:
    """Return the part of a debit that was asked for."""
    if part == "settlements":
        return [_entry(entry) for entry in debit.settlements]
    if part == "cancellations":
        return [_entry(entry) for entry in debit.cancellations]
    if part == "authorization":
        return _entry(Entry(debit.debit_ref, debit.amount_cents, debit.made_at))
    path = _debit_path(base_path, debit)
    return {
        "value": _Reais(debit.amount_cents),
        "description": name,
        "date": _written(debit.made_at),
        "requestId": debit.request_ref.removeprefix(f"{debit.card_ref}/"),
        "settlement": {"href": f"{path}/settlements"},
        "cancellation": {"href": f"{path}/cancellations"},
        "authorization": {"href": f"{path}/authorization"},
        "operation": "Debit",
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "oid": entry.entry_ref,
        "value": _Reais(entry.amount_cents),
        "date": _written(entry.made_at),
    }


def _masked(code: str) -> str:
    """Return a code of which the last four symbols stand, as VTEX shows its own."""
    return "*" * (len(code) - 4) + code[-4:]


def _card_path(base_path: str, card_ref: str) -> str:
    return f"{base_path}/giftcards/{quote(card_ref, safe='')}"


def _debit_path(base_path: str, debit: Debited) -> str:
    return f"{_card_path(base_path, debit.card_ref)}/transactions/{quote(debit.debit_ref, safe='')}"


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class _Reais:
    """Centavos that are written as a JSON number with two places."""

    cents: int


def _reply(status: int, said: object, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    return Reply(status, _json(said).encode(), {"content-type": "application/json", **headers})


def _error(status: int, code: str, message: str, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    return _reply(status, {"error": {"code": code, "message": message}}, headers)


def _json(said: object) -> str:
    match said:
        case _Reais(cents=amount_cents):
            return f"{amount_cents // 100}.{amount_cents % 100:02d}"
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{_json(held)}" for name, held in said.items()) + "}"
        case list():
            return "[" + ",".join(map(_json, said)) + "]"
    return json.dumps(said, ensure_ascii=False)
