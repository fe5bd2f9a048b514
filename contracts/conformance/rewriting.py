"""Says the same message in other ways, or another message in the same way; JSON keeps its numbers' writing.

Text that is no JSON comes back as it was.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Place: TypeAlias = tuple[str | int, ...]

ADDED = {"added_in_2032": {"x": [1]}}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?')
_AMOUNT = re.compile(r"(?<![^=\"])\d+(?:[.,]\d+)?(?![^&\"])")


def reversed_fields(text: str) -> str:
    """Return JSON with the fields of every object in the other order."""
    return _through_json(text, _reversed)


def with_new_fields(text: str) -> str:
    """Return JSON in which a later version of the vendor adds a field to every object."""
    return _through_json(text, _added)


def with_amount(text: str, old_cents: int, new_cents: int) -> str:
    """Return the text with one amount in the place of another, wherever a value is just that amount.

    Whole numbers are centavos, numbers with a fraction are reais and keep as many places as they need.
    """

    def amount(found: re.Match[str]) -> str:
        written = found.group()
        whole, mark, fraction = written.partition("," if "," in written else ".")
        if not mark:
            return str(new_cents) if int(whole) == old_cents else written
        if int(whole) * 100 + int(fraction[:2].ljust(2, "0")) != old_cents or fraction[2:].strip("0"):
            return written
        new = f"{new_cents % 100:02d}".ljust(len(fraction), "0")
        return f"{new_cents // 100}{mark}{new}"

    return _TOKEN.sub(lambda token: _AMOUNT.sub(amount, token.group()), text)


def values(text: str) -> Iterator[tuple[Place, Any]]:
    """Yield the place and the value of everything in a JSON document; nothing if it is none."""
    document = _parsed(text)
    if document is not None:
        yield from _walk(document, ())


def put(text: str, place: Place, value: Any) -> str:
    """Return the JSON document with another value at a place."""
    return json.dumps(_put(json.loads(text), place, value), ensure_ascii=False)


def _through_json(text: str, change: Callable[[Any], Any]) -> str:
    document = _parsed(text)
    return text if document is None else json.dumps(change(document), ensure_ascii=False)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(held) for name, held in reversed(value.items())}
    return [_reversed(held) for held in value] if isinstance(value, list) else value


def _added(value: Any) -> Any:
    if isinstance(value, dict):
        return {**{name: _added(held) for name, held in value.items()}, **ADDED}
    return [_added(held) for held in value] if isinstance(value, list) else value


def _walk(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    yield place, value
    if isinstance(value, dict):
        for name, held in value.items():
            yield from _walk(held, (*place, name))
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from _walk(held, (*place, number))


def _put(document: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    first, *rest = place
    copied = document.copy()
    copied[first] = _put(document[first], tuple(rest), value)
    return copied
