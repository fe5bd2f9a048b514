"""Reading a vendor's JSON: bytes become a model of the connector's own, or a `Malformed` that says where.

A fault names the place and the kind, never what stands there: that may be a CPF.
"""

import json
import re
from decimal import Decimal
from json import JSONDecoder
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from contracts.errors import Malformed

M = TypeVar("M", bound=BaseModel)


class Wire(BaseModel):
    """A vendor's message: unknown fields are skipped, wrong types refused, and errors repeat no value."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]{1,128}", value) else None


def _document(value: Any) -> str | None:
    return (value.strip()[:32] or None) if isinstance(value, str) else None


Word = Annotated[str | None, BeforeValidator(_word)]
"""A printable word such as a coupon's; a merchant may call his anything, and that must not cost the order."""

DocumentText = Annotated[str | None, BeforeValidator(_document)]
"""What may be a CPF or CNPJ, from a field that holds anything: blanks are none."""

AMBIGUOUS = "body: ambiguous_json"
"""Why a document is malformed that some parsers read and others do not, or do not read alike."""

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def parse(model: type[M], body: bytes) -> M:
    """Return what the JSON in `body` says, as `model`; refused as `Malformed`, naming the first fault.

    Refused too, as `AMBIGUOUS` and wherever it stands: what two parsers read differently or a database cannot
    keep, which is a repeated key, NaN and infinities, a lone surrogate, NUL and invalid UTF-8.
    """
    try:
        said = model.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(AMBIGUOUS if _is_ambiguous(body) else _first_fault(error)) from None
    try:
        _refuse_ambiguous(body)
    except ValueError:
        raise Malformed(AMBIGUOUS) from None
    return said


def parse_exact(model: type[M], body: bytes) -> M:
    """Return what the JSON in `body` says, for a vendor that writes money as numbers; refused as in `parse`.

    Every number arrives as a `Decimal` with the digits that were written: no float ever stands for it. What
    JSON has no type for, such as an instant, arrives as text.
    """
    try:
        _refuse_ambiguous(body)
        said = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        raise Malformed(AMBIGUOUS if _is_ambiguous(body) else "body: json_invalid") from None
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise Malformed(_first_fault(error)) from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    # An unknown field's name, and the text of a broken document, are the sender's.
    place = fault["loc"][:-1] if fault["type"] == "extra_forbidden" else fault["loc"]
    # Only our own validators answer `value_error`, and they repeat no value.
    why = fault["msg"] if fault["type"] == "value_error" else fault["type"]
    return f"{'.'.join(map(str, place)) or 'body'}: {why}"


def _is_ambiguous(body: bytes) -> bool:
    """Return whether the most lenient reader takes for JSON what we refuse; what nobody reads is not JSON."""
    try:
        _refuse_ambiguous(body)
    except ValueError:
        try:
            json.loads(body.decode("utf-8-sig", "surrogateescape"), strict=False)
        except (ValueError, RecursionError):
            return False
        return True
    return False


def _refuse_ambiguous(body: bytes) -> None:
    """Raise `ValueError` for a document that pydantic reads, but others would read differently or not at all."""
    said = from_json(body, allow_inf_nan=False)
    if b"\\" not in body:
        # Without escapes each text is two quote marks: a key that the parser dropped leaves two too many.
        # This costs a third less than watching each object, and vendors seldom escape.
        if to_json(said).count(b'"') != body.count(b'"'):
            raise ValueError("repeated key")
        return
    if _ESCAPED_NUL.search(body):
        raise ValueError("NUL")
    _WATCHING.decode(body.decode())


def _object(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("repeated key")


_WATCHING = JSONDecoder(object_pairs_hook=_object)
