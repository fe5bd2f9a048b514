"""The field types of the API: strict, bounded, and silent about what they refuse.

Money is whole centavos, instants carry their offset, and a document exists only inside a body.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.documents import Cnpj, Cpf, TaxId, tax_id
from contracts.errors import Malformed
from contracts.money import CENTS_MAX
from gateway.observe import mask
from gateway.personal import may_be_personal

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*")
_FIRST_YEAR, _LAST_YEAR = 2000, 2199

COUNT_MAX = CENTS_MAX
"""Nothing of ours is counted beyond ten digits, for the same reason."""


class Said(BaseModel):
    """A body that a caller sends: unknown fields and wrong types are refused, never repaired."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


class Shown(BaseModel):
    """A body that we answer."""

    model_config = ConfigDict(frozen=True)


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise PydanticCustomError("datetime_parsing", "not an ISO 8601 instant")
    return value


def _near(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise PydanticCustomError("datetime_parsing", "out of range")
    return value.astimezone(UTC)


def _bare(size: int) -> AfterValidator:
    def check(value: str) -> str:
        try:
            found = tax_id(value)
        except Malformed:
            raise PydanticCustomError("tax_id", "not a document") from None
        if found.size != size:
            raise PydanticCustomError("tax_id", "not a document of this kind")
        return found.text

    return AfterValidator(check)


def _public(value: str) -> str:
    # Many one-person companies bear their owner's CPF in the name; shown names and plain columns may not.
    if mask(value) != value:
        raise PydanticCustomError("personal", "holds a document or a card number")
    return value


def _impersonal(value: str) -> str:
    if may_be_personal(value):
        raise PydanticCustomError("personal", "holds a document, a card number or a name")
    return value


Instant: TypeAlias = Annotated[
    AwareDatetime, Field(strict=False), AfterValidator(_near), BeforeValidator(_written)
]
Name: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$"),
    AfterValidator(_public),
]
Ref: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
Id: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$")]
Code: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"), AfterValidator(_public)
]
TextVersion: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,40}$"), AfterValidator(_impersonal)
]
AmountCents: TypeAlias = Annotated[int, Field(ge=1, le=CENTS_MAX)]
PartCents: TypeAlias = Annotated[int, Field(ge=0, le=CENTS_MAX)]
Units: TypeAlias = Annotated[int, Field(ge=1, le=COUNT_MAX)]
MultiplierMilli: TypeAlias = Annotated[int, Field(ge=1, le=100_000, description="1500 is one and a half.")]
Days: TypeAlias = Annotated[int, Field(ge=1, le=36_500)]
CpfText: TypeAlias = Annotated[
    str,
    Field(max_length=32, examples=["529.982.247-25"], json_schema_extra={"format": "cpf"}),
    _bare(Cpf.size),
]
CnpjText: TypeAlias = Annotated[
    str,
    Field(max_length=32, examples=["11.222.333/0001-81"], json_schema_extra={"format": "cnpj"}),
    _bare(Cnpj.size),
]


def exactly_one(*groups: tuple[str, ...]) -> ConfigDict:
    """Return the model config that documents: of each group exactly one field is given."""

    def given(name: str) -> dict[str, Any]:
        return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}

    return ConfigDict(
        json_schema_extra={"allOf": [{"oneOf": [given(name) for name in group]} for group in groups]}
    )


class Identified(Said):
    """A body that names one person or company: a CPF or a CNPJ, in any writing."""

    model_config = exactly_one(("cpf", "cnpj"))

    cpf: CpfText | None = Field(default=None, repr=False)
    cnpj: CnpjText | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one(self) -> "Identified":
        if (self.cpf is None) == (self.cnpj is None):
            raise PydanticCustomError("one_document", "give a cpf or a cnpj")
        return self

    @property
    def document(self) -> TaxId:
        """The document named."""
        return tax_id(self.cpf or self.cnpj or "")
