"""The page of fault rows tells the truth: each row stands once, and is covered by exactly the files it names."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/fault-rows.md"
ROW = re.compile(r"^\| F(\d{2,3}) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"def test_(\w+)")
NUMBER = re.compile(r"(?:^|_)f(\d{2,3})(?=_)")
ROWS = 108


def listed() -> dict[int, set[str]]:
    """Return by row the test files that the page names."""
    return {int(number): set(re.findall(r"`(tests/[^`]*test_\w+\.py)`", where)) for number, where in ROW.findall(PAGE.read_text()) if not where.startswith("left to")}  # fmt: skip


def named() -> dict[int, set[str]]:
    """Return by row the test files with a test of its number."""
    found: dict[int, set[str]] = defaultdict(set)
    for file in ROOT.glob("tests/**/test_*.py"):
        for test in TEST.findall(file.read_text()):
            for number in NUMBER.findall(test):
                found[int(number)].add(str(file.relative_to(ROOT)))
    return dict(found)


def test_every_row_of_the_catalogue_stands_once() -> None:
    assert [int(number) for number, _ in ROW.findall(PAGE.read_text())] == list(range(1, ROWS + 1))


def test_a_covered_row_has_its_tests_and_a_tested_row_is_listed_as_covered() -> None:
    assert listed() == named()


def test_a_row_that_is_not_covered_says_what_it_waits_for() -> None:
    assert all(len(where) > len("left to ") for _, where in ROW.findall(PAGE.read_text()))
