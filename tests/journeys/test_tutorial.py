"""The tutorial is followed to the letter: its files are written, its commands run, and what it shows is what is seen."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.catalogue import GROUP, Catalogue

PAGE = Path(__file__).parents[2] / "docs/tutorial/your-first-connector.md"
BLOCK = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
PYTHON_LINES_MAX = 79


class Block(NamedTuple):
    """A block of the page; `file` is empty where it is not to be written."""

    file: str
    kind: str
    text: str


class Step(NamedTuple):
    """Commands of the page, what they printed, and what the page says they print."""

    commands: str
    printed: str
    shown: str


def blocks() -> list[Block]:
    return [
        Block(found["file"] or "", found["kind"], found["text"]) for found in BLOCK.finditer(PAGE.read_text())
    ]


def run(commands: str, folder: Path) -> str:
    """Return what the commands print, run in a folder by somebody who has the hub and its kit and nothing else."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    told = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        # Of the plug-ins on this machine the kit alone: the others are our tools, and slow to start.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "contracts.conformance.plugin",
    }
    done = subprocess.run(
        ["bash", "-c", commands], cwd=folder, env={**kept, **told},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
    )  # fmt: skip
    return done.stdout


def followed(folder: Path) -> Iterator[Step]:
    """Follow the page from its first block to its last in a folder."""
    every = blocks()
    for block, after in zip(every, [*every[1:], Block("", "", "")], strict=True):
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.kind == "sh":
            yield Step(block.text, run(block.text, folder), after.text if after.kind == "text" else "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def steps(folder: Path) -> list[Step]:
    return list(followed(folder))


@pytest.mark.timeout(300)
def test_whoever_follows_the_page_sees_what_it_shows(steps: list[Step]) -> None:
    assert len(steps) >= 6
    for step in steps:
        assert step.shown, f"the page does not show what this prints: {step.commands}"
        place = 0
        for shown in re.split(r"\.\.\.|\n", step.shown.strip()):
            place = step.printed.find(shown.strip(), place)
            assert place >= 0, f"{step.commands}\nprints\n{step.printed}\nwithout, in its place: {shown}"


def test_in_the_end_the_kit_is_green_and_the_payload_is_understood(steps: list[Step], folder: Path) -> None:
    assert steps
    green = run("pytest quitanda -q && echo GREEN", folder)
    assert green.endswith("GREEN\n"), green
    assert '"gross_cents": 4590' in run("ponte try quitanda order_paid", folder)


def test_it_takes_less_than_eighty_lines_of_python_and_no_test_code(steps: list[Step], folder: Path) -> None:
    assert steps
    written = [block for block in blocks() if block.file.endswith(".py")]
    assert [block.file for block in written] == ["quitanda/connector.py"]
    assert len(written[0].text.splitlines()) <= PYTHON_LINES_MAX
    assert [path for path in folder.rglob("*.py") if "test" in path.name] == []
    assert "def test" not in written[0].text


def test_one_line_outside_the_folder_installs_it(
    steps: list[Step], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {path.name for path in folder.iterdir()} - {".pytest_cache"} == {"quitanda"}
    [block] = [block for block in blocks() if block.kind == "toml"]
    [(slug, value)] = tomllib.loads(block.text)["project"]["entry-points"][GROUP].items()
    assert f'{slug} = "{value}"' in steps[0].printed
    monkeypatch.syspath_prepend(folder)
    assert Catalogue.load([EntryPoint(slug, value, GROUP)]).slugs == ("quitanda",)
