"""The house style of documents, file names and texts, as tests; and for every rule a proof that it can fail."""

import ast
import tomllib

from tests.tidy import house_rules
from tests.tidy.source import PACKAGES, ROOT, modules, texts

PAGE = "# 1. Title\n\n## Context\n\nWhy.\n\n## Decision\n\nWhat.\n\n## Consequences\n\nThen.\n"
TABLE = "| Word | pt-BR | Meaning | In code |\n|---|---|---|---|\n"


def test_decision_records_are_numbered_without_gaps() -> None:
    broken = list(house_rules.misnamed_decisions(texts()))

    assert not broken, "\n".join(["Rename: records are cited by number for ever.", *broken])


def test_a_gap_a_duplicate_and_a_bad_name_of_a_decision_are_found() -> None:
    first, third = "docs/decisions/0001-record-decisions.md", "docs/decisions/0003-ledger.md"

    assert list(house_rules.misnamed_decisions([first])) == []
    assert len(list(house_rules.misnamed_decisions([first, third]))) == 1
    assert len(list(house_rules.misnamed_decisions([first, "docs/decisions/0001-twice.md"]))) == 1
    assert len(list(house_rules.misnamed_decisions(["docs/decisions/Ledger.md"]))) == 1


def test_a_decision_record_is_one_page_with_three_parts() -> None:
    records = {path: text for path, text in texts().items() if path.startswith("docs/decisions/")}
    broken = [
        f"{path}: {what}" for path, text in records.items() for what in house_rules.unruly_decision(text)
    ]

    assert records
    assert not broken, "\n".join(["Shorten it, or split it in two: longer records are not read.", *broken])


def test_a_long_or_incomplete_decision_record_is_found() -> None:
    assert list(house_rules.unruly_decision(PAGE)) == []
    assert list(house_rules.unruly_decision(PAGE + "word " * 450))
    assert list(house_rules.unruly_decision(PAGE + "\n" * 60))
    assert list(house_rules.unruly_decision(PAGE.replace("## Consequences", "## After")))


def test_changelog_fragments_are_named_words_and_kind() -> None:
    broken = list(house_rules.misnamed_fragments(texts()))

    assert not broken, "\n".join(
        ["Name it changes/<words>.<kind>.md, see CONTRIBUTING.md: the name sorts it.", *broken]
    )


def test_a_fragment_of_unknown_kind_is_found() -> None:
    good = ["changes/README.md", "changes/stone-webhooks.connectors.md", "docs/glossary.md"]
    bad = ["changes/stone.md", "changes/Stone.connectors.md", "changes/stone.misc.md"]

    assert list(house_rules.misnamed_fragments([*good, *bad])) == bad


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    broken = [
        f"{path}:{what}" for path, text in texts().items() for what in house_rules.addresses_and_places(text)
    ]

    assert not broken, "\n".join(["Leave the address out: it is another one, or none, elsewhere.", *broken])


def test_an_address_and_a_machine_path_are_found() -> None:
    slash = "/"

    assert list(house_rules.addresses_and_places("pip install -i https://py" + "pi.org/simple x"))
    assert list(house_rules.addresses_and_places("FROM docker" + ".io/library/python"))
    assert list(house_rules.addresses_and_places(f'open("{slash}home/ana/hub.sqlite")'))
    assert list(house_rules.addresses_and_places(f"see {slash}tmp/x"))
    assert list(house_rules.addresses_and_places("GET https://api.example.com/work/1 and ./tmp/x")) == []


def test_every_noun_of_the_glossary_is_spoken_in_the_code() -> None:
    code = "\n".join(each.text for each in modules() if each.within(*PACKAGES))
    broken = list(house_rules.unspoken_nouns(texts()["docs/glossary.md"], code))

    assert not broken, "\n".join(
        ["One word per meaning: rename the code, or the row, or say `later`.", *broken]
    )


def test_a_noun_missing_from_the_code_is_found() -> None:
    rows = TABLE + "| Sale | venda | a purchase | `sale_id` |\n| Relay | repetidor | an agent | later |\n"

    assert list(house_rules.unspoken_nouns(rows, "sale_id = 1")) == []
    assert list(house_rules.unspoken_nouns(rows, "sale_ids = 1")) == ["Sale: `sale_id` is not in the code"]
    assert list(house_rules.unspoken_nouns(TABLE + "| Sale | venda | a purchase | |\n", ""))


def test_the_glossary_is_read_as_a_table() -> None:
    assert len(list(house_rules.glossary_rows(texts()["docs/glossary.md"]))) >= 20


def test_every_refusal_speaks_portuguese() -> None:
    refusals = house_rules.declared_refusals(ast.parse(texts()["loyalty/refusals.py"]))
    broken = list(house_rules.silent_refusals(refusals))

    assert refusals
    assert not broken, "\n".join(
        ["Write the sentence a merchant reads, in pt-BR: a code explains nothing.", *broken]
    )


def test_refusals_are_found_as_calls_and_in_tables() -> None:
    as_call = ast.parse("held = Refusal('held', 'Aguarda análise.')")
    in_table = ast.parse("TEXTS = {'held': 'Aguarda análise.', code: 1}")

    assert house_rules.declared_refusals(as_call) == {"held": "Aguarda análise."}
    assert house_rules.declared_refusals(in_table) == {"held": "Aguarda análise."}


def test_a_refusal_without_a_portuguese_sentence_is_found() -> None:
    good = {"pack_exhausted": "O pacote do parceiro acabou: o crédito espera a recarga."}
    bad = {"unknown_member": "Member not found in this programme.", "held": "", "blocked": "bloqueado"}

    assert list(house_rules.silent_refusals(good)) == []
    assert len(list(house_rules.silent_refusals(bad))) == 3


def test_every_requirement_carries_its_reason_and_every_ignore_of_ruff_too() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    wanted = [
        *project["project"]["dependencies"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
        *project["tool"]["ruff"]["lint"]["ignore"],
    ]
    lines = text.splitlines()
    commented = [line for line in lines if "#" in line]

    silent = [each for each in wanted if not any(f'"{each}"' in line for line in commented)]

    assert [each for each in silent if not each.startswith("ponte-hub")] == []
