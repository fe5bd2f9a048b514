"""Broken messages: whatever arrives, a connector fails in one of the five known ways or not at all.

The mutations are always the same ones, so that a failure can be repeated.
"""

import json
from collections.abc import Iterator

from contracts.conformance.conversations import OffScript, hold
from contracts.conformance.folders import Folder
from contracts.conformance.rewriting import put, values
from contracts.conformance.samples import Sample

# Written as JSON, since no float may stand in this room.
WRONG = json.loads(
    '[null, true, -1, 1e30, 100000000000000000000000000000, 1.5, "", "52998224725", "\\u0000\\ud7ff", [], [[]], {}]'
)
TRIES = 120
CUTS = 8


def five_ways(sample: Sample, folder: Folder) -> Iterator[str]:
    """Nothing but the five errors escapes, whatever stands at any place, and however bytes are torn."""
    for what, changed in _mutated(sample):
        try:
            hold(changed, folder.connector)
        except OffScript:
            continue
        except Exception as error:  # noqa: BLE001 whatever escapes is what is looked for
            yield f"{what}: {type(error).__name__} escapes, which is none of the five errors"
            return


def _mutated(sample: Sample) -> Iterator[tuple[str, Sample]]:
    for number, text in enumerate(sample.heard):
        whose = "the delivery" if number == 0 else f"reply {number}"
        yield from (
            (f"{whose}, {what}", sample.hearing(number, body))
            for what, body in _wrong(text, len(sample.name))
        )
    if sample.delivery.headers:
        yield "without any header", _headless(sample)
    for number, exchange in enumerate(sample.exchanges):
        for status in (200, 201, 204, 302, 400, 404, 409, 422) if exchange.reply else ():
            yield f"reply {number + 1} with status {status}", sample.answered(number, status)


def _headless(sample: Sample) -> Sample:
    changed = sample
    for name in sample.delivery.headers:
        changed = changed.headed(name, "")
    return changed


def _wrong(text: str, first: int) -> Iterator[tuple[str, str]]:
    """Yield wrong bodies: another kind of value at every place in turn, then less and less of the text.

    `first` is the kind to begin with, so that samples alike are broken in different ways.
    """
    if not text:
        return
    places = [place for place, _ in values(text)]
    # Of a long message only some places, evenly spread; of a short one each place several times.
    places = places[:: max(1, len(places) // TRIES)]
    rounds = max(1, min(len(WRONG), TRIES // max(1, len(places))))
    for turn in range(rounds):
        for number, place in enumerate(places):
            value = WRONG[(first + number + turn) % len(WRONG)]
            where = ".".join(map(str, place)) or "the whole"
            yield f"{json.dumps(value)[:40]} for {where}", put(text, place, value)
    for cut in range(CUTS):
        yield "cut short", text[: len(text) * cut // CUTS]
    yield "followed by more", text + "\x00"
