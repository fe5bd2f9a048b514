"""What an author of a connector does: make its folder, try payloads, capture what failed, load it into a hub."""

import base64
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from contracts.conformance.folders import open_folder
from contracts.conformance.kit import faults_of
from contracts.conformance.samples import read
from contracts.documents import tax_id
from gateway.catalogue import Catalogue, CatalogueRefused
from gateway.commands.new_connector import scaffold
from gateway.commands.refusals import CommandRefused
from gateway.commands.scrubbing import Invented, scrubbed
from gateway.installations.actions import Kept, keep
from tests.gateway.world import MASTER_KEY, open_world

ROOT = Path(__file__).parents[2]
ONE_FILE = ROOT / "examples/connectors/caixa.py"
TILL = '{"till": "7", "token": "invented-token-of-the-till"}'
SALE = '{"number": "1001", "total": "45.90", "cpf": "529.982.247-25", "at": "2031-01-09T14:03:09-03:00"}'
CHOICES = [chosen for size in (1, 2, 3) for chosen in combinations(("webhook", "poll", "coupons"), size)]


def ponte(
    folder: Path, *arguments: str, stdin: str = "", **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run one command in `folder`, with its data there and nothing else of this machine's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    told = {"PYTHONPATH": str(ROOT), "PONTE_DATA_DIR": str(folder / "data")}
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments], cwd=folder, env={**kept, **told, **environ},
        input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def said(done: "subprocess.CompletedProcess[str]") -> Any:
    """Return the JSON that a successful command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the one sentence of a command that was refused."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip()


# --- new-connector


@pytest.mark.parametrize("chosen", CHOICES, ids="-".join)
def test_a_new_connector_passes_every_check_before_the_first_edit(
    chosen: tuple[str, ...], tmp_path: Path
) -> None:
    made = scaffold(f"made_of_{'_'.join(chosen)}", chosen, tmp_path)
    folder = open_folder(made.path)
    assert list(faults_of(folder)) == []
    able = {name for name in ("webhook", "poll", "coupons") if getattr(folder.connector, name) is not None}
    assert able == {*chosen}
    assert all(sample.expectation.is_file() for sample in folder.samples)


def test_the_code_of_a_new_connector_is_in_the_house_s_style(tmp_path: Path) -> None:
    for number, chosen in enumerate(CHOICES):
        scaffold(f"styled_{number}", chosen, tmp_path)
    rules = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    ours = ["--config", 'lint.isort.known-first-party=["contracts"]', "--ignore", "D101,D103"]
    for command in (["check", *rules, *ours], ["format", "--check", *rules]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_expectations_of_a_new_connector_are_right_and_not_just_written_down(tmp_path: Path) -> None:
    made = scaffold("expected_of_it", ["webhook"], tmp_path)
    [paid] = json.loads((made.path / "samples/order_paid.facts.json").read_text())
    assert (paid["keys"], paid["gross_cents"]) == ([["order:praca", "1001"]], 4590)
    [refund] = json.loads((made.path / "samples/order_refunded_in_part.facts.json").read_text())
    assert (refund["gross_cents"], refund["returned_cents"]) == (4590, 590)


def test_new_connector_says_the_one_line_that_installs_it(tmp_path: Path) -> None:
    alone = said(ponte(tmp_path, "new-connector", "quitanda", "--json"))
    assert alone["entry_point"] == 'quitanda = "quitanda.connector:connector"'
    package = tmp_path / "our_shops"
    package.mkdir()
    (package / "__init__.py").touch()
    within = scaffold("emporio", ["webhook"], package)
    assert within.line == 'emporio = "our_shops.emporio.connector:connector"'
    assert 'docs="our_shops/emporio/README.md"' in (within.path / "connector.py").read_text()
    for_people = ponte(tmp_path, "new-connector", "armazem", "--poll")
    assert 'armazem = "armazem.connector:connector"' in for_people.stdout
    assert "pytest armazem" in for_people.stdout


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [
        ("Quitanda", "is no name of a connector"),
        ("q", "is no name of a connector"),
        ("../up", "is no name of a connector"),
        ("json", "is the name of a Python package"),
        ("pydantic", "is the name of a Python package"),
        ("there", "is there already"),
    ],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_made(
    slug: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(CommandRefused, match=sentence):
        scaffold(slug, ["webhook"], tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "There is no folder nowhere" in refused(
        ponte(tmp_path, "new-connector", "quitanda", "--into", "nowhere")
    )


# --- try


def test_try_shows_the_facts_of_a_sample_and_what_it_asks(tmp_path: Path) -> None:
    done = ponte(tmp_path, "try", "woocommerce", "one_item_refunded")
    [fact] = said(done)
    assert fact["about"] == "document"
    assert "asks GET /wp-json/wc/v3/orders/" in done.stderr
    assert "captured R$ " in done.stderr


def test_try_without_a_sample_is_a_line_for_each(tmp_path: Path) -> None:
    done = ponte(tmp_path, "try", str(ROOT / "adapters/erp/generic"))
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines.keys() == {path.stem for path in (ROOT / "adapters/erp/generic/samples").glob("*.http")}
    assert "Ignored: empty_batch" in lines["empty_batch"]


def test_try_names_a_sample_that_cannot_be_read_and_goes_on_with_the_others(tmp_path: Path) -> None:
    made = scaffold("with_torn_samples", ["webhook"], tmp_path)
    (made.path / "samples/a_torn.http").write_text("# source: synthetic\n# config: {\n\nPOST\n")
    (made.path / "samples/b_torn.http").write_text(
        "# source: synthetic\n# config: {\n\nPOST / HTTP/1.1\n\n{}\n"
    )
    (made.path / "samples/c_torn.http").write_bytes(b"# source: synthetic \xff")
    done = ponte(tmp_path, "try", "with_torn_samples")
    assert done.returncode == 1
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines.keys() == {path.stem for path in (made.path / "samples").glob("*.http")}
    assert "a_torn.http: `POST` is no start line" in lines["a_torn"]
    assert "the note config is no JSON" in lines["b_torn"]
    assert "c_torn.http: no UTF-8 text" in lines["c_torn"]
    assert "captured R$" in done.stdout


def test_try_runs_a_payload_through_a_connector_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "sale.json").write_text(SALE)
    given = ("try", str(ONE_FILE), "--file", "sale.json", "--config", TILL)
    [fact] = said(ponte(tmp_path, *given))
    assert (fact["keys"], fact["gross_cents"]) == ([["order:7", "1001"]], 4590)
    by_stdin = ponte(tmp_path, "try", str(ONE_FILE), "--file", "-", "--config", TILL, "--json", stdin=SALE)
    assert said(by_stdin) == {"result": [fact], "asked": []}
    unproved = ponte(tmp_path, *given, "--header", "authorization: Bearer of-somebody-else")
    assert "A hub would refuse it: its signature is wrong." in unproved.stderr
    assert said(unproved) == [fact]


def test_try_says_in_plain_words_why_a_payload_is_not_understood(tmp_path: Path) -> None:
    done = ponte(tmp_path, "try", str(ONE_FILE), "--file", "-", "--config", TILL, stdin='{"number": "1001"}')
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip() == "Malformed: total: missing"


def test_try_answers_the_questions_of_a_plan_from_files(tmp_path: Path) -> None:
    sample = read(ROOT / "adapters/ecommerce/woocommerce/samples/one_item_refunded.http")
    (tmp_path / "hook.json").write_bytes(sample.delivery.body)
    (tmp_path / "refunds.json").write_bytes(sample.exchanges[0].reply.body)  # type: ignore[union-attr]
    (tmp_path / "gone.http").write_text("HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n\r\n{}")
    told = ("--file", "hook.json", "--header", "X-WC-Webhook-Topic: order.updated", "--json")
    answered = said(ponte(tmp_path, "try", "woocommerce", *told, "--answer", "refunds.json"))
    assert answered["result"] == sample.expected
    gone = said(ponte(tmp_path, "try", "woocommerce", *told, "--answer", "gone.http"))
    assert gone["asked"] == answered["asked"]
    unanswered = ponte(tmp_path, "try", "woocommerce", *told)
    assert unanswered.returncode == 1
    assert "the sample is at its end" in json.loads(unanswered.stdout)["fault"]


def test_try_tells_where_a_bug_of_the_connector_is(tmp_path: Path) -> None:
    made = scaffold("with_a_bug", ["webhook"], tmp_path)
    code = made.path / "connector.py"
    code.write_text(code.read_text().replace("STATES.get(order.status)", "STATES[order.status]"))
    done = ponte(tmp_path, "try", "with_a_bug", "order_of_unknown_status")
    assert "KeyError escapes from fact_of (connector.py, line " in refused(done)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nobody",), "There is neither a folder nor a connector nobody."),
        (("generic", "no_such_sample"), "no sample no_such_sample.http."),
        (("generic", "cash_sale", "--file", "x"), "Give a sample or --file, not both."),
        (("generic", "--file", "/nowhere/at/all"), "cannot be read"),
        (("generic", "--file", "-", "--header", "no colon"), "has no colon"),
        (("generic", "--file", "-", "--config", "{}"), "the connector refuses the config (namespace: missing"),
        ((str(ONE_FILE), "--file", "-"), "Give --config"),
        ((str(ONE_FILE),), "it has no samples"),
        ((str(ROOT / "docs"),), "has no connector.py"),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_refused_in_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    assert sentence in refused(ponte(tmp_path, "try", *arguments))


# --- --connectors-dir


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A folder with a connector of one file, one with samples, and what is neither."""
    folder = tmp_path / "own"
    folder.mkdir()
    shutil.copy(ONE_FILE, folder / "caixa.py")
    said(ponte(tmp_path, "new-connector", "mercearia", "--into", "own", "--json"))
    (folder / "_notes.py").write_text("raise RuntimeError('imported')\n")
    (folder / "README.md").write_text("Ours.\n")
    return str(folder)


