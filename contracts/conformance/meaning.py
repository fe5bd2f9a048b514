"""What a sample means: the facts beside it, and the same ones however and however often it is said.

Nothing but the bytes decides: no clock, no randomness, no order of fields.
"""

import gc
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any

from contracts.conformance.conversations import GREETED, OffScript, hold, plain
from contracts.conformance.folders import Folder
from contracts.conformance.rewriting import reversed_fields, with_new_fields
from contracts.conformance.samples import Sample
from contracts.facts import Fact

ORIGIN = re.compile(
    r"(captured \d{4}-\d\d-\d\d|documented: \S.*, \d{4}-\d\d-\d\d|synthetic)(?:,.*)?", re.DOTALL
)
CLOCKS = frozenset(
    {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"}
)
TODAYS = frozenset({"now", "utcnow", "today"})


def expected(sample: Sample, folder: Folder) -> Iterator[str]:
    """The conversation comes to what stands beside it, and asks all that the sample answers."""
    try:
        outcome = hold(sample, folder.connector)
    except OffScript as error:
        yield str(error)
        return
    if sample.kind in {"webhook", "terminal", "file"} and not outcome.failed and outcome.result != GREETED:
        strange = [type(each).__name__ for each in outcome.result if not isinstance(each, Fact)]
        yield from (f"it returns a {name}, which is no fact" for name in strange)
    if outcome.unasked:
        yield f"it does not ask the last {outcome.unasked} of what the sample answers"
    # Only values of JSON are compared, so that what --accept wrote is what is read.
    said = json.loads(json.dumps(outcome.plain))
    if said != sample.expected:
        yield f"it says\n{_pretty(said)}\nand not what {sample.expectation.name} holds"


def accept(sample: Sample, folder: Folder) -> bool:
    """Write the expectation from what the connector says now; return whether that changed it."""
    text = _pretty(hold(sample, folder.connector).plain) + "\n"
    held = sample.expectation.read_text(encoding="utf-8") if sample.expectation.exists() else ""
    if held == text or (held and json.loads(held) == json.loads(text)):
        return False
    sample.expectation.write_text(text, encoding="utf-8")
    return True


def only_the_bytes(sample: Sample, folder: Folder) -> Iterator[str]:
    """Two runs are equal, and neither reads a clock, draws a random number or opens a connection."""
    with _listening() as heard:
        once, again = hold(sample, folder.connector), hold(sample, folder.connector)
    if once.plain != again.plain or once.asked != again.asked:
        yield "two runs of the same bytes come to different ends"
    yield from (f"it calls {name}" for name in sorted(set(heard)))


def reordered_fields(sample: Sample, folder: Folder) -> Iterator[str]:
    """The order of the fields of an object means nothing."""
    said = hold(sample.rewritten(reversed_fields), folder.connector).plain
    if said != hold(sample, folder.connector).plain:
        yield f"with the fields of every object in the other order it says\n{_pretty(said)}"


def new_fields(sample: Sample, folder: Folder) -> Iterator[str]:
    """Fields that a vendor adds later change nothing, or are refused where the sample says why."""
    outcome = hold(sample.rewritten(with_new_fields), folder.connector)
    if sample.notes.get("new-fields", "").startswith("refused: "):
        if not outcome.failed:
            yield "the sample says that unknown fields are refused, and they are not"
    elif outcome.plain != hold(sample, folder.connector).plain:
        yield f"with an unknown field in every object it says\n{_pretty(outcome.plain)}"


def origin(sample: Sample, _folder: Folder) -> Iterator[str]:
    """The first line says where the sample comes from, and when."""
    source = next(iter(sample.notes.items()))
    found = ORIGIN.fullmatch(source[1])
    if source[0] != "source" or found is None:
        yield "begin with `# source: captured <date>`, `documented: <page>, <date>` or `synthetic`"
        return
    for written in re.findall(r"\d{4}-\d\d-\d\d", found[1]):
        try:
            date.fromisoformat(written)
        except ValueError:
            yield f"{written} is no day"


def _pretty(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, indent=2)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Yield the names of the calls that a pure function does not make, as they are made."""
    heard: list[str] = []
    before = sys.getprofile()

    def listen(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and (name := _impure(called)):
            heard.append(name)

    # A collection of garbage runs whatever a test tool hung on it, and that may well read a clock.
    collecting = gc.isenabled()
    gc.disable()
    sys.setprofile(listen)
    try:
        yield heard
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()


def _impure(called: Any) -> str:
    """Return the name of a built-in function that knows more than its arguments; else nothing."""
    name, owner = getattr(called, "__name__", ""), getattr(called, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, date):
        return f"{owner.__name__}.{name}" if name in TODAYS else ""
    room = getattr(owner, "__name__", None) or type(owner).__name__
    if room == "time" and name in CLOCKS:
        return f"time.{name}"
    if type(owner).__module__ == "random" or name in {"urandom", "getrandom"}:
        return f"random ({name})"
    return f"{room}.{name}" if room in {"_socket", "socket"} else ""
