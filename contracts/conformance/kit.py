"""The kit: every check by its name, which samples it concerns, and what it finds.

A check is a function that yields sentences; a connector passes when none of them has anything to say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from traceback import extract_tb

from contracts.conformance import (
    amounts,
    coupons,
    doors,
    identities,
    meaning,
    mutations,
    pages,
    people,
    polling,
)
from contracts.conformance.conversations import GREETED, OffScript
from contracts.conformance.evidence import may_earn
from contracts.conformance.folders import Folder
from contracts.conformance.rewriting import values
from contracts.conformance.samples import Sample, Unreadable


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """What must hold of each sample that it concerns."""

    found: Callable[[Sample, Folder], Iterator[str]]
    concerns: Callable[[Sample], bool]

    @property
    def name(self) -> str:
        """The name that pytest shows."""
        return self.found.__name__


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """What must hold of a connector and all its samples together."""

    found: Callable[[Folder], Iterator[str]]
    concerns: Callable[[Folder], bool]

    @property
    def name(self) -> str:
        """The name that pytest shows."""
        return self.found.__name__


def _any(_subject: object) -> bool:
    return True


def _speaks(sample: Sample) -> bool:
    return sample.kind != "config"


def _says_json(sample: Sample) -> bool:
    # A greeting is known by its very bytes.
    told = _speaks(sample) and sample.expected != GREETED
    return told and any(len(list(values(text))) > 1 for text in sample.heard)


def _earns(sample: Sample) -> bool:
    return any(map(may_earn, sample.expected_facts))


def _arrives(sample: Sample) -> bool:
    return sample.kind in {"webhook", "checkout"}


SAMPLE_CHECKS = (
    SampleCheck(meaning.expected, _any),
    SampleCheck(meaning.origin, _any),
    SampleCheck(meaning.only_the_bytes, _speaks),
    SampleCheck(meaning.reordered_fields, _says_json),
    SampleCheck(meaning.new_fields, _says_json),
    SampleCheck(mutations.five_ways, lambda sample: _says_json(sample) and not sample.fails),
    SampleCheck(amounts.every_centavo, lambda sample: amounts.single_amount(sample) is not None),
    SampleCheck(amounts.same_before_its_refund, lambda sample: "before" in sample.notes),
    SampleCheck(people.every_writing, lambda sample: bool(people.documents_of(sample))),
    SampleCheck(identities.unknown_status, lambda sample: sample.kind != "terminal" and _earns(sample)),
    SampleCheck(identities.never_the_delivery, lambda sample: sample.kind == "webhook" and _earns(sample)),
    SampleCheck(doors.only_true_deliveries, _arrives),
    SampleCheck(doors.always_signed, _arrives),
    SampleCheck(doors.nothing_shown, _speaks),
    SampleCheck(polling.equal_instants, lambda sample: sample.kind == "poll" and not sample.fails),
    SampleCheck(polling.from_the_start, lambda sample: sample.kind == "poll" and "start" in sample.notes),
    SampleCheck(coupons.told_the_store, lambda sample: sample.kind in {"coupon.create", "coupon.find"}),
)

FOLDER_CHECKS = (
    FolderCheck(pages.four_headings, _any),
    FolderCheck(pages.contracts_alone, _any),
    FolderCheck(pages.every_branch, _any),
    FolderCheck(amounts.some_single_amount, _any),
    FolderCheck(amounts.some_refund, _any),
    FolderCheck(people.people_and_companies, _any),
    FolderCheck(identities.named_alike, _any),
    FolderCheck(identities.told_twice, _any),
    FolderCheck(polling.every_page, lambda folder: folder.connector.poll is not None),
    FolderCheck(polling.from_any_cursor, lambda folder: folder.connector.poll is not None),
    FolderCheck(coupons.one_coupon, lambda folder: folder.connector.coupons is not None),
    FolderCheck(coupons.every_answer, lambda folder: folder.connector.coupons is not None),
)


def checks_of(sample: Sample) -> tuple[SampleCheck, ...]:
    """Return the checks that concern a sample; without an expectation, only the one that says so."""
    try:
        return tuple(check for check in SAMPLE_CHECKS if check.concerns(sample))
    except (Unreadable, KeyError, TypeError, AttributeError):
        return SAMPLE_CHECKS[:2]


def faults(found: Callable[[], Iterator[str]]) -> list[str]:
    """Return what a check found; a sample that cannot be tried, and an error that escapes, are found too."""
    said: list[str] = []
    try:
        said.extend(found())
    except (OffScript, Unreadable) as error:
        said.append(str(error))
    except Exception as error:  # noqa: BLE001 the connector may raise anything
        place = extract_tb(error.__traceback__)[-1]
        said.append(
            f"{type(error).__name__} escapes from {place.name}: {error} ({place.filename}:{place.lineno})"
        )
    return said


def faults_of(folder: Folder) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the sample's name (none for the folder as a whole), the check's name and what it found."""
    for sample in folder.samples:
        for check in checks_of(sample):
            if said := faults(lambda check=check, sample=sample: check.found(sample, folder)):  # type: ignore[misc]
                yield sample.name, check.name, said
    for whole in FOLDER_CHECKS:
        if whole.concerns(folder) and (said := faults(lambda whole=whole: whole.found(folder))):  # type: ignore[misc]
            yield "", whole.name, said
