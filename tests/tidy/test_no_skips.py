"""Continuous integration believes no skipped test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.source import ROOT

SKIPPED_TEST = "import pytest\n\ndef test_it():\n    pytest.skip('no server')\n"
SKIPPED_MODULE = "import pytest\n\npytest.importorskip('a_package_nobody_has')\n"


@pytest.mark.parametrize("text", [SKIPPED_TEST, SKIPPED_MODULE], ids=["a test", "a module"])
def test_what_is_skipped_fails_in_continuous_integration_only(tmp_path: Path, text: str) -> None:
    (tmp_path / "test_story.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(tmp_path), "-c", os.devnull, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    in_ci = subprocess.run(
        command, env={**environment, "CI": "true"}, capture_output=True, text=True, check=False
    )
    at_home = subprocess.run(
        command, env={**environment, "CI": ""}, capture_output=True, text=True, check=False
    )

    assert "skipped, which CI does not allow" in in_ci.stdout
    assert in_ci.returncode in {1, 2}
    assert "1 skipped" in at_home.stdout
    assert at_home.returncode in {0, 5}
