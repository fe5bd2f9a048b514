"""A vendor's JSON is read by one meaning, or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import Malformed
from contracts.wire import parse


class Told(BaseModel):
    """What a vendor says, as far as we read it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    amount: int = Field(ge=0)


AMBIGUOUS = (
    b'{"amount":1,"amount":9}',
    b'{"amount":1,"amount":1}',
    b'{"amount":1,"other":[{"a":{"b":1,"b":2}}]}',
    b'{"amount":1,"\\u0061mount":9}',
    b'{"amount":1,"note":"\\"","amount":9}',
    b'{"amount":1,"":0,"":0}',
    b'{"amount":1,"other":NaN}',
    b'{"amount":1,"other":-Infinity}',
    b'{"amount":1,"other":"\\ud800"}',
    b'{"amount":1,"other":"\\udc00\\ud800"}',
    b'{"amount":1,"other":"\\u0000"}',
    b'{"amount":1,"other":"\\\\\\u0000"}',
    b'{"amount":1,"other":"\x00"}',
    b'{"amount":1,"other":"\xff"}',
)


@pytest.mark.parametrize("body", AMBIGUOUS)
def test_what_two_parsers_read_differently_or_a_database_cannot_keep_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"^body: (ambiguous_json|json_invalid)$"):
        parse(Told, body)


PLAIN = (
    b'{"amount":1}',
    b' { "amount" : 1 , "other" : [ { "a" : 1 } , { "a" : 1 } ] } ',
    b'{"amount":1,"note":"\\"amount\\":9 \\\\u0000 \\ud83d\\ude00 caf\\u00e9"}',
    b'{"amount":1,"other":{"amount":9}}',
    b'{"amount":1,"other":1e400}',
    b'{"amount":1,"other":-0.0}',
    b'{"amount":1,"other":123456789012345678901234567890}',
    '{"amount":1,"note":"ação \u2028 😀"}'.encode(),
)


@pytest.mark.parametrize("body", PLAIN)
def test_honest_json_is_read_however_it_is_written(body: bytes) -> None:
    assert parse(Told, body).amount == 1


NAMES = st.sampled_from(["a", "b", "amount", "", '"', "\\", "é"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(st.characters(codec="utf-8"), max_size=4),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.lists(st.tuples(NAMES, inner), max_size=4),
    max_leaves=12,
)


def _written(value: Any, *, ascii_only: bool) -> str:
    """Return JSON of `value`, in which a list of pairs is an object whose keys may repeat."""
    match value:
        case tuple():
            return f"[{','.join(_written(v, ascii_only=ascii_only) for v in value)}]"
        case list():
            said = (
                f"{json.dumps(k, ensure_ascii=ascii_only)}:{_written(v, ascii_only=ascii_only)}"
                for k, v in value
            )
            return f"{{{','.join(said)}}}"
        case _:
            return json.dumps(value, ensure_ascii=ascii_only)


def _repeats(value: Any) -> bool:
    match value:
        case tuple():
            return any(map(_repeats, value))
        case list():
            return len(dict(value)) != len(value) or any(_repeats(v) for _, v in value)
        case _:
            return False


@given(VALUES, st.sampled_from(["ascii", "utf-8"]))
def test_a_document_is_refused_exactly_when_one_of_its_objects_repeats_a_key(
    value: Any, writing: str
) -> None:
    text = f'{{"amount":1,"other":{_written(value, ascii_only=writing == "ascii")}}}'
    refused = _repeats(value) or "\\u0000" in json.dumps(json.loads(text)).replace("\\\\", "")
    try:
        parse(Told, text.encode())
    except Malformed:
        assert refused, text
    else:
        assert not refused, text
