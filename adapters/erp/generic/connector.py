"""Generic: any system states facts in the contract's own JSON, signed with Ponte's own scheme.

It names things of its own in its own name space, the world's by the keys the world gave them, and never ours.
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from contracts import (
    Connector,
    Coverage,
    Delivery,
    DocumentEvidence,
    Facts,
    HmacFields,
    Ignored,
    Key,
    Malformed,
    MemberSeen,
    PaymentEvidence,
    ReservationClosed,
    VoucherUse,
    Webhook,
)
from contracts.wire import parse

FACTS_MAX = 500

Stated: TypeAlias = Annotated[
    PaymentEvidence | DocumentEvidence | Coverage | VoucherUse | MemberSeen | ReservationClosed,
    Field(discriminator="about"),
]

PAYMENT_KINDS = frozenset({"stone:atk", "stone:itk", "pix:e2e", "pagarme:charge", "authorisation"})
DOCUMENT_KINDS = frozenset({"nfe:chave"})
GROUP_KINDS = frozenset({"pagarme:order"})
OWN_PAYMENT, OWN_DOCUMENTS = "payment", ("order", "file")


class GenericConfig(BaseModel):
    """One system's access: `namespace` is the name under which it numbers its own orders, files and payments.

    Two systems of one partner have two namespaces. `former_secret` is accepted while one secret replaces
    the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    namespace: str = Field(pattern=r"^[A-Za-z0-9_\-]{1,40}$")
    secret: SecretStr = Field(min_length=16, max_length=256)
    former_secret: SecretStr | None = Field(default=None, min_length=16, max_length=256)


class Batch(BaseModel):
    """The body: up to 500 facts, in any order."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    facts: tuple[Stated, ...] = Field(max_length=FACTS_MAX)


def signature(config: GenericConfig) -> HmacFields:
    """Return Ponte's own scheme under this installation's secrets."""
    secrets = [config.secret, config.former_secret]
    return HmacFields(tuple(secret.get_secret_value().encode() for secret in secrets if secret is not None))


def receive(delivery: Delivery, config: GenericConfig) -> Facts:
    """Return the facts as they stand in the body.

    Refused as `Malformed`, naming the place and never the value: what is not the contract's JSON, more
    than 500 facts, and keys that this system may not speak of. One wrong fact refuses the whole body, so
    that a sender never has to guess which part was kept.
    """
    facts = parse(Batch, delivery.body).facts
    for number, fact in enumerate(facts):
        for place, key, allowed in _spoken_keys(fact, config.namespace):
            if key.kind not in allowed:
                raise Malformed(f"facts.{number}.{place}: this system may not use this kind of key")
    return facts or [Ignored(reason="empty_batch")]


Spoken: TypeAlias = Iterator[tuple[str, Key, frozenset[str]]]


def _spoken_keys(fact: Any, namespace: str) -> Spoken:
    """Yield each key of a fact, where it stands, and the kinds that may stand there."""
    payments = PAYMENT_KINDS | {f"{OWN_PAYMENT}:{namespace}"}
    documents = DOCUMENT_KINDS | {f"{kind}:{namespace}" for kind in OWN_DOCUMENTS}
    match fact:
        case PaymentEvidence():
            yield from ((f"keys.{n}", key, payments) for n, key in enumerate(fact.keys))
            yield from ((f"links.{n}", key, documents | GROUP_KINDS) for n, key in enumerate(fact.links))
        case DocumentEvidence():
            yield from ((f"keys.{n}", key, documents) for n, key in enumerate(fact.keys))
            linked = payments | documents | GROUP_KINDS
            yield from ((f"links.{n}", key, linked) for n, key in enumerate(fact.links))
            for n, tender in enumerate(fact.tenders):
                yield from ((f"tenders.{n}.keys.{m}", key, payments) for m, key in enumerate(tender.keys))
        case VoucherUse():
            yield "order", fact.order, frozenset({f"order:{namespace}"})
        case ReservationClosed():
            # Closing is all that may be done to a reservation: to claim one would be to claim its CPF.
            yield "reservation", fact.reservation, frozenset({"reservation"})


connector = Connector(
    slug="generic",
    name="Sistema próprio (JSON assinado)",
    config=GenericConfig,
    docs="adapters/erp/generic/README.md",
    # What an operator may grant. The payload can only go below the grant; `signed` unless told otherwise.
    trusts=("signed", "fiscal", "file", "declared"),
    webhook=Webhook(signature=signature, receive=receive),
)
