"""Evidence as it may be kept: what other systems chose as their references, and never a person's own numbers.

Whoever looks something up by such a reference puts the same question: a token finds what a token was kept as.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar, cast

from contracts.facts import DocumentEvidence, Key, Line, Operation, PaymentEvidence, Tender
from gateway.personal import may_be_personal
from gateway.privacy import ProgrammeKeys

E = TypeVar("E", bound=PaymentEvidence | DocumentEvidence)


def kept_key(keys: ProgrammeKeys, key: Key) -> Key:
    """Return a foreign identity as it is kept and looked up."""
    kind = key.kind if _is_plain(key.kind) else keys.reference(key.kind)
    return Key(kind, keys.reference(key.value))


@lru_cache(1024)
def _is_plain(kind: str) -> bool:
    """Return whether a numbering names no person; there are few of them, and every key has one."""
    return not may_be_personal(kind)


def kept(keys: ProgrammeKeys, evidence: E) -> E:
    """Return `evidence` with each reference as it is kept; voucher codes are secrets: only tokens stay."""
    changed = {name: held for name, held in _held(keys, evidence) if held != getattr(evidence, name)}
    return cast("E", evidence.model_copy(update=changed)) if changed else evidence


def _held(keys: ProgrammeKeys, evidence: PaymentEvidence | DocumentEvidence) -> Iterator[tuple[str, Any]]:
    yield "keys", _keys(keys, evidence.keys)
    for name in ("merchant_ref", "terminal_ref", "operator_ref"):
        text: str | None = getattr(evidence, name)
        if text is not None:
            yield name, keys.reference(text)
    if evidence.links:
        yield "links", _keys(keys, evidence.links)
    if evidence.voucher_codes:
        yield "voucher_codes", tuple(keys.token(code) for code in evidence.voucher_codes)
    if evidence.lines:
        yield "lines", tuple(_line(keys, line) for line in evidence.lines)
    if evidence.operations:
        yield "operations", tuple(_operation(keys, operation) for operation in evidence.operations)
    if isinstance(evidence, DocumentEvidence) and evidence.tenders:
        yield "tenders", tuple(_tender(keys, tender) for tender in evidence.tenders)


def _keys(keys: ProgrammeKeys, held: Iterable[Key]) -> tuple[Key, ...]:
    return tuple(kept_key(keys, key) for key in held)


def _line(keys: ProgrammeKeys, line: Line) -> Line:
    code = keys.reference(line.code)
    return line if code == line.code else line.model_copy(update={"code": code})


def _operation(keys: ProgrammeKeys, operation: Operation) -> Operation:
    named = {"space": keys.reference(operation.space), "key": keys.reference(operation.key)}
    same = named == {"space": operation.space, "key": operation.key}
    return operation if same else operation.model_copy(update=named)


def _tender(keys: ProgrammeKeys, tender: Tender) -> Tender:
    held = _keys(keys, tender.keys)
    return tender if held == tender.keys else tender.model_copy(update={"keys": held})
