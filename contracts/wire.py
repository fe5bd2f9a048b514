"""Reading a vendor's JSON: bytes become a model of the connector's own, or a `Malformed` that says where.

A fault names the place and the kind, never what stands there: that may be a CPF.
"""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from contracts.errors import Malformed

M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], body: bytes) -> M:
    """Return what the JSON in `body` says, as `model`; refused as `Malformed`, naming the first fault."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
    # An unknown field's name, and the text of a broken document, are the sender's.
    place = fault["loc"][:-1] if fault["type"] == "extra_forbidden" else fault["loc"]
    # Only our own validators answer `value_error`, and they repeat no value.
    why = fault["msg"] if fault["type"] == "value_error" else fault["type"]
    raise Malformed(f"{'.'.join(map(str, place)) or 'body'}: {why}")
