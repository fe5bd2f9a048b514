"""The command line as a person and a program meet it: as a process, by its output and exit code."""

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli import app
from gateway.store.engine import Store

TRACEBACK = "Traceback (most recent call last)"
KEY = base64.b64encode(bytes(32)).decode()


def ponte(folder: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run one command with its data in `folder` and nothing else of this machine's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    told = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PONTE_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    every = {**kept, **told, **environ}
    return subprocess.run(command, env=every, capture_output=True, text=True, timeout=60, check=False)


def said(done: "subprocess.CompletedProcess[str]") -> Any:
    """Return the JSON that a successful command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def options(command: Any, name: str = "ponte") -> Iterator[tuple[str, Any]]:
    """Yield every option of every command."""
    for inner_name, inner in getattr(command, "commands", {}).items():
        yield from options(inner, f"{name} {inner_name}")
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            yield f"{name} {parameter.opts[0]}", parameter


def test_help_loads_neither_the_web_framework_nor_the_database() -> None:
    heavy = ("fastapi", "sqlalchemy", "pydantic", "uvicorn", "httpx", "cryptography")
    program = f"import sys, gateway.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["ledger", "verify"], ["keys", "list"], ["keys", "revoke", "key_1"], ["capture", "dlv_1"]],
    ids=" ".join,
)
def test_f105_a_command_that_begins_no_hub_makes_neither_key_nor_folder(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = ponte(tmp_path, *arguments)
    assert TRACEBACK not in done.stderr
    assert "`ponte serve` makes its key" in done.stdout + done.stderr.replace("\n", " ")
    assert not (tmp_path / "data").exists()


def test_f105_under_another_master_key_doctor_serve_and_keys_say_so(tmp_path: Path) -> None:
    said(ponte(tmp_path, "keys", "create", "--scope", "hub:admin", "--json"))
    (tmp_path / "data" / "master.key").write_text(f"{KEY}\n")
    for arguments in (["doctor"], ["serve", "--port", "0"], ["keys", "create", "--scope", "hub:admin"]):
        done = ponte(tmp_path, *arguments)
        assert done.returncode != 0
        assert TRACEBACK not in done.stderr
        assert "is sealed under the master key" in (done.stdout + done.stderr).replace("\n", " "), arguments


@pytest.mark.parametrize("arguments", [["doctor"], ["ledger", "verify"], ["serve"]], ids=" ".join)
def test_an_address_that_nobody_can_read_is_refused_in_words_and_not_repeated(
    tmp_path: Path, arguments: list[str]
) -> None:
    url = "postgresql://ponte:hush@db:foo/ponte"
    done = ponte(tmp_path, *arguments, DATABASE_URL=url, PONTE_MASTER_KEY=KEY)
    assert done.returncode != 0
    assert "is no address of a database" in (done.stdout + done.stderr).replace("\n", " ")
    assert TRACEBACK not in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_every_option_has_a_variable_and_a_sentence_of_help() -> None:
    found = dict(options(typer.main.get_command(app)))
    assert len(found) > 25
    without = [name for name, option in found.items() if not str(option.envvar).startswith("PONTE_")]
    assert without == []
    assert [name for name, option in found.items() if not option.help] == []


def test_every_command_speaks_json() -> None:
    commands = {name.rpartition(" ")[0] for name, _ in options(typer.main.get_command(app))}
    with_json = {
        name.rpartition(" ")[0] for name, _ in options(typer.main.get_command(app)) if name.endswith("--json")
    }
    assert commands == with_json


def test_connectors_lists_what_each_can_do(tmp_path: Path) -> None:
    found = {each["slug"]: each for each in said(ponte(tmp_path, "connectors", "--quick", "--json"))}
    assert {"stone", "generic"} <= found.keys()
    assert found["stone"]["capabilities"] == ["webhook", "terminal"]
    assert found["generic"]["trusts"][0] == "signed"
    for_people = ponte(tmp_path, "connectors", "--quick")
    assert for_people.returncode == 0
    assert "stone" in for_people.stdout


def test_doctor_finds_a_fresh_machine_healthy_and_creates_no_database(tmp_path: Path) -> None:
    findings = said(ponte(tmp_path, "doctor", "--json"))
    assert [each for each in findings if not each["right"]] == []
    assert {"python", "packages", "connectors", "time zones", "clock", "settings", "disk"} <= {
        each["check"] for each in findings
    }
    assert not (tmp_path / "data").exists()


def test_doctor_says_what_is_wrong_with_a_setting_and_fails(tmp_path: Path) -> None:
    done = ponte(tmp_path, "doctor", PONTE_MODE="festive")
    assert done.returncode == 1
    assert "FAIL settings" in done.stdout
    assert "PONTE_MODE must be one of" in done.stdout


def test_doctor_fails_on_a_database_of_another_schema(tmp_path: Path) -> None:
    file = tmp_path / "data" / "ponte.db"
    file.parent.mkdir(mode=0o700)
    file.write_bytes(b"")
    done = ponte(tmp_path, "doctor", "--json", PONTE_MASTER_KEY=KEY)
    assert done.returncode == 1
    (wrong,) = [each for each in json.loads(done.stdout) if not each["right"]]
    assert wrong["check"] == "database"
    assert "ponte serve" in wrong["sentence"]


async def test_doctor_tells_a_running_hub_from_a_free_database(migrated_url: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": migrated_url, "PONTE_UNSAFE_DATABASE": "1", "PONTE_MASTER_KEY": KEY}

    def writer() -> str:
        findings = {each["check"]: each for each in said(ponte(tmp_path, "doctor", "--json", **environ))}
        return str(findings["writer"]["sentence"])

    assert "is free" in writer()
    store = await Store.open(migrated_url, allow_unsafe=True)
    try:
        assert "running hub" in writer()
    finally:
        await store.close()


def test_keys_are_made_once_listed_without_their_secret_and_revoked(tmp_path: Path) -> None:
    made = said(ponte(tmp_path, "keys", "create", "--scope", "hub:admin", "--expires-days", "30", "--json"))
    assert made["key"].startswith("ponte_")
    listed = ponte(tmp_path, "keys", "list", "--json")
    (key,) = said(listed)
    assert (key["key_id"], key["scopes"], key["active"]) == (made["key_id"], ["hub:admin"], True)
    assert made["key"].rpartition("_")[2] not in listed.stdout
    assert said(ponte(tmp_path, "keys", "revoke", made["key_id"], "--json"))["active"] is False
    strange = ponte(tmp_path, "keys", "revoke", "key_unknown")
    assert (strange.returncode, "There is no key key_unknown" in strange.stderr) == (1, True)
    (key,) = said(ponte(tmp_path, "keys", "list", "--json"))
    assert key["active"] is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("keys", "create", "--scope", "everything"), "No such scope: everything"),
        (("keys", "create", "--scope", "sales:read"), "Give --programme too: sales:read"),
        (("keys", "create", "--scope", "hub:admin", "--programme", "prg_x"), "cannot hold hub:admin"),
        (("keys", "create", "--scope", "sales:read", "--programme", "prg_x"), "There is no programme prg_x."),
        (("keys", "create", "--scope", "sales:read", "--partner", "par_x"), "Give --programme too"),
        (("keys", "revoke", "key_unknown"), "No hub was started in"),
        (("ledger", "verify"), "No hub was started in"),
        (("serve", "--host", "203.0.113.7"), "203.0.113.7 port 8000 cannot be used"),
        (("trigger", "--installation", "ins_1", "--answer", "x", "--secret", "s", "--hub", "http://127.0.0.1:1"), "No hub answers"),
        (("trigger", "--answer", "x"), "Give either --installation or --terminal."),
        (("trigger", "--terminal", "t", "--file", "/nowhere/at/all"), "cannot be read"),
        (("trigger", "--terminal", "t", "--answer", "x", "--sign", "guess"), "--sign is hmac, basic or rs256."),
        (("trigger", "--installation", "i", "--answer", "x", "--sign", "rs256"), "Give --key-file"),
        (("trigger", "--installation", "i", "--answer", "x", "--sign", "rs256", "--key-file", "/no.pem"), "/no.pem cannot be read: No such file"),
        (("connectors", "--quick", "--into", "/no/page.md"), "/no/page.md gets no table: [Errno 2] No such file"),
        (("connectors", "--quick", "--into", __file__), "gets no table: the page needs the marks"),
        (("trigger", "--installation", "i", "--answer", "x"), "Give --secret"),
    ],
)  # fmt: skip
def test_a_refused_command_is_one_sentence_and_exit_code_1(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = ponte(tmp_path, *arguments)
    assert (done.returncode, TRACEBACK in done.stderr) == (1, False), done.stderr
    assert sentence in done.stderr
    assert done.stdout == ""


def test_serve_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ponte(tmp_path, "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "cannot be used: Address already in use." in done.stderr


def test_work_once_does_what_is_due_and_ends(tmp_path: Path) -> None:
    assert said(ponte(tmp_path, "work", "--once", "--json")) == {"done": 0}


async def test_work_refuses_a_database_that_a_hub_writes(migrated_url: str, tmp_path: Path) -> None:
    store = await Store.open(migrated_url, allow_unsafe=True)
    try:
        environ = {"DATABASE_URL": migrated_url, "PONTE_UNSAFE_DATABASE": "1", "PONTE_MASTER_KEY": KEY}
        done = ponte(tmp_path, "work", "--once", **environ)
    finally:
        await store.close()
    assert (done.returncode, TRACEBACK in done.stderr) == (1, False)
    assert "Another hub already uses" in done.stderr
