"""The way of a sale as the documentation tells it is the way it goes: at most eight hops, in that order."""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.faults.sender import Sender, open_sender

PAGE = Path(__file__).parents[2] / "docs/sale-path.md"
HOP = re.compile(r"^\d+\. `([\w.]+)`", re.MULTILINE)
MOST_HOPS = 8
ROOMS = ("contracts.", "loyalty.", "gateway.", "adapters.")


def hops() -> list[str]:
    """Return the hops that the page lists."""
    return HOP.findall(PAGE.read_text())


class Trail:
    """The functions of the house in the order in which they were first called, in whichever thread."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and str(module := frame.f_globals.get("__name__", "")).startswith(ROOMS):
            self.calls.setdefault(f"{module}.{frame.f_code.co_qualname}", len(self.calls))


@contextmanager
def followed(trail: Trail) -> Iterator[None]:
    """Hear of every call on this thread while the block runs; other threads are told by `threading`."""
    sys.setprofile(trail)
    try:
        yield
    finally:
        sys.setprofile(None)


async def first_calls(database_url: str) -> dict[str, int]:
    """Return the calls of one sale through the whole application; the hub's threads are followed from birth."""
    trail = Trail()
    threading.setprofile(trail)
    try:
        async with open_sender(database_url) as sender:
            await _credited(sender, "warm")
            trail.calls.clear()
            with followed(trail):
                await _credited(sender, "followed")
            return trail.calls
    finally:
        threading.setprofile(None)


async def _credited(sender: Sender, ref: str) -> None:
    (sale,) = (await sender.tell(sender.payment(ref=ref)))["sales"]
    assert (sale["units"], sale["state"]) == (70, "credited")


def test_the_page_lists_at_most_eight_hops() -> None:
    assert 1 < len(hops()) <= MOST_HOPS
    assert len(set(hops())) == len(hops())


async def test_a_sale_goes_through_every_hop_in_the_order_of_the_page(tmp_path: Path) -> None:
    calls = await first_calls(f"sqlite:///{tmp_path / 'hub.sqlite'}")
    missing = [hop for hop in hops() if hop not in calls]
    assert missing == []
    assert sorted(hops(), key=calls.__getitem__) == hops()
