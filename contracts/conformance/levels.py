"""How far a connector may be relied upon: computed from its samples and the kit, declared by nobody.

Each level stands on the one below it.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from enum import IntEnum

from contracts.conformance.doors import is_vector, scheme_of
from contracts.conformance.folders import Folder
from contracts.conformance.kit import faults_of
from contracts.conformance.meaning import ORIGIN
from contracts.conformance.pages import page_of
from contracts.conformance.samples import Sample
from contracts.signatures import Unsigned

WAYS = ("webhook", "poll", "file", "terminal", "checkout", "coupons")
FRESH_DAYS, WEEKLY_DAYS = 365, 8
OWNER = re.compile(r"^Owner: \S.*", re.MULTILINE)


class Level(IntEnum):
    """What is known of a connector."""

    BROKEN = 0
    """The kit finds something."""
    EXPERIMENTAL = 1
    """The kit finds nothing."""
    DOCUMENTED = 2
    """A sample of every capability, and a delivery with the vendor's own signature, cite the vendor's pages."""
    VERIFIED = 3
    """Captured within a year, `check` tells the account, and a poll recovers what a webhook lost."""
    MAINTAINED = 4
    """Somebody answers for it, and it was seen at work within eight days."""


def level_of(folder: Folder, today: date) -> Level:
    """Return the level on a day. Runs the kit, up to what it finds first."""
    if any(True for _ in faults_of(folder)):
        return Level.BROKEN
    reached = Level.EXPERIMENTAL
    for level, holds in (
        (Level.DOCUMENTED, _is_documented(folder)),
        (Level.VERIFIED, _is_verified(folder, today)),
        (Level.MAINTAINED, _is_maintained(folder, today)),
    ):
        if not holds:
            break
        reached = level
    return reached


def captured_on(sample: Sample) -> date | None:
    """Return the day a sample was captured, `None` if it was not."""
    found = ORIGIN.fullmatch(sample.note("source"))
    return (
        date.fromisoformat(found[1].removeprefix("captured ")) if found and "captured" in found[1] else None
    )


def _is_documented(folder: Folder) -> bool:
    cited = [sample for sample in folder.samples if not sample.note("source").startswith("synthetic")]
    ways = {_way(sample) for sample in cited}
    signed = [
        sample for sample in folder.samples if sample.kind == "webhook" and not _is_unsigned(sample, folder)
    ]
    vector = any(is_vector(sample, folder.connector) for sample in cited if sample.kind == "webhook")
    return ways.issuperset(_offered(folder)) and (vector or not signed)


def _is_verified(folder: Folder, today: date) -> bool:
    connector, oldest = folder.connector, today - timedelta(days=FRESH_DAYS)
    fresh = {_way(each) for each in folder.samples if (on := captured_on(each)) is not None and on >= oldest}
    told = [sample for sample in folder.samples if "same-sale" in sample.notes]
    recovers = connector.webhook is None or {"webhook", "poll"} <= {sample.kind for sample in told}
    return fresh.issuperset(_offered(folder)) and connector.check is not None and recovers


def _is_maintained(folder: Folder, today: date) -> bool:
    page = page_of(folder)
    days = [on for sample in folder.samples if (on := captured_on(sample)) is not None]
    seen = max(days, default=date.min) >= today - timedelta(days=WEEKLY_DAYS)
    return seen and page is not None and OWNER.search(page.read_text(encoding="utf-8")) is not None


def _offered(folder: Folder) -> Iterator[str]:
    return (way for way in WAYS if getattr(folder.connector, way) is not None)


def _way(sample: Sample) -> str:
    capability = sample.kind.partition(".")[0]
    return "coupons" if capability == "coupon" else capability


def _is_unsigned(sample: Sample, folder: Folder) -> bool:
    return isinstance(scheme_of(sample, folder.connector), Unsigned)
