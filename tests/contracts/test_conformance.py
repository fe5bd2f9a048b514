"""The kit finds nothing in an honest connector, and in a broken one the check of that name finds it."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from pydantic import BaseModel

from contracts import RS256, Connector, File, HmacBody, Ignored
from contracts.conformance.conversations import OffScript, hold
from contracts.conformance.doors import only_true_deliveries, scheme_of
from contracts.conformance.folders import folder_of_slug, open_folder
from contracts.conformance.kit import faults_of
from contracts.conformance.levels import Level, level_of
from contracts.conformance.meaning import accept
from contracts.conformance.samples import Unreadable, read

FEIRA = Path(__file__).parent / "feira"
STONE = Path(__file__).parents[2] / "adapters/stone"

# What a hurried author writes, where, in whose place, and the check that notices.
BUGS: dict[str, tuple[str, str, str, str]] = {
    "float money": ("connector.py", "cents(order.total)", "int(float(order.total) * 100)", "every_centavo"),
    "unsigned accepted": (
        "connector.py",
        'return HmacBody((config.hook_secret.get_secret_value().encode(),), "x-feira-signature")',
        'return Unsigned("the shop signs, but it works without")',
        "only_true_deliveries",
    ),
    "verified only if there is a secret": (
        "connector.py",
        "hook_secret: SecretStr = Field(min_length=8)\n    api_token: SecretStr = Field(min_length=8)\n\n\n",
        "hook_secret: SecretStr | None = None\n    api_token: SecretStr = Field(min_length=8)\n\n\n",
        "always_signed",
    ),
    "delivery id of the envelope used as identity": (
        "connector.py",
        "[_fact(hook.order, config)]",
        '[_fact(hook.order.model_copy(update={"number": hook.id}), config)]',
        "never_the_delivery",
    ),
    "delivery id of a header used as identity": (
        "connector.py",
        "[_fact(hook.order, config)]",
        '[_fact(hook.order.model_copy(update={"number": delivery.headers["x-feira-delivery-id"]}), config)]',
        "never_the_delivery",
    ),
    "refund subtracted twice": (
        "connector.py",
        "gross_cents=cents(order.total)",
        "gross_cents=cents(order.total) - cents(order.refunded)",
        "same_before_its_refund",
    ),
    "cursor that loses equal timestamps": ("connector.py", "start(newest - OVERLAP)", "start(newest)", "equal_instants"),
    "cursor that loses whatever is late": ("connector.py", "newest - OVERLAP", "newest + OVERLAP", "equal_instants"),
    "poll that starts too late": (
        "connector.py",
        'return f"{at.isoformat()} 1"',
        'return f"{(at + timedelta(days=1)).isoformat()} 1"',
        "from_the_start",
    ),
    "poll that never ends": ("connector.py", "int(number) + 1", "int(number)", "every_page"),
    "memory between two pages": (
        "connector.py",
        "    if read.more:",
        '    SEEN.append(number)\n    since = f"{since}+{len(SEEN)}"\n    if read.more:',
        "from_any_cursor",
    ),
    "unknown status earns": (
        "connector.py",
        '    if state is None:\n        return Ignored(reason="status_unknown")\n',
        '    if state is None:\n        state = "captured"\n',
        "unknown_status",
    ),
    "CPF dropped when it is dotted": (
        "connector.py",
        "if document else None",
        "if document and document.isalnum() else None",
        "people_and_companies",
    ),
    "letters of a CNPJ dropped": (
        "connector.py",
        "document = order.tax_document\n",
        'document = "".join(c for c in order.tax_document or "" if c.isdigit())\n',
        "every_writing",
    ),
    "companies forgotten": (
        "connector.py",
        "if document else None",
        "if document and len(document) < 15 else None",
        "people_and_companies",
    ),
    "secret in repr": (
        "connector.py",
        "api_token: SecretStr = Field(min_length=8)",
        "api_token: str = Field(min_length=8)",
        "nothing_shown",
    ),
    "secret in an address": (
        "connector.py",
        'get("/shop")',
        'get("/shop", token=token.get_secret_value())',
        "nothing_shown",
    ),
    "document in a log": (
        "connector.py",
        "document = order.tax_document\n",
        'document = order.tax_document\n    logging.getLogger("feira").debug("buyer %s", document)\n',
        "nothing_shown",
    ),
    "document in an error": (
        "connector.py",
        "    if state is None:",
        '    if not order.status.isalpha():\n        raise Malformed(f"{order.status} is no status")\n    if state is None:',
        "nothing_shown",
    ),
    "clock used": ("connector.py", "as_of=order.changed_at", "as_of=datetime.now(UTC)", "only_the_bytes"),
    "randomness used": (
        "connector.py",
        '(Key(f"order:{config.shop}", order.number),)',
        '(Key(f"order:{config.shop}", order.number), Key("payment:feira", uuid.uuid4().hex))',
        "only_the_bytes",
    ),
    "coupon created twice": ("connector.py", "if held is not None:", "if False:", "one_coupon"),
    "another coupon for the same code": ("connector.py", "return held", "return held + '-again'", "one_coupon"),
    "code changed on the way": ("connector.py", '"code": "{coupon.code}"', '"code": "{coupon.code.lower()}"', "expected"),
    "sixth way to fail": ("connector.py", "state = STATES.get(order.status)", "state = STATES[order.status]", "five_ways"),
    "fields read by their place": (
        "connector.py",
        "hook = parse(Hook, delivery.body)",
        "hook = parse(Hook, delivery.body)\n    if not delivery.body.lstrip(b'{ \\n').startswith(b'\"type\"'):\n        return []",
        "reordered_fields",
    ),
    "new fields refused": ("connector.py", 'extra="ignore"', 'extra="forbid"', "new_fields"),
    "push and poll name a sale differently": (
        "connector.py",
        "facts = [_fact(order, config) for order in read.orders]",
        'facts = [_fact(order.model_copy(update={"number": f"9{order.number}"}), config) for order in read.orders]',
        "named_alike",
    ),
    "a branch that no sample reaches": (
        "connector.py",
        "    if state is None:",
        '    if order.number == "0":\n        state = "void"\n    if state is None:',
        "every_branch",
    ),
    "the network": ("connector.py", "from datetime", "import socket\nfrom datetime", "contracts_alone"),
    "other facts than expected": ("samples/order_paid.facts.json", "4590", "4591", "expected"),
    "a request that the sample does not know": ("connector.py", 'get("/shop")', 'get("/shops")', "expected"),
    "a conversation broken off": ("samples/coupon_stands.http", "GET /discounts?code=K7PM-2QXT HTTP/1.1", "GET / HTTP/1.1", "expected"),
    "origin not stated": ("samples/check.http", "documented: feira.example/docs, 2026-11-25", "seen somewhere", "origin"),
    "page without a heading": ("README.md", "## What it cannot do", "## Limits", "four_headings"),
    "sale told once only": ("samples/poll_first_page.http", "# same-sale: 1001\n", "", "told_twice"),
}  # fmt: skip

# What the broken lines need to be Python at all.
PREPARED = (
    ("from datetime import datetime, timedelta", "import logging\nimport uuid\nfrom datetime import UTC, datetime, timedelta"),
    ("    HmacBody,\n", "    HmacBody,\n    Malformed,\n"),
    ("from contracts.signatures import Signature", "from contracts.signatures import Signature, Unsigned"),
    ("OVERLAP = timedelta(seconds=1)\n", "OVERLAP = timedelta(seconds=1)\nSEEN: list[str] = []\n"),
    ('    del config\n    reply = yield get("/shop")', '    token = config.api_token\n    reply = yield get("/shop")'),
)  # fmt: skip


ALSO = {
    "verified only if there is a secret": (
        (
            "    return HmacBody((",
            '    if config.hook_secret is None:\n        return Unsigned("no secret")\n    return HmacBody((',
        ),
    ),
    "secret in repr": (("BearerAuth(config.api_token.get_secret_value())", "BearerAuth(config.api_token)"),),
}


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """Return where a copy of Feira stands, of a name of its own."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(FEIRA, tmp_path / re.sub(r"\W+", "_", name)))

    return copy


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1, f"{path.name} has no longer {old!r}"
    path.write_text(text.replace(old, new, 1))


