"""Puts invented people into the place of true ones in a vendor's message, and leaves the rest as it is written.

It works on the text, not on what a parser makes of it: a message that nobody could read must stay unreadable
in the same way. What names itself is found by its field, the rest by its shape; a person reads the result.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice

from contracts.documents import Cpf, TaxId, tax_id
from contracts.errors import Malformed
from gateway.personal import may_be_personal

EMAIL, PHONE, POSTCODE, NAME = "pessoa@exemplo.example", "+5511900000000", "01000-000", "Pessoa Inventada"
DOCUMENT = Cpf("11144477735")
"""Also what stands for a document that the hub itself took out before it kept a message."""

# What a field's name says of its value; names are compared in lower case, their words divided by `_`.
_DOCUMENTS = re.compile(
    r"(?:.*_)?(?:cpf|cnpj|rg|documento?|tax_id|vat|identification)(?:_?(?:number|numero))?"
)
_TELLING = tuple(
    (re.compile(rf"(?:.*_)?(?:{names})"), instead)
    for names, instead in (
        (r"e_?mails?(?:_address)?", EMAIL),
        (
            r"(?:tele|cell?|mobile_|home_)?(?:phone|fone)s?(?:_number)?|tel|celular|mobile|whats_?app|fax",
            PHONE,
        ),
        (r"birth(?:day|date|_date)?|nascimento|dob", "1990-01-01"),
        (r"ip(?:_address)?", "192.0.2.1"),
        (
            r"street\w*|address_?\d?|logradouro|rua|complement\w*|neighbou?rhood|bairro|district",
            "Rua Inventada",
        ),
        (r"zip(?:_?code)?|postal_?code|postcode|cep", POSTCODE),
        (r"notes?|message|comments?|observa\w+|memo", "(texto retirado)"),
        (r"(?:first|last|given|family|middle|full|social|corporate|trade)_?name", NAME),
        (r"(?:customer|client|buyer|contact|recipient|receiver|payer|holder|user)_?name", NAME),
        (r"(?:sobre)?nome\w*|razao_social|fantasia|receiver|company|cardholder\w*", NAME),
        (r"token|secret|password|senha|authorization|cookie", "retirado"),
    )
)
_PEOPLE = re.compile(
    r".*(?:customer|client|buyer|billing|shipping|recipient|payer|contact|user|person|compra|destin).*"
)
_LABELS = frozenset({"key", "name"})

# The last text of a torn message has no end.
_JSON = re.compile(r'"(?:[^"\\]|\\.)*"?|\[(?:document|card|hidden)\]|-?\d[\d.eE+-]*|[{}\[\]:,]')
_LONG = re.compile(r"(?<![\d.])\d{10,13}(?![\d.])")
_STRAY, _LITERALS = re.compile(r"[^\W\d_]+"), frozenset({"true", "false", "null"})
_XML = re.compile(r"<(?P<name>[A-Za-z][\w.-]*)(?:\s[^<>]*)?>(?P<value>[^<>]+)(?=</)")
_FORM = re.compile(r"(?:^|(?<=&))(?P<name>[\w.\[\]-]+)=(?P<value>[^&\s]+)")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+\d[\d ()-]{9,17}\d")
_LETTER = "[0-9A-Za-z]"
_DOCUMENT = re.compile(
    rf"(?<![\w.-])(?:\d{{3}}\.?\d{{3}}\.?\d{{3}}-?\d{{2}}"
    rf"|{_LETTER}{{2}}\.?{_LETTER}{{3}}\.?{_LETTER}{{3}}/?{_LETTER}{{4}}-?\d{{2}})(?![\w-])"
)


def scrubbed(text: str, invented: "Invented") -> str:
    """Return a vendor's message, JSON, XML, a form or plain text, with invented people in it.

    The same document becomes the same invented one; how it is written stays.
    """
    start = text.lstrip()[:1]
    if start in {"{", "["}:
        told = _json(text, invented)
        return told if _is_json(text) else _LONG.sub(_unnamed, told)
    pairs = _XML if start == "<" else _FORM

    def pair(found: re.Match[str]) -> str:
        value = found["value"]
        return found[0][: len(found[0]) - len(value)] + _value(found["name"], (), value, invented)

    return by_shape(pairs.sub(pair, text), invented)


def by_shape(text: str, invented: "Invented") -> str:
    """Return a text without what shows by its own shape: documents, addresses of mail, telephones."""

    def document(found: re.Match[str]) -> str:
        try:
            true = tax_id(found[0])
        except Malformed:
            return found[0]
        instead = invented(true)
        return instead.text if found[0].isalnum() else instead.formatted

    text = _DOCUMENT.sub(document, text).replace("[document]", DOCUMENT.formatted)
    return _PHONE.sub(PHONE, _EMAIL.sub(EMAIL, text))


def without(secrets: Mapping[str, str], text: str) -> str:
    """Return JSON in which every secret (its text, with its name) is an invented one of the same length."""
    for secret in sorted(secrets, key=len, reverse=True):
        letters = cycle(f"invented-{secrets[secret].replace('_', '-')}-")
        text = text.replace(json.dumps(secret)[1:-1], "".join(islice(letters, len(secret))))
    return text


@dataclass(slots=True)
class Invented:
    """The documents that stand for true ones, so far."""

    of: dict[str, TaxId] = field(default_factory=dict)

    def __call__(self, true: TaxId) -> TaxId:
        if true.text not in self.of:
            unused = (each for each in _documents(type(true)) if each not in self.of.values())
            self.of[true.text] = next(unused)
        return self.of[true.text]


def _documents(kind: type[TaxId]) -> Iterator[TaxId]:
    """Yield made-up documents with true check digits."""
    for number in count():
        body = str(111444777 + number) if kind is Cpf else f"{11222333 + number}0001"
        for digits in range(100):
            try:
                yield kind(f"{body}{digits:02d}")
            except Malformed:
                continue


def _json(text: str, invented: Invented) -> str:
    """Walk over tokens with the names that lead to each; what is torn is walked over as far as it goes."""
    written: list[str] = []
    names, labels, end = [""], [""], 0
    for token in _JSON.finditer(text):
        written.append(_between(text[end : token.start()]))
        end, found = token.end(), token[0]
        if found in "{[":
            names.append("")
            labels.append("")
        elif found in "}]":
            names, labels = names[:-1] or [""], labels[:-1] or [""]
        elif found[0] == '"' and text[end:].lstrip().startswith(":"):
            names[-1] = found[1:-1]
        elif found not in ":,":
            # {"key": "_billing_cpf", "value": "..."}: the label is the value's name.
            labels[-1] = found[1:-1] if names[-1] in _LABELS else labels[-1]
            name = labels[-1] if names[-1] == "value" and labels[-1] else names[-1]
            found = _token(name, names[:-1], found, invented)
        written.append(found)
    return "".join([*written, _between(text[end:])])


def _between(text: str) -> str:
    """Return what stands between tokens. In torn JSON that may be half a name, so that only its length stays."""
    return _STRAY.sub(lambda found: found[0] if found[0] in _LITERALS else "x" * len(found[0]), text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _unnamed(found: re.Match[str]) -> str:
    """Return what stands for a long number whose name was torn off: it may be a telephone."""
    try:
        tax_id(found[0])
    except Malformed:
        return _reshaped(found[0])
    return found[0]


def _token(name: str, above: Sequence[str], found: str, invented: Invented) -> str:
    if found[0] == '"' and (found[-1] != '"' or len(found) == 1):
        return '"' + "x" * (len(found) - 1)
    if found[0] == '"':
        return f'"{_value(name, above, found[1:-1], invented)}"'
    if found[0] == "[":
        return DOCUMENT.text if found == "[document]" else "0"
    instead = _told(_words(name), above, found)
    return _reshaped(found) if instead in {PHONE, POSTCODE} else by_shape(found, invented)


def _value(name: str, above: Sequence[str], value: str, invented: Invented) -> str:
    """Return what stands for a value under these names; what is empty stays so."""
    words = _words(name)
    told = by_shape(value, invented)
    if not value.strip() or (told != value and _DOCUMENT.fullmatch(value)):
        return told
    if _DOCUMENTS.fullmatch(words):
        return told if told != value else _reshaped(value)
    return _told(words, above, value) or told


def _told(words: str, above: Sequence[str], value: str) -> str | None:
    """Return what must stand under a name, `None` if the name says nothing."""
    for pattern, instead in _TELLING:
        if pattern.fullmatch(words):
            return instead
    named = words == "name" and (may_be_personal(value) or any(_PEOPLE.fullmatch(_words(n)) for n in above))
    return NAME if named else None


def _reshaped(value: str) -> str:
    """Return a number of the same writing: a mistyped document is somebody's all the same."""
    return re.sub(r"\d", "1", value)


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[.\s\[\]-]+", "_", name).lower().strip("_")
