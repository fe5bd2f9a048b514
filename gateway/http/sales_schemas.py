"""The bodies of /v1/sales: what may be said of a sale, and how one is shown."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.documents import TaxId, tax_id
from contracts.facts import KeyKind, KeyValue, Method
from gateway.http.schemas import (
    AmountCents,
    CnpjText,
    CpfText,
    Id,
    Identified,
    Instant,
    PartCents,
    Ref,
    Said,
    Shown,
    exactly_one,
)
from gateway.sales.actions import Recorded
from gateway.sales.inquiry import Inquiry
from loyalty.refusals import TEXTS

SaleState: TypeAlias = Literal["credited", "pending", "held", "unmatched", "none", "merged"]


class KeySaid(Said):
    """A foreign identity of a payment or document, such as `stone:atk`."""

    kind: KeyKind
    value: KeyValue


class TenderSaid(Said):
    """One means of payment; with `keys` it is the same payment as the acquirer's."""

    keys: Annotated[list[KeySaid], Field(default_factory=list, max_length=8)]
    method: Method = "unknown"
    amount_cents: AmountCents


class LaunchSaid(Said):
    """A sale told by its own reference. Charged: gross - discount + shipping + fees; only goods earn."""

    launch_ref: Annotated[Ref, Field(examples=["pdv-7/2026-11-24/0192"])]
    partner_id: Id | None = None
    store_id: Id | None = None
    kind: Literal["manual", "order"] = "manual"
    gross_cents: Annotated[AmountCents, Field(examples=[4590])]
    discount_cents: PartCents = 0
    shipping_cents: PartCents = 0
    fees_cents: PartCents = 0
    paid_with_loyalty_cents: PartCents = 0
    sold_at: Annotated[Instant, Field(examples=["2026-11-24T18:20:00-03:00"])]
    cpf: CpfText | None = Field(default=None, repr=False)
    cnpj: CnpjText | None = Field(default=None, repr=False)
    operator_ref: Ref | None = None
    payments: Annotated[list[TenderSaid], Field(default_factory=list, max_length=32)]

    @model_validator(mode="after")
    def _adds_up(self) -> "LaunchSaid":
        if self.cpf is not None and self.cnpj is not None:
            raise PydanticCustomError("one_document", "give a cpf or a cnpj")
        if self.discount_cents > self.gross_cents:
            raise PydanticCustomError("discount", "discount exceeds gross")
        total = self.gross_cents - self.discount_cents + self.shipping_cents + self.fees_cents
        if self.paid_with_loyalty_cents > total:
            raise PydanticCustomError("loyalty", "loyalty exceeds the total")
        return self

    @property
    def document(self) -> TaxId | None:
        """The customer's document, if one was given."""
        text = self.cpf or self.cnpj
        return None if text is None else tax_id(text)


class ReturnSaid(Said):
    """Money given back for a sale, named in exactly one of three ways."""

    model_config = exactly_one(("launch_ref", "sale_id", "key"))

    launch_ref: Ref | None = None
    sale_id: Id | None = None
    key: KeySaid | None = None
    partner_id: Id | None = None
    return_ref: Annotated[Ref, Field(examples=["dev-0192-1"])]
    amount_cents: AmountCents
    returned_at: Instant | None = None

    @model_validator(mode="after")
    def _one(self) -> "ReturnSaid":
        _check_one(self.launch_ref, self.sale_id, self.key)
        return self


class ClaimSaid(Identified):
    """Whose purchase a payment or document was."""

    key: KeySaid
    partner_id: Id | None = None


class OwnerSaid(Identified):
    """Whose sale it is, by decision; the sale named by id or by key."""

    model_config = exactly_one(("cpf", "cnpj"), ("sale_id", "key"))

    sale_id: Id | None = None
    key: KeySaid | None = None
    partner_id: Id | None = None

    @model_validator(mode="after")
    def _named(self) -> "OwnerSaid":
        _check_one(self.sale_id, self.key)
        return self


class LookupSaid(Said):
    """One way to find sales: an id, a key (of one partner), or a document."""

    model_config = exactly_one(("sale_id", "key", "cpf", "cnpj"))

    sale_id: Id | None = None
    key: KeySaid | None = None
    partner_id: Id | None = None
    cpf: CpfText | None = Field(default=None, repr=False)
    cnpj: CnpjText | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one(self) -> "LookupSaid":
        _check_one(self.sale_id, self.key, self.cpf, self.cnpj)
        return self

    @property
    def document(self) -> TaxId:
        """The document asked for."""
        return tax_id(self.cpf or self.cnpj or "")

    @property
    def by_name(self) -> bool:
        """Whether one certain sale is asked for."""
        return self.sale_id is not None or self.key is not None


