"""The operator's page is followed to the letter, in one shell, on a free port: what it shows is what is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import free_port

PAGE = Path(__file__).parents[2] / "docs/tutorial/your-first-hub.md"
STEP = re.compile(
    r"^```sh\n(?P<commands>.*?)^```$\n(?:\n```text\n(?P<shown>.*?)^```$)?", re.MULTILINE | re.DOTALL
)
NEXT = "--- next step ---"


@pytest.mark.timeout(110)
def test_whoever_follows_the_page_has_a_member_who_spends_points(tmp_path: Path) -> None:
    steps = [(found["commands"], found["shown"] or "") for found in STEP.finditer(PAGE.read_text())]
    assert len(steps) == 6
    script = "trap 'kill $SERVING 2> /dev/null || true' EXIT\n" + "\n".join(
        f"{commands}printf '\\n{NEXT}\\n'" for commands, _ in steps
    )
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    told = {**kept, "PATH": path, "PYTHONPATH": str(PAGE.parents[2])}
    done = subprocess.run(
        ["bash", "-ec", script.replace("PONTE_PORT=8000", f"PONTE_PORT={free_port()}")],
        cwd=tmp_path, env=told, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = [part.strip() for part in done.stdout.split(NEXT)]
    assert printed[:-1] == [shown.strip() for _, shown in steps]
    assert "Back it up now" in done.stderr