def accepted(folder: Path) -> None:
    """Write the expectations from what the broken connector says, as an author in a hurry does."""
    broken = open_folder(folder)
    for sample in broken.samples:
        with contextlib.suppress(OffScript, KeyError):  # then what was expected before stays
            accept(sample, broken)


def is_noticed(folder: Path, name: str) -> bool:
    """Whether the check of that name finds something."""
    return any(check == name for _, check, _ in faults_of(open_folder(folder)))


def test_an_honest_connector_passes_every_check() -> None:
    assert list(faults_of(open_folder(FEIRA))) == []


def test_what_the_broken_lines_need_breaks_nothing(copied: Callable[[str], Path]) -> None:
    folder = copied("prepared")
    for old, new in PREPARED:
        replaced(folder / "connector.py", old, new)
    assert list(faults_of(open_folder(folder))) == []


@pytest.mark.parametrize("bug", BUGS)
def test_a_broken_connector_is_noticed_by_the_check_of_that_name(
    bug: str, copied: Callable[[str], Path]
) -> None:
    file, old, new, check = BUGS[bug]
    folder = copied(bug)
    for before, after in (*PREPARED, *ALSO.get(bug, ())):
        replaced(folder / "connector.py", before, after)
    replaced(folder / file, old, new)
    if check != "expected":
        accepted(folder)
    assert is_noticed(folder, check)


