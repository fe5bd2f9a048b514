"""Polling: from its start to its end every page is a sample, and no change is lost between two of them.

What shares an instant with the last thing read is read again, because a filter may leave that instant out.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from contracts.conformance.conversations import config_of, hold
from contracts.conformance.evidence import EVIDENCE
from contracts.conformance.folders import Folder, afresh
from contracts.conformance.samples import Sample
from contracts.connector import Page
from contracts.http import Request
from contracts.plans import is_steps

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?")
_SINCE = re.compile(r".*(?:since|after|min|from|start|updated|modified|changed)", re.IGNORECASE)
_EPOCH = re.compile(r"[12]\d{9}(?:\d{3})?")


def every_page(folder: Folder) -> Iterator[str]:
    """Some sample begins at a start, and from every page that is not the last another sample goes on."""
    polls = _polls(folder)
    if not any("start" in sample.notes for sample in polls.values()):
        yield "no poll sample begins with `# start: <instant>`"
    pages = {cursor: sample for cursor, sample in polls.items() if not sample.fails}
    if not any(sample.expected["done"] for sample in pages.values()):
        yield "no poll sample is the last page"
    for cursor, sample in pages.items():
        if not sample.expected["done"] and sample.expected["cursor"] == cursor:
            yield f"{sample.name} goes on where it began, for ever"
        elif not sample.expected["done"] and sample.expected["cursor"] not in polls:
            yield f"no sample goes on from the cursor of {sample.name}: {sample.expected['cursor']!r}"


def from_any_cursor(folder: Folder) -> Iterator[str]:
    """Whoever begins again at any cursor, in another process, reads what would have followed there."""
    polls = _polls(folder)
    for cursor in polls:
        whole = list(_walked(folder, polls, cursor))
        with afresh(folder) as again:
            restarted = list(_walked(Folder(folder.path, again), polls, cursor))
        if [page.plain for page in restarted] != [page.plain for page in whole]:
            yield f"from the cursor {cursor!r} on, another process reads other facts"


def equal_instants(sample: Sample, folder: Folder) -> Iterator[str]:
    """What changed at the same instant as the last thing read is read again with the next page."""
    page = hold(sample, folder.connector).result
    if not isinstance(page, Page):
        return
    newest = max((fact.as_of for fact in page.facts if isinstance(fact, EVIDENCE)), default=None)
    asked = _oldest(_first_request(page.cursor, sample, folder))
    inclusive = sample.notes.get("bound", "").startswith("inclusive: ")
    if newest is None or asked is None or asked < newest or (inclusive and asked == newest):
        return
    yield (
        f"it has read up to {newest.isoformat()} and goes on from {asked.isoformat()}: whatever else changed at"
        " that instant is lost, unless the vendor's filter includes it (`# bound: inclusive: <page>`)"
    )


def from_the_start(sample: Sample, folder: Folder) -> Iterator[str]:
    """A poll that starts at an instant asks for nothing later than it."""
    at = sample.instant("start")
    asked = _oldest(_first_request(folder.connector.poll.start(at), sample, folder))  # type: ignore[union-attr]
    if asked is not None and asked > at:
        yield f"started at {at.isoformat()} it asks for changes from {asked.isoformat()} on"


def _polls(folder: Folder) -> dict[str, Sample]:
    """Return the poll samples by the cursor each begins with."""
    poll: Any = folder.connector.poll
    samples = [sample for sample in folder.samples if sample.kind == "poll"]
    started = [sample for sample in samples if "start" in sample.notes]
    return {
        **{sample.note("cursor"): sample for sample in samples if "start" not in sample.notes},
        **{poll.start(sample.instant("start")): sample for sample in started},
    }


def _walked(folder: Folder, polls: dict[str, Sample], cursor: str) -> Iterator[Any]:
    """Yield what each page comes to, from a cursor to the last page that a sample tells of."""
    seen: set[str] = set()
    while cursor in polls and cursor not in seen:
        seen.add(cursor)
        outcome = hold(polls[cursor], folder.connector)
        yield outcome
        if not isinstance(outcome.result, Page) or outcome.result.done:
            return
        cursor = outcome.result.cursor


def _first_request(cursor: str, sample: Sample, folder: Folder) -> Request | None:
    config = config_of(sample, folder.connector)
    plan = folder.connector.poll.page(cursor, config)  # type: ignore[union-attr]
    if not is_steps(plan):
        return None
    try:
        request: Request = next(plan)
    except StopIteration:
        return None
    plan.close()
    return request


def _oldest(request: Request | None) -> datetime | None:
    """Return the oldest instant that a request names; one without a zone is read as UTC."""
    if request is None:
        return None
    text = " ".join([unquote(request.path), *request.query.values(), request.body.decode(errors="replace")])
    instants = [datetime.fromisoformat(found) for found in _ISO.findall(text)]
    stamps = [
        value for name, value in request.query.items() if _SINCE.fullmatch(name) and _EPOCH.fullmatch(value)
    ]
    instants += [datetime.fromtimestamp(int(stamp[:10]), UTC) for stamp in stamps]
    return min((at if at.tzinfo else at.replace(tzinfo=UTC) for at in instants), default=None)