def test_a_folder_of_connectors_is_loaded_beside_the_installed_ones(own: str) -> None:
    slugs = Catalogue.load(folder=Path(own)).slugs
    assert {"caixa", "mercearia", "generic", "stone"} <= {*slugs}


def test_every_command_that_needs_connectors_knows_the_folder(own: str, tmp_path: Path) -> None:
    listed = said(ponte(tmp_path, "connectors", "--quick", "--json", "--connectors-dir", own))
    assert {"caixa", "mercearia"} <= {each["slug"] for each in listed}
    tried = ponte(
        tmp_path, "try", "caixa", "--file", "-", "--config", TILL, stdin=SALE, PONTE_CONNECTORS_DIR=own
    )
    assert said(tried)[0]["gross_cents"] == 4590
    assert said(ponte(tmp_path, "work", "--once", "--json", "--connectors-dir", own)) == {"done": 0}
    found = {
        each["check"]: each for each in said(ponte(tmp_path, "doctor", "--json", PONTE_CONNECTORS_DIR=own))
    }
    assert "mercearia" in found["connectors"]["sentence"]


def test_a_hub_does_not_start_without_the_folder_it_was_told_of(tmp_path: Path) -> None:
    for command in (("serve", "--port", "0"), ("work", "--once"), ("connectors", "--quick"), ("demo",)):
        assert "There is no folder" in refused(ponte(tmp_path, *command, "--connectors-dir", "nowhere"))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("empty.py", "", "empty.py does not define `connector = Connector(...)`."),
        ("torn.py", "def", "torn.py cannot be imported (SyntaxError"),
        ("needy.py", "import no_such_module", "needy.py cannot be imported (ModuleNotFoundError"),
        ("folder/connector.py", "connector = 1", "folder/connector.py does not define"),
        ("queue.py", "", "queue.py has the name of a module of Python: give it another."),
        ("connector.py", "", "is itself a connector: name the folder above it."),
    ],
)
def test_what_is_no_connector_in_that_folder_is_refused_by_its_name(
    name: str, text: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(CatalogueRefused) as refusal:
        Catalogue.load([], folder=tmp_path)
    assert sentence in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_connector_in_that_folder_is_checked_like_any_other(tmp_path: Path) -> None:
    broken = ONE_FILE.read_text().replace('trusts=("declared",)', 'trusts=("gospel",)')
    (tmp_path / "broken.py").write_text(broken)
    (tmp_path / "twice.py").write_text(ONE_FILE.read_text())
    with pytest.raises(CatalogueRefused) as refusal:
        Catalogue.load([], folder=tmp_path)
    assert "caixa lists a trust that is none of" in str(refusal.value)
    assert f"caixa is there twice, as {tmp_path}/broken.py and as {tmp_path}/twice.py" in str(refusal.value)


# --- capture

RECEIVED_AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
TORN = (
    '{"facts": [{"about": "document", "kind": "order", "keys": [["order:loja", "1001"]], "gross_cents": 4590,'
    ' "customer": {"document": "390.533.447-05", "name": "Maria Quitéria", "email": "maria@loja.example"},'
    ' "as_of": "2026-03-30T09:00:00-03:00"}]}'
)


async def test_a_parked_delivery_of_a_running_hub_becomes_a_failing_sample_without_its_people(
    migrated_url: str, tmp_path: Path
) -> None:
    generic = shutil.copytree(
        ROOT / "adapters/erp/generic", tmp_path / "generic", ignore=lambda *_: {"__pycache__"}
    )
    environ = {
        "DATABASE_URL": migrated_url,
        "PONTE_UNSAFE_DATABASE": "1",
        "PONTE_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
    }
    async with open_world(migrated_url) as world:
        club = await world.club()
        installed = await world.hub.installed(await club.install())
        assert installed is not None
        parked = Kept(installed, "0" * 64, TORN.encode(), RECEIVED_AT, "parked", "facts.0.document.customer")
        delivery_id = await world.hub.submit(keep, parked)
        given = ("capture", delivery_id, "--into", "generic", "--name", "customer_with_a_name")
        done = ponte(tmp_path, *given, **environ)
        again = ponte(tmp_path, *given, **environ)
        unknown = ponte(tmp_path, "capture", "dlv_unknown", **environ)
    assert done.returncode == 0, done.stderr
    assert "it comes to: Malformed" in done.stdout
    path = generic / "samples/customer_with_a_name.http"
    text = path.read_text()
    assert text.startswith("# source: captured 2026-03-30\n")
    for true in ("390", "Maria", "loja.example", "a secret of thirty-two characters"):
        assert true not in text
    assert '"order:loja", "1001"' in text
    sample = read(path)
    assert tax_id(json.loads(sample.delivery.body)["facts"][0]["customer"]["document"]).text != "39053344705"
    found = [(name, check) for name, check, _ in faults_of(open_folder(generic)) if name == path.stem]
    assert (path.stem, "expected") in found
    assert "is there already" in refused(again)
    assert "There is no delivery dlv_unknown" in refused(unknown)


def test_scrubbing_leaves_what_is_no_person_as_it_is_written() -> None:
    text = '{ "id":7,"total" : "45.90","status":"paid",\n "sku":"A-1", "at":"2031-01-09T14:03:09Z", "n":1e30, "x":null }'
    assert scrubbed(text, Invented()) == text


def test_scrubbing_puts_one_invented_document_for_one_true_one_in_its_own_writing() -> None:
    text = '{"a": "529.982.247-25", "b": 52998224725, "c": "39053344705", "d": "12.ABC.345/01DE-35", "cpf": "1234"}'
    told = json.loads(scrubbed(text, Invented()))
    assert told == {
        "a": "111.444.777-35",
        "b": 11144477735,
        "c": told["c"],
        "d": "11.222.333/0001-81",
        "cpf": "1111",
    }
    assert tax_id(told["c"]).text not in {"39053344705", "11144477735"}


@pytest.mark.parametrize(
    "text",
    [
        '{"customer": {"name": "Maria", "phones": ["+55 11 98765-4321"], "birth_date": "1971-03-04"}}',
        '{"first_name": "Maria", "billing": {"phone": 11987654321, "address_1": "Rua da Maria 9"}}',
        '{"meta_data": [{"id": 1, "key": "_billing_first_name", "value": "Maria"}], "tel": "11987654321"}',
        '{"note": "ligar para Maria 11987654321", "customerName": "Maria", "clientProfileData": {"firstName": "Maria"}}',
        '{"order": 7, "customer": {"name": "Maria',
        '{"customer": {"name": "Maria, "phone": "11987654321"}}',
        "<dest><xNome>Maria</xNome><fone>11987654321</fone><CPF>52998224725</CPF></dest>",
        "name=1&nome=Maria&email=maria%40x.example&telefone=11987654321&cpf=52998224725",
    ],
)
def test_scrubbing_finds_people_in_every_format_also_in_torn_ones(text: str) -> None:
    told = scrubbed(text, Invented())
    for true in ("Maria", "maria", "98765", "11987654321", "1971", "52998224725"):
        assert true not in told
