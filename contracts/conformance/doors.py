"""The door: a true delivery is believed, a forged one is not, and no secret or document is ever shown.

Whether a delivery is signed is fixed by the config; "verify if present" is no scheme.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from contracts.conformance.conversations import GREETED, OffScript, Outcome, config_of, hold
from contracts.conformance.evidence import earning
from contracts.conformance.folders import Folder
from contracts.conformance.people import documents_of, writings_of
from contracts.conformance.rewriting import put, values
from contracts.conformance.samples import Sample, Unreadable
from contracts.conformance.signing import Signed, forgeries, signed
from contracts.connector import AnyConnector
from contracts.errors import Forged
from contracts.signatures import NO_KEYS, Signature, Unsigned, parse_jwks

SECRET_NAME = re.compile(
    r".*(?:secret|password|passwd|senha|token|api_?key|access_?key|private)", re.IGNORECASE
)
SECRET_LETTERS = 6
PROBES = 40
SOMEBODY = "52998224725"


def only_true_deliveries(sample: Sample, folder: Folder) -> Iterator[str]:
    """The vendor's own signature is believed, or else the kit's; every forgery is refused."""
    scheme = scheme_of(sample, folder.connector)
    outcome = hold(sample, folder.connector)
    if outcome.result == GREETED:
        longer = _attempted(sample.hearing(0, sample.heard[0] + " "), folder.connector)
        if longer == outcome:
            yield "the greeting, which nobody signs, matches other bytes too"
    elif isinstance(scheme, Unsigned):
        if earning(outcome.facts) and not outcome.asked:
            yield "an unsigned delivery earns, though the vendor was not asked: anybody could write sales"
    else:
        yield from _believed(scheme, sample)


def _believed(scheme: Signature, sample: Sample) -> Iterator[str]:
    true = _vector(sample, scheme) or signed(scheme, sample.delivery, sample.now)
    if true is None:
        raise Unreadable("a signature of your own needs samples that carry the vendor's, with its `# now: `")
    refusal = _refusal(scheme, true)
    if refusal:
        yield f"a true delivery is refused: {refusal}"
    for what, forged in forgeries(scheme, true):
        if not _refusal(scheme, forged):
            yield f"a delivery {what} is believed"


def always_signed(sample: Sample, folder: Folder) -> Iterator[str]:
    """No config that leaves something out switches the signature off."""
    connector = folder.connector
    if isinstance(scheme_of(sample, connector), Unsigned):
        return
    told = sample.json("config")
    for name in told:
        rest = {key: value for key, value in told.items() if key != name}
        try:
            config = connector.config.model_validate_json(json.dumps(rest))
            scheme = _schemes(sample, connector)(config)
        except (ValidationError, ValueError):
            continue
        if isinstance(scheme, Unsigned):
            yield f"a config without {name} switches the signature off"


def scheme_of(sample: Sample, connector: AnyConnector) -> Signature:
    """Return the scheme that guards the address a sample arrives at."""
    scheme: Signature = _schemes(sample, connector)(config_of(sample, connector))
    return scheme


def is_vector(sample: Sample, connector: AnyConnector) -> bool:
    """Whether a sample carries a signature."""
    return _vector(sample, scheme_of(sample, connector)) is not None


def nothing_shown(sample: Sample, folder: Folder) -> Iterator[str]:
    """No secret of the config and no document stands in a repr, an address, an error or a log."""
    connector = folder.connector
    config = config_of(sample, connector)
    hidden = dict(_secrets(config, sample, connector))
    people = documents_of(sample) | {SOMEBODY}
    documents = {text: "a document" for bare in people for text in writings_of(bare)}
    with _listening() as logged:
        outcome = hold(sample, connector)
        errors = list(_errors(sample, connector))
    shown = {
        "the config": f"{config!r} {config}",
        "the connector": repr(connector),
        "its facts": repr(outcome.result),
        "a request": " ".join(f"{each!r} {each.path} {dict(each.query)}" for each in outcome.asked),
        "an error": " ".join(errors),
        "the log": " ".join(logged),
    }
    for place, text in shown.items():
        for secret, name in {**hidden, **documents}.items():
            if secret in text:
                yield f"{name} is shown by {place}"


def _schemes(sample: Sample, connector: AnyConnector) -> Any:
    able = connector.webhook if sample.kind == "webhook" else connector.checkout
    if able is None:
        raise Unreadable(f"the connector has no {sample.kind}")
    return able.signature


def _vector(sample: Sample, scheme: Signature) -> Signed | None:
    """Return the delivery as it stands if it carries a signature."""
    keys = parse_jwks(sample.note("keys").encode()) if "keys" in sample.notes else NO_KEYS
    true = Signed(sample.delivery, sample.now, keys)
    return None if _refusal(scheme, true) == "absent" else true


def _refusal(scheme: Signature, true: Signed) -> str:
    try:
        scheme.check(true.delivery, true.now, true.keys)
    except Forged as error:
        return error.reason
    return ""


def _secrets(config: BaseModel, sample: Sample, connector: AnyConnector) -> Iterator[tuple[str, str]]:
    """Yield what must not be shown, with its name: by its type, by its name, or because it opens a door."""
    for name, value in config:
        text = value.get_secret_value() if isinstance(value, SecretStr | SecretBytes) else value
        text = text.decode() if isinstance(text, bytes) else text
        named = isinstance(value, SecretStr | SecretBytes) or SECRET_NAME.fullmatch(name)
        if named and isinstance(text, str) and len(text) >= SECRET_LETTERS:
            yield text, name
    doors: list[Any] = [connector.credentials(config)]
    if sample.kind in {"webhook", "checkout"}:
        doors.append(scheme_of(sample, connector))
    for door in doors:
        yield from ((text, "what opens the door") for text in _hidden(door) if len(text) >= SECRET_LETTERS)


def _hidden(door: Any) -> Iterator[str]:
    """Yield the texts in the fields that a scheme or credentials keep out of their own repr."""
    for each in fields(door) if is_dataclass(door) else ():
        value = None if each.repr else getattr(door, each.name)
        held = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        for text in held:
            if isinstance(text, str | bytes):
                yield text.decode() if isinstance(text, bytes) else text


def _errors(sample: Sample, connector: AnyConnector) -> Iterator[str]:
    """Yield the texts of the errors that a document in the wrong place and torn bytes lead to."""
    document = next(iter(sorted(documents_of(sample))), SOMEBODY)
    for number, text in enumerate(sample.heard):
        places = [place for place, value in values(text) if not isinstance(value, dict | list)]
        some = places[:: max(1, len(places) // PROBES)]
        wrong = [put(text, place, value) for place in some for value in (document, [document])]
        for each in (*wrong, text[: len(text) // 2]) if text else ():
            outcome = _attempted(sample.hearing(number, each), connector)
            if outcome is not None and outcome.failed:
                yield f"{outcome.result} {outcome.result!r}"


def _attempted(sample: Sample, connector: AnyConnector) -> Outcome | None:
    try:
        return hold(sample, connector)
    except OffScript:
        return None


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Yield what is logged meanwhile, by anybody, whatever its level."""
    heard: list[str] = []

    class _Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    root, ear = logging.getLogger(), _Ear()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        root.removeHandler(ear)
        root.setLevel(level)