def tried(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with the kit and no other plug-in."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "contracts.conformance.plugin",
        "-q",
    ]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, *options], cwd=folder, env=alone, capture_output=True, text=True, check=False
    )


def test_pytest_knows_the_kit_wherever_the_hub_is_installed() -> None:
    [point] = [each for each in entry_points(group="pytest11") if each.name == "ponte-conformance"]
    assert point.value == "contracts.conformance.plugin"


def test_pytest_tries_a_connector_without_any_test_code(copied: Callable[[str], Path]) -> None:
    folder = copied("by_pytest")
    assert tried(folder).returncode == 0
    replaced(folder / "connector.py", "cents(order.total)", "int(float(order.total) * 100)")
    broken = tried(folder)
    assert broken.returncode == 1
    assert "feira::order_paid::every_centavo" in broken.stdout


def test_one_sample_is_tried_alone(copied: Callable[[str], Path]) -> None:
    alone = tried(copied("alone"), "samples/check.http")
    assert alone.returncode == 0
    assert " passed" in alone.stdout
    assert "failed" not in alone.stdout


def test_accept_writes_what_is_missing_and_names_it(copied: Callable[[str], Path]) -> None:
    folder = copied("accepting")
    held = (folder / "samples/order_paid.facts.json").read_text()
    (folder / "samples/order_paid.facts.json").unlink()
    assert "run with --accept" in tried(folder).stdout
    accepting = tried(folder, "--accept")
    assert "accepted order_paid.facts.json" in accepting.stdout
    assert accepting.stdout.count("accepted ") == 1
    assert (folder / "samples/order_paid.facts.json").read_text() == held


