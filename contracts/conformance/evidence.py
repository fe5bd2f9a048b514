"""What the checks ask of facts: under which names, with which amounts, and whether they could earn.

Facts come as values from a connector, or as JSON from an expectation.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from contracts.facts import WEAK_KINDS, AnyFact, DocumentEvidence, Key, PaymentEvidence

_CENTS = re.compile(r"_cents(?:\.\d+)?$")
Names: TypeAlias = frozenset[frozenset[Key]]

EVIDENCE = (PaymentEvidence, DocumentEvidence)


def names_of(facts: Iterable[AnyFact]) -> Names:
    """Return the names of the sales that facts speak of."""
    return frozenset(name_of(fact) for fact in facts if isinstance(fact, EVIDENCE))


def name_of(fact: PaymentEvidence | DocumentEvidence) -> frozenset[Key]:
    """Return the keys that name a sale; those that may repeat in honest life do not."""
    return frozenset(key for key in fact.keys if key.kind not in WEAK_KINDS)


def earning(facts: Iterable[AnyFact]) -> int:
    """Return how many facts could earn: captured, no test, and not given back in full."""
    return sum(1 for fact in facts if isinstance(fact, EVIDENCE) and _earns(fact))


def may_earn(fact: dict[str, Any]) -> bool:
    """Whether a fact of an expectation states captured money."""
    captured = fact.get("state", "captured") == "captured" and not fact.get("test")
    return captured and bool(fact.get("captured_cents") or fact.get("gross_cents"))


def amounts(fact: Any, at: str = "") -> dict[str, int]:
    """Return every amount of a fact of an expectation that is not zero, by its place."""
    held = fact.items() if isinstance(fact, dict) else enumerate(fact) if isinstance(fact, list) else ()
    found: dict[str, int] = {}
    for name, value in held:
        place = f"{at}.{name}"
        if isinstance(value, int) and value and _CENTS.search(place):
            found[place] = value
        found |= amounts(value, place)
    return found


def _earns(fact: PaymentEvidence | DocumentEvidence) -> bool:
    return fact.state == "captured" and not fact.test and _kept_cents(fact) > 0


def _kept_cents(fact: PaymentEvidence | DocumentEvidence) -> int:
    if isinstance(fact, DocumentEvidence):
        return fact.total_cents - fact.returned_cents
    return (fact.captured_cents or 0) - (fact.returned_cents or 0) - (fact.charged_back_cents or 0)
