"""The house style of code, as tests; and for every rule a proof that it can fail."""

import pytest

from tests.tidy.code_rules import CODE_RULES
from tests.tidy.source import PACKAGES, code_lines, module, modules

LONG = "\n".join(f"a{number} = {number}" for number in range(401))
LONG_FUNCTION = "def walk():\n" + "\n".join(f"    a{number} = {number}" for number in range(50))

BAD = [
    ("long module", "gateway/sales/actions.py", LONG),
    ("long module", "tests/loyalty/test_award.py", LONG + "\n" + LONG),
    ("long function", "gateway/sales/actions.py", LONG_FUNCTION),
    ("long function", "tests/loyalty/test_award.py", "if True:\n " + LONG_FUNCTION.replace("\n", "\n ")),
    ("inexact money", "loyalty/award.py", "def award(rate: float): ..."),
    ("inexact money", "loyalty/award.py", "half = 0.5"),
    ("inexact money", "contracts/money.py", "share = total / parts"),
    ("inexact money", "gateway/ledger/actions.py", "total /= 2"),
    ("inexact money", "gateway/ledger.py", "amount = float(text)"),
    ("print", "gateway/intake.py", "print(sale)"),
    ("print", "adapters/stone/connector.py", "def receive():\n    print('here')"),
    ("vague name", "gateway/utils.py", ""),
    ("vague name", "gateway/sale_helpers.py", ""),
    ("vague name", "loyalty/core/award.py", ""),
    ("vague name", "gateway/sales/actions.py", "class SaleManager: ..."),
    ("vague name", "gateway/sales/actions.py", "class ConnectorBase: ..."),
    ("open end", "loyalty/award.py", "x = 1  # TO" + "DO round"),
    ("open end", "loyalty/award.py", "raise NotImplemented" + "Error"),
    ("toothless test", "tests/loyalty/test_award.py", "def test_it_runs():\n    award(1)"),
    ("toothless test", "tests/gateway/test_http.py", "async def test_it_runs():\n    await get('/')"),
    ("toothless test", "tests/x.py", "def look():\n    1\ndef test_it_runs():\n    look()"),
]

GOOD = [
    ("long module", "tests/loyalty/test_award.py", LONG),
    ("long module", "gateway/sales/actions.py", LONG[: LONG.rindex("\n")] + "\n# a comment\n\n"),
    ("inexact money", "contracts/money.py", "refused = isinstance(amount, float)"),
    ("inexact money", "gateway/transport.py", "timeout_seconds = 0.5"),
    ("inexact money", "loyalty/award.py", "units = base * rate // 1_000_000"),
    ("print", "gateway/demo/story.py", "print('Bom dia')"),
    ("print", "gateway/cli.py", "print('Bom dia')"),
    ("vague name", "gateway/ledger/actions.py", "class Movement: ..."),
    (
        "toothless test",
        "tests/x.py",
        "def test_it_refuses():\n    with pytest.raises(Malformed):\n        cents('x')",
    ),
    ("toothless test", "tests/x.py", "def same(a):\n    assert a\ndef test_it_is_the_same():\n    same(1)"),
    ("toothless test", "tests/x.py", "TestLedger = LedgerMachine.TestCase"),
]


@pytest.mark.parametrize("name", CODE_RULES)
def test_the_code_of_the_house_keeps_this_rule(name: str) -> None:
    rule = CODE_RULES[name]

    broken = [f"{each.path}:{place}" for each in modules() for place in rule.broken(each)]

    assert not broken, "\n".join([f"{rule.asks}. Instead: {rule.remedy}. Why: {rule.why}.", *broken])


@pytest.mark.parametrize(("name", "path", "text"), BAD)
def test_a_rule_finds_what_breaks_it(name: str, path: str, text: str) -> None:
    assert list(CODE_RULES[name].broken(module(path, text)))


@pytest.mark.parametrize(("name", "path", "text"), GOOD)
def test_a_rule_leaves_good_code_alone(name: str, path: str, text: str) -> None:
    assert list(CODE_RULES[name].broken(module(path, text))) == []


def test_every_rule_about_code_is_proved_able_to_fail() -> None:
    assert {name for name, _, _ in BAD} == set(CODE_RULES)


def test_comments_blanks_and_docstrings_are_not_code_lines() -> None:
    text = '"""Doc.\n\nMore."""\n\n# why\nx = (\n    1,\n)\n'

    assert code_lines(text) == {6, 7, 8}


def test_the_rules_read_all_four_packages_and_themselves() -> None:
    read = {each.path.split("/")[0] for each in modules()}

    assert read >= {*PACKAGES, "tests"}
    assert any(each.path == "tests/tidy/code_rules.py" for each in modules())
