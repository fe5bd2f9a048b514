"""Coupons: one voucher is one coupon of the store, however often it is created, and gone when it is revoked.

The samples tell how the store answers when the code already stands, and when it does not.
"""

from collections.abc import Iterator

from contracts.conformance.conversations import OffScript, hold
from contracts.conformance.folders import Folder
from contracts.conformance.samples import Sample


def one_coupon(folder: Folder) -> Iterator[str]:
    """Whether its code is new, stands already, or is looked for after a lost answer: one reference."""
    refs: dict[str, set[str]] = {}
    for sample in _of(folder, "coupon.create", "coupon.find"):
        try:
            outcome = hold(sample, folder.connector)
        except OffScript as error:
            yield f"{sample.name}: {error}"
            continue
        if not outcome.failed and outcome.result is not None:
            refs.setdefault(sample.json("coupon")["code"], set()).add(outcome.result)
    for each in refs.values():
        if len(each) > 1:
            yield f"one code comes to {len(each)} references, {sorted(each)}: another voucher has another code"


def every_answer(folder: Folder) -> Iterator[str]:
    """The samples tell of a code that is new, stands already, is found, is not found, is revoked, is gone."""
    created: dict[str, int] = {}
    for sample in _of(folder, "coupon.create"):
        code = sample.json("coupon")["code"]
        created[code] = created.get(code, 0) + (not sample.fails)
    if max(created.values(), default=0) < 2:
        yield "no sample creates a coupon whose code already stands (the same `code` as another one's)"
    found = [sample.expected for sample in _of(folder, "coupon.find") if not sample.fails]
    if None not in found or not any(found):
        yield "a coupon that is found and one that is not need a sample each"
    if len(_of(folder, "coupon.revoke")) < 2:
        yield "a coupon that is revoked and one that is gone already need a sample each"


def told_the_store(sample: Sample, folder: Folder) -> Iterator[str]:
    """The code reaches the store as it is written; its hyphens may stay behind, they are for the eye."""
    code = sample.json("coupon")["code"]
    asked = hold(sample, folder.connector).asked
    said = [f"{each.path} {dict(each.query)} {each.body.decode(errors='replace')}" for each in asked]
    if not any(code in text or code.replace("-", "") in text for text in said):
        yield "no request names the code"


def _of(folder: Folder, *kinds: str) -> list[Sample]:
    return [sample for sample in folder.samples if sample.kind in kinds]