def _check_one(*values: object) -> None:
    if sum(value is not None for value in values) != 1:
        raise PydanticCustomError("one_name", "name it in exactly one way")


class SaleAnswered(Shown):
    """What a sale is worth now. `duplicate`: this was known, nothing was written."""

    sale_id: str
    state: SaleState
    reason: str | None
    reason_text: str | None
    units: int
    pending_units: int
    member_id: str | None
    duplicate: bool

    @classmethod
    def of(cls, recorded: Recorded) -> "SaleAnswered":
        """Return what was recorded as the API shows it."""
        return cls.model_validate(
            {
                "sale_id": recorded.sale_id,
                "state": recorded.state,
                "reason": recorded.reason,
                "reason_text": TEXTS.get(recorded.reason or ""),
                "units": recorded.units,
                "pending_units": recorded.pending,
                "member_id": recorded.member_id,
                "duplicate": recorded.duplicate,
            }
        )


class SaleShown(Shown):
    """A sale in a list. `kept_cents` is what still earns, its exact fraction cut to centavos."""

    sale_id: str
    partner_id: str
    merchant: str | None
    first_key: KeySaid
    sold_at: datetime
    sold_on: date
    member_id: str | None
    has_owner: bool
    base_cents: int
    kept_cents: int
    captured_cents: int
    given_back_cents: int
    confirmed: bool
    in_file: bool
    units: int
    pending_units: int
    state: SaleState
    reason: str | None
    reason_text: str | None
    flags: list[str]
    merged_into: str | None
    recorded_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "SaleShown":
        """Return a stored sale as the API shows it."""
        return cls.model_validate(_sale(row))


def _sale(row: Mapping[str, Any]) -> dict[str, Any]:
    same = SaleShown.model_fields.keys() & row.keys()
    return {
        **{name: row[name] for name in same},
        "first_key": {"kind": row["first_kind"], "value": row["first_value"]},
        "has_owner": row["owner"] is not None,
        "kept_cents": int(row["kept_numerator"]) // int(row["kept_denominator"]),
        "pending_units": row["pending"],
        "reason_text": TEXTS.get(row["reason"] or ""),
        "flags": json.loads(row["flags"]),
    }


class EvidenceShown(Shown):
    """One statement about the sale, without personal data."""

    evidence_id: str
    about: Literal["payment", "order", "fiscal", "row", "manual"]
    source_id: str
    delivery_id: str | None
    trust: str
    state: str
    keys: list[KeySaid]
    amount_cents: int | None
    returned_cents: int | None
    as_of: datetime
    received_at: datetime


class AwardShown(Shown):
    """What is posted for one member, by which terms."""

    member_id: str
    units: int
    pending_units: int
    target_units: int
    held: str | None
    terms: dict[str, str | int]
    explanation: str
    activates_at: datetime | None
    expires_at: datetime | None


class MovementShown(Shown):
    """One change of one member's wallet."""

    movement_id: str
    member_id: str
    kind: str
    units: int
    reason: str
    happened_at: datetime
    learned_at: datetime


class SaleFound(SaleShown):
    """A sale and why it scored or not."""

    member_mask: str | None
    evidence: list[EvidenceShown]
    awards: list[AwardShown]
    movements: list[MovementShown]

    @classmethod
    def found(cls, inquiry: Inquiry) -> "SaleFound":
        """Return an inquiry as the API shows it."""
        return cls(
            **_sale(inquiry.sale),
            member_mask=inquiry.member_mask,
            evidence=[
                EvidenceShown.model_validate(
                    {
                        **{name: getattr(each, name) for name in EvidenceShown.model_fields},
                        "keys": [key._asdict() for key in each.keys],
                    }
                )
                for each in inquiry.evidence
            ],
            awards=[AwardShown.model_validate(each, from_attributes=True) for each in inquiry.awards],
            movements=[
                MovementShown.model_validate(each, from_attributes=True) for each in inquiry.movements
            ],
        )


class SalesFound(Shown):
    """What was looked up, newest first."""

    data: list[SaleFound]
