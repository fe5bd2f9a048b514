"""Money: every centavo comes out, and a refund is given back, never subtracted.

The kit puts other amounts into the vendor's own messages and looks whether exactly those come out.
"""

from collections.abc import Iterator
from functools import partial

from contracts.conformance.conversations import Outcome, hold
from contracts.conformance.evidence import EVIDENCE, amounts, may_earn, name_of
from contracts.conformance.folders import Folder
from contracts.conformance.rewriting import with_amount
from contracts.conformance.samples import Sample
from contracts.facts import DocumentEvidence, Key, PaymentEvidence

CENTS = (29, 115, 435, 1999, 100501, 6410)
ORIGINAL = ("captured_cents", "gross_cents", "discount_cents", "shipping_cents", "fees_cents")


def single_amount(sample: Sample) -> int | None:
    """Return the amount of a sample whose every figure is the same, `None` of any other."""
    said = {cents for fact in sample.expected_facts for cents in amounts(fact).values()}
    if len(said) != 1:
        return None
    [cents] = said
    return cents if any(with_amount(text, cents, cents + 1) != text for text in sample.heard) else None


def every_centavo(sample: Sample, folder: Folder) -> Iterator[str]:
    """Amounts that no float holds come out to the centavo."""
    old_cents = single_amount(sample) or 0
    for new_cents in CENTS:
        changed = sample.rewritten(partial(with_amount, old_cents=old_cents, new_cents=new_cents))
        outcome = hold(changed, folder.connector)
        got = [amounts(fact) for fact in outcome.plain_facts]
        if got != [dict.fromkeys(amounts(fact), new_cents) for fact in sample.expected_facts]:
            came = outcome.plain if outcome.failed else got
            yield f"with {new_cents} centavos in the place of {old_cents} it says {came}"


def some_single_amount(folder: Folder) -> Iterator[str]:
    """Every way in has a sample in which other amounts can be put."""
    ways = {sample.kind for sample in folder.samples if any(map(may_earn, sample.expected_facts))}
    for way in sorted(ways):
        if not any(single_amount(sample) for sample in folder.samples if sample.kind == way):
            yield f"no {way} sample has one amount only (one line, no discount, no shipping) to be exchanged"


def same_before_its_refund(sample: Sample, folder: Folder) -> Iterator[str]:
    """Of a refunded sale name and amounts stay what they were, and what was given back never shrinks."""
    before = _by_name(hold(folder.named(sample.note("before")), folder.connector))
    after = _by_name(hold(sample, folder.connector))
    if not before or before.keys() != after.keys():
        yield "the sale has another name than before its refund"
        return
    for name, fact in after.items():
        was = before[name]
        for field in ORIGINAL:
            then, now = getattr(was, field, None), getattr(fact, field, None)
            if then != now:
                yield f"{field} was {then} and is {now}: what is given back belongs into returned_cents alone"
        if _given_back_cents(fact) < _given_back_cents(was):
            yield "less is given back than before"


def some_refund(folder: Folder) -> Iterator[str]:
    """A refunded order stands beside the same order before its refund."""
    facts = [fact for sample in folder.samples for fact in sample.expected_facts]
    refunded = any(fact["about"] == "document" and fact.get("returned_cents") for fact in facts)
    if refunded and not any("before" in sample.notes for sample in folder.samples):
        yield "no refunded order names the sample of the same order before: `# before: <sample>`"


def _by_name(outcome: Outcome) -> dict[frozenset[Key], PaymentEvidence | DocumentEvidence]:
    return {name_of(fact): fact for fact in outcome.facts if isinstance(fact, EVIDENCE)}


def _given_back_cents(fact: PaymentEvidence | DocumentEvidence) -> int:
    return (fact.returned_cents or 0) + sum(each.amount_cents or 0 for each in fact.operations)
