"""The README's table of connectors is what `ponte connectors --into README.md` writes."""

from datetime import date
from pathlib import Path

import pytest

from gateway.commands.connectors import MARKED, described, levels_on, markdown, with_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_tells_what_each_connector_can_do_and_how_far_it_may_be_relied_upon() -> None:
    page = README.read_text()
    marked = MARKED.search(page)
    assert marked is not None
    day = date.fromisoformat(marked[1])
    assert page == with_table(page, day, described(levels_on(day))), "run: ponte connectors --into README.md"


def test_a_table_has_a_line_for_each_connector_and_a_mark_for_a_level_unknown() -> None:
    stone = next(each for each in described({}) if each["slug"] == "stone")
    assert (
        markdown([stone]).splitlines()[-1] == "| [Stone](adapters/stone/README.md) | webhook, terminal | ? |"
    )


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_table("# Ponte", date(2031, 1, 9), [])
