"""Values that must be found nowhere, in every writing; and requests that carry one in every field of every route."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

CPF_DIGITS = "71459384644"
PAN_DIGITS = "5413330089020011"
HOLDER = "ZULMIRA QUIXABEIRA CANARIO"


@dataclass(frozen=True)
class Canary:
    """One unique value: how people write it, and bare."""

    kind: str
    written: str
    bare: str

    @property
    def writings(self) -> dict[str, str]:
        """Return the six writings by name; the dotted one in base64, hex and URL encoding is caught with them."""
        text = self.bare.encode()
        return {
            "dotted": self.written,
            "bare": self.bare,
            "integer": str(int(self.bare)) if self.bare.isdigit() else self.bare,
            "url": quote(self.written.replace(".", " ") if self.bare.isdigit() else self.written, safe=""),
            "base64": base64.b64encode(text).decode(),
            "hex": text.hex(),
        }

    def traces(self) -> set[bytes]:
        """Return the byte strings that would betray it, longest alignments of base64 cut to what is stable."""
        found = {text.encode() for text in self.writings.values()}
        return found | {text.upper() for text in found} | {self.written.encode().hex().encode()}


CANARIES = (
    Canary("cpf", "714.593.846-44", CPF_DIGITS),
    Canary("pan", "5413 3300 8902 0011", PAN_DIGITS),
    Canary("holder", HOLDER, HOLDER.replace(" ", "")),
)


def traces_in(blob: bytes) -> set[str]:
    """Return the names of the canaries, and the writings, that `blob` betrays."""
    return {
        f"{canary.kind} as {trace.decode()}"
        for canary in CANARIES
        for trace in canary.traces()
        if trace in blob
    }


FRESH, FRESH_CPF = "~n~", "~cpf~"
"""Stand in a body for a number that nothing had before, and for the CPF of somebody new."""


@dataclass(frozen=True)
class Call:
    """One request to be; a body that is text is sent as it stands.

    `only` names the one field in which canaries are planted, `nonce` is what a signed request is told by.
    """

    method: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    only: str = ""
    nonce: str = ""


SIGNED = ("/in/", "/v1/terminal/", "/checkout/")
"""Lanes that prove themselves otherwise than by an API key."""


class Routes:
    """The operations of an OpenAPI document, with bodies that are valid as far as a schema tells."""

    def __init__(self, document: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self._schemas = document.get("components", {}).get("schemas", {})
        self._known = known
        self._operations = [
            (method.upper(), path, operation)
            for path, methods in document["paths"].items()
            if not path.startswith(SIGNED)
            for method, operation in methods.items()
        ]

    def calls(self) -> Iterator[Call]:
        """Yield each operation once, valid."""
        for method, path, operation in self._operations:
            content = operation.get("requestBody", {}).get("content", {})
            bodies = [self.example(media["schema"]) for media in content.values()]
            yield Call(method, self._filled(path), bodies[0] if bodies else None)

    def example(self, schema: Mapping[str, Any], name: str = "") -> Any:
        """Return a value of `schema`; ids that exist come from `known`."""
        if name in self._known:
            return self._known[name]
        schema = self._resolved(schema)
        told = [
            [schema.get("const")],
            [schema.get("default")],
            schema.get("examples", []),
            schema.get("enum", []),
        ]
        for choice in (choices[0] for choices in told if choices and choices[0] not in (None, [])):
            return choice
        kind = schema.get("type", "string")
        if kind == "object":
            return {inner: self.example(held, inner) for inner, held in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.example(schema["items"], name)]
        text = "2026-03-30T12:00:00Z" if schema.get("format") == "date-time" else "x1"
        plain: dict[str, Any] = {"integer": schema.get("minimum", 1), "number": 1, "boolean": True}
        return plain.get(kind, text)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        for union in ("anyOf", "oneOf", "allOf"):
            if union in schema:
                return {**self._resolved(schema[union][0]), **{k: v for k, v in schema.items() if k != union}}
        if "$ref" in schema:
            return self._resolved(self._schemas[schema["$ref"].rpartition("/")[2]])
        return schema

    def _filled(self, path: str) -> str:
        for name, value in self._known.items():
            path = path.replace("{" + name + "}", str(value))
        return path


def _is_its_place(canary: Canary, name: str) -> bool:
    """Whether a field is where such a value may be: a shown name, of a shop say, may be a person's name."""
    return name == "name" and canary.kind == "holder"


def flown(calls: Iterable[Call], canaries: Sequence[Canary] = CANARIES) -> Iterator[Call]:
    """Yield `calls` with every canary, in every writing, in every field."""
    for call in calls:
        for canary in canaries:
            for name, writing in canary.writings.items():
                if name != "integer":
                    yield from planted(call, canary, writing, as_number=False)
                elif writing.isdigit():  # else, and elsewhere than in a body, the same as bare
                    yield from planted(call, canary, writing, as_number=True)


def planted(call: Call, canary: Canary, writing: str, *, as_number: bool) -> Iterator[Call]:
    """Yield `call` with `writing` in each field of its body, then in its path, its query and its headers."""
    for place in () if call.body is None else _leaves(call.body):
        name = next((part for part in reversed(place) if isinstance(part, str)), "")
        if (call.only or name) == name and not _is_its_place(canary, name):
            yield replace(call, body=_with(call.body, place, int(writing) if as_number else writing))
    if call.only or as_number:
        return
    if isinstance(call.body, dict):
        yield replace(call, body={**call.body, writing: writing, "unknown": writing})
        if "answer" in call.body:  # what a payment application really appends
            card = f"&pan={quote(writing)}&cardholder_name={quote(writing)}&cpf={quote(writing)}"
            yield replace(call, body={**call.body, "answer": call.body["answer"] + card})
            yield replace(
                call, body={**call.body, "answer": f"{call.body['answer']}&order_id={quote(writing)}"}
            )
            atk = f"ponte://pay-response?code=0&success=true&amount=1000&atk={quote(writing)}"
            yield replace(call, body={**call.body, "answer": atk})
        yield replace(call, body=json.dumps(call.body)[:-1] + f',"{writing}')
    yield replace(call, path=f"{call.path}/{quote(writing)}")
    yield replace(call, path=f"{call.path.rpartition('/')[0]}/{quote(writing)}")
    yield replace(call, path=f"{call.path}?cursor={quote(writing)}&limit={quote(writing)}&x={quote(writing)}")
    named = ("idempotency-key", "if-match", "user-agent", "x-request-id")
    yield replace(call, headers=tuple((name, writing) for name in named), nonce=writing)
    yield replace(call, headers=(("authorization", writing),))


def _leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if inner is None:
        yield place
        return
    for name, held in inner:
        yield from _leaves(held, (*place, name))


def _with(value: Any, place: tuple[str | int, ...], planted_value: Any) -> Any:
    if not place:
        return planted_value
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _with(value[place[0]], place[1:], planted_value)
    return copy
