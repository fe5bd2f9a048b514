"""House rules about Python code. A rule reads one module and yields what breaks it, as `line: what`."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.tidy.source import Module, code_lines

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MONEY_ROOMS = ("contracts", "loyalty", "gateway/ledger")
TALKATIVE = ("gateway/cli", "gateway/demo", "bench", "examples")
GENERATED = "gateway/store/migrations/versions"  # written by a tool from tables.py, and never edited again
VAGUE_MODULES = re.compile(r"(^|_)(utils?|helpers?|common|base|core|managers?|services?|misc|repository)$")
VAGUE_CLASSES = re.compile(r"(Manager|Service|Helper|Utils?|Base|Impl|Mixin|Factory)$")
# Split, so that this file does not break its own rule.
OPEN_ENDS = re.compile("TO" + r"DO\b|FIX" + r"ME\b|XX" + r"X\b|\bNotImplemented" + "Error")
ASSERTING_CALLS = re.compile(
    r"(^|_)(raises|warns|fail|assert|check|run_state_machine_as_test|call_and_validate)"
)


@dataclass(frozen=True)
class CodeRule:
    """One rule: what it asks, what to do instead, and why; `broken` yields the places."""

    asks: str
    remedy: str
    why: str
    broken: Callable[[Module], Iterator[str]]


def _long_module(module: Module) -> Iterator[str]:
    if module.within(GENERATED):
        return
    limit = 600 if module.within("tests") else 400
    if (count := len(code_lines(module.text))) > limit:
        yield f"1: {count} code lines, limit {limit}"


def _long_function(module: Module) -> Iterator[str]:
    if module.within(GENERATED):
        return
    lines = code_lines(module.text)
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS):
            count = len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))
            if count > 50:
                yield f"{node.lineno}: {node.name} has {count} code lines, limit 50"


def _inexact_money(module: Module) -> Iterator[str]:
    if not module.within(*MONEY_ROOMS):
        return
    refusals = {id(inner) for call in _calls(module.tree, "isinstance") for inner in ast.walk(call)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "float" and id(node) not in refusals:
            yield f"{node.lineno}: float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{node.lineno}: {node.value!r}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{node.lineno}: true division"


def _print(module: Module) -> Iterator[str]:
    if not module.within("tests", *TALKATIVE):
        for call in _calls(module.tree, "print"):
            yield f"{call.lineno}: print"


def _vague_name(module: Module) -> Iterator[str]:
    for part in module.path.removesuffix(".py").split("/"):
        if VAGUE_MODULES.search(part):
            yield f"1: module {part}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and VAGUE_CLASSES.search(node.name):
            yield f"{node.lineno}: class {node.name}"


def _open_end(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), 1):
        if found := OPEN_ENDS.search(line):
            yield f"{number}: {found.group()}"


def _toothless_test(module: Module) -> Iterator[str]:
    if not module.within("tests"):
        return
    checkers = {
        node.name for node in ast.walk(module.tree) if isinstance(node, FUNCTIONS) and _asserts(node, set())
    }
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_") and not _asserts(node, checkers):
            yield f"{node.lineno}: {node.name}"


def _asserts(function: FunctionNode, checkers: set[str]) -> bool:
    """Whether a function can fail a test: by itself, or through a function of its module that can."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = _called(node)
            if name in checkers or ASSERTING_CALLS.search(name):
                return True
    return False


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


CODE_RULES = {
    "long module": CodeRule(
        "a module has at most 400 code lines (a test module 600)",
        "split it along the nouns of docs/glossary.md",
        "a file is read whole or not at all",
        _long_module,
    ),
    "long function": CodeRule(
        "a function has at most 50 code lines",
        "name its steps and make each a function",
        "a function one cannot see at once hides its exits",
        _long_function,
    ),
    "inexact money": CodeRule(
        "no float and no true division in contracts, loyalty and gateway/ledger",
        "use int centavos, `//`, or Fraction(numerator, denominator)",
        "0.1 + 0.2 is not 0.3, and a partner notices the centavo",
        _inexact_money,
    ),
    "print": CodeRule(
        "only the command line, the demo, bench/ and examples/ print",
        "log through gateway/observe.py",
        "what is printed is not masked, and a CPF would leak",
        _print,
    ),
    "vague name": CodeRule(
        "no module or class is called manager, service, helper, utils, common, base, core or the like",
        "name what it holds, in a word of docs/glossary.md",
        "a vague name attracts everything and explains nothing",
        _vague_name,
    ),
    "open end": CodeRule(
        "no open ends in the code: neither notes of work to do nor code that says it is not written",
        "finish it, delete it, or file an issue",
        "nobody reads a note that no one is asked to close",
        _open_end,
    ),
    "toothless test": CodeRule(
        "every test asserts",
        "assert the outcome, exactly; for a refusal also that the ledger did not change",
        "a test that cannot fail is worse than none: it is believed",
        _toothless_test,
    ),
}