def test_a_run_without_connectors_meets_no_kit(tmp_path: Path) -> None:
    (tmp_path / "connector.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "notes.http").write_text("no sample\n")
    assert tried(tmp_path).returncode == 5


def test_an_installed_connector_is_tried_by_its_slug(tmp_path: Path) -> None:
    assert folder_of_slug("generic").name == "generic"
    done = tried(tmp_path, "--connector", "generic", "-k", "cash_sale")
    assert done.returncode == 0
    unknown = tried(tmp_path, "--connector", "nobody")
    assert unknown.returncode == 4
    assert "no connector nobody is installed" in unknown.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# config: {}\n# kind: check\n", "no note `# source"),
        ("# source: synthetic\n# kind: check\n", "no note `# config"),
        ("# source: synthetic\n# config: {}\n# kind: dance\n", "unknown kind dance"),
        ("# source: synthetic\n# config: {}\n# colour: red\n", "unknown note"),
        ("# source: synthetic\n# config: {}\n", "a delivery, then request and reply"),
        (
            "# source: synthetic\n# config: {}\n# kind: check\n###\nGET / HTTP/1.1\n",
            "request and reply in turns",
        ),
        ("# source: synthetic\n# config: {}\nPOST /\nno header\n\n{}\n", "header without a colon"),
        ("# source: synthetic\n# config: {}\n# kind: check\n###\nGET\n###\nHTTP/1.1 200\n", "no start line"),
        ("# source: synthetic\n# config: {}\n# kind: check\n###\nGET /\n###\n200 OK\n", "no start line"),
    ],
)
def test_a_sample_that_cannot_be_read_is_refused_with_what_to_mend(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "wrong.http"
    path.write_text(text)
    with pytest.raises(Unreadable, match=re.escape(why)):
        read(path)


VECTOR = "documented: feira.example/docs, 2026-11-25"
TODAY = date(2026, 11, 25)


def with_vector(folder: Path) -> None:
    """Put the shop's own signature into a sample."""
    sample = read(folder / "samples/order_paid.http")
    signed = HmacBody((b"invented-secret-of-the-hook",), "x-feira-signature").sign(sample.delivery.body)
    line = f"x-feira-signature: {signed['x-feira-signature']}\n"
    replaced(sample.path, "x-feira-delivery-id", f"{line}x-feira-delivery-id")


def captured(folder: Path, day: str) -> None:
    for path in (folder / "samples").glob("*.http"):
        path.write_text(path.read_text().replace(VECTOR, f"captured {day}, at the shop"))


def level(folder: Path) -> Level:
    return level_of(open_folder(folder), TODAY)


def test_a_level_stands_on_the_ones_below_it(copied: Callable[[str], Path]) -> None:
    folder = copied("rising")
    assert level(folder) is Level.EXPERIMENTAL
    with_vector(folder)
    assert level(folder) is Level.DOCUMENTED
    captured(folder, "2026-03-01")
    assert level(folder) is Level.VERIFIED
    assert level_of(open_folder(folder), date(2027, 3, 2)) is Level.DOCUMENTED
    replaced(folder / "README.md", "## How we know\n", "## How we know\n\nOwner: the people of Feira.\n")
    assert level(folder) is Level.VERIFIED
    replaced(folder / "samples/check.http", "2026-03-01", "2026-11-20")
    assert level(folder) is Level.MAINTAINED
    replaced(folder / "README.md", "## Connect it", "## Connecting")
    assert level(folder) is Level.BROKEN


def test_a_signature_that_is_not_the_vendors_is_found(copied: Callable[[str], Path]) -> None:
    folder = copied("forged")
    with_vector(folder)
    replaced(folder / "samples/order_paid.http", '"total": "45.90"', '"total": "45.91"')
    assert is_noticed(folder, "only_true_deliveries")


def test_a_vector_under_a_public_key_is_checked_with_the_vendors_keys(tmp_path: Path) -> None:
    paid = STONE / "samples/charge_paid.http"
    private = generate_private_key(65537, 2048)
    numbers = private.public_key().public_numbers()
    modulus, exponent = (
        urlsafe_b64encode(number.to_bytes(256, "big").lstrip(b"\0")).decode()
        for number in (numbers.n, numbers.e)
    )
    keys = json.dumps({"keys": [{"kty": "RSA", "kid": "k1", "n": modulus, "e": exponent}]})
    stone = open_folder(STONE)
    sample = read(paid)
    scheme = scheme_of(sample, stone.connector)
    assert isinstance(scheme, RS256)
    header = scheme.sign(sample.delivery.body, "k1", private)[scheme.header]
    text = paid.read_text().replace("POST /", f"# keys: {keys}\nPOST /", 1)
    vector = tmp_path / "vector.http"
    vector.write_text(text.replace("content-type", f"{scheme.header}: {header}\ncontent-type", 1))
    assert list(only_true_deliveries(read(vector), stone)) == []
    vector.write_text(vector.read_text().replace("LOJA EXEMPLO", "LOJA DE OUTRO"))
    assert list(only_true_deliveries(read(vector), stone)) != []


class Nothing(BaseModel):
    """A config that says nothing."""


def test_a_file_is_read_in_pieces_and_each_row_is_a_fact(tmp_path: Path) -> None:
    def rows(chunks: Iterable[bytes], _config: Nothing) -> Iterable[Mapping[str, str]]:
        return [{"reason": line} for line in b"".join(chunks).decode().split()]

    def to_fact(row: Mapping[str, str], _config: Nothing) -> Ignored:
        return Ignored(reason=row["reason"])

    connector = Connector(
        slug="rows", name="Rows", config=Nothing, docs="", file=File(("text/csv",), rows, to_fact)
    )
    (tmp_path / "rows.csv").write_text("one\n" * 1000 + "two\n")
    (tmp_path / "rows.http").write_text("# source: synthetic\n# config: {}\n# kind: file\n# file: rows.csv\n")
    facts = hold(read(tmp_path / "rows.http"), connector).plain
    assert len(facts) == 1001
    assert facts[-1] == {"about": "ignored", "reason": "two"}
