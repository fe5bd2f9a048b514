"""Identities: a sale is named by what it is, alike by whatever way and however often it is told.

Whether it earns is decided by words that the connector knows, never by one it does not.
"""

import re
from collections.abc import Iterator

from contracts.conformance.conversations import OffScript, hold
from contracts.conformance.evidence import Names, earning, may_earn, names_of
from contracts.conformance.folders import Folder
from contracts.conformance.rewriting import Place, put, values
from contracts.conformance.samples import Sample, Unreadable

UNKNOWN = "added_in_2032"
# An event may decide by itself only where its own name says what became of the money.
OUTCOME = re.compile(
    r"paid|pago|captur|ap?prov|invoic|fatur|complet|autori|authori|refund|cancel|estorn|devol|chargedback",
    re.IGNORECASE,
)

_STATUS = re.compile(r"(?:.*status|state|situa(?:cao|tion))", re.IGNORECASE)
_EVENT = re.compile(r"(?:.*[_-])?(?:type|event|topic|action)", re.IGNORECASE)
_ENVELOPE_ID = re.compile(r"id|.*(?:event|delivery|hook|message)_?id", re.IGNORECASE)
_HEADER_ID = re.compile(r".*(?:delivery|event|request|message|hook).*id|.*-id|.*delivery", re.IGNORECASE)
_OTHER_DIGITS = str.maketrans("0123456789abcdef", "1234567890bcdefa")


def never_the_delivery(sample: Sample, folder: Folder) -> Iterator[str]:
    """Another number of the delivery gives the sale no other name."""
    named = names_of(hold(sample, folder.connector).facts)
    for what, changed in _redelivered(sample):
        try:
            again = names_of(hold(changed, folder.connector).facts)
        except OffScript:
            continue
        if again and again != named:
            yield f"another {what} gives the same sale another name"


def named_alike(folder: Folder) -> Iterator[str]:
    """A sale that is told twice, by whatever ways, is named alike; a device knows fewer names than a server."""
    for group, samples in _groups(folder).items():
        told = [(sample.kind, names_of(hold(sample, folder.connector).facts)) for sample in samples]
        if len(told) < 2:
            yield f"only one sample tells of {group}"
        if not all(_are_alike(one, other) for one in told for other in told):
            yield f"the samples marked `# same-sale: {group}` name it in different ways"


def told_twice(folder: Folder) -> Iterator[str]:
    """Some sale is told twice, and one by every way in, so that their names can be compared."""
    ways = {sample.kind for sample in folder.samples if any(map(may_earn, sample.expected_facts))}
    servers = ways - {"terminal"}
    groups = [{sample.kind for sample in samples} for samples in _groups(folder).values()]
    if len(servers) > 1 and not any(servers <= kinds for kinds in groups):
        yield f"no sale is told by {' and by '.join(sorted(servers))}: mark the samples `# same-sale: <name>`"
    elif servers and not groups and not any("before" in sample.notes for sample in folder.samples):
        yield "no sale is told twice: mark two samples `# same-sale: <name>`, or a refund `# before: <sample>`"


def unknown_status(sample: Sample, folder: Folder) -> Iterator[str]:
    """A status that nobody knows yet earns nothing."""
    earned = earning(hold(sample, folder.connector).facts)
    changed = list(_undecided(sample))
    if earned and changed and not any(_earned(each, folder) < earned for each in changed):
        yield (
            "a status unknown today earns all the same;"
            " if another field decides, name it: `# status: <path>`, or `# status: none: <reason>`"
        )


def _groups(folder: Folder) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in folder.samples:
        if "same-sale" in sample.notes:
            groups.setdefault(sample.notes["same-sale"], []).append(sample)
    return groups


def _are_alike(one: tuple[str, Names], other: tuple[str, Names]) -> bool:
    """Whether two samples give some sale the same name; a device knows fewer keys than a server."""
    if "terminal" in {one[0], other[0]}:
        return any(name & another for name in one[1] for another in other[1])
    return bool(one[1] & other[1])


def _redelivered(sample: Sample) -> Iterator[tuple[str, Sample]]:
    """Yield the sample as another delivery would bring it: another id in the envelope or in a header."""
    for name, value in sample.delivery.headers.items():
        if _HEADER_ID.fullmatch(name):
            yield name, sample.headed(name, value.translate(_OTHER_DIGITS))
    text = sample.heard[0]
    envelope = [(place, value) for place, value in values(text) if place and not place[1:]]
    if any(_is_named(place, _EVENT) for place, _ in envelope):
        for place, value in envelope:
            if _is_named(place, _ENVELOPE_ID):
                yield str(place[0]), sample.hearing(0, put(text, place, _another(value)))


def _another(identity: object) -> object:
    """Return an identity of the same shape; what is none stays as it is."""
    match identity:
        case str():
            return identity.translate(_OTHER_DIGITS)
        case int():
            return identity + 1
    return identity


def _undecided(sample: Sample) -> Iterator[Sample]:
    """Yield the sample with an unknown word at each place that may decide whether it earns."""
    note = sample.notes.get("status", "")
    if note.startswith("none: "):
        return
    found = False
    for number, text in enumerate(sample.heard):
        for place, value in values(text):
            wanted = ".".join(map(str, place)) == note if note else _decides(place, value, number)
            if wanted and isinstance(value, str | int):
                found = True
                yield sample.hearing(number, put(text, place, UNKNOWN))
    if note and not found:
        raise Unreadable(f"there is no field {note} for `# status: {note}`")
    for name, value in sample.delivery.headers.items():
        if not note and _EVENT.fullmatch(name) and OUTCOME.search(value):
            yield sample.headed(name, UNKNOWN)


def _decides(place: Place, value: object, number: int) -> bool:
    event = number == 0 and _is_named(place, _EVENT) and isinstance(value, str) and OUTCOME.search(value)
    return _is_named(place, _STATUS) or bool(event)


def _is_named(place: Place, name: re.Pattern[str]) -> bool:
    return bool(place) and name.fullmatch(str(place[-1])) is not None


def _earned(sample: Sample, folder: Folder) -> int:
    try:
        return earning(hold(sample, folder.connector).facts)
    except OffScript:
        return 0
