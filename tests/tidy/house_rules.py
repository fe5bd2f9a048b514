"""House rules about everything that is not one module: documents, names of files, texts for people."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

DECISION = re.compile(r"docs/decisions/(\d{4})-[a-z0-9-]+\.md")
DECISION_PARTS = ("## Context", "## Decision", "## Consequences")
FRAGMENT = re.compile(r"changes/[a-z0-9-]+\.(money-and-safety|connectors|features|internals)\.md")
PAGE_LINES, PAGE_WORDS = 60, 450
# Small words that every English sentence needs and no Portuguese one has.
ENGLISH = re.compile(r"\b(the|is|are|was|not|of|and|in|this|found|must|cannot)\b", re.IGNORECASE)
REGISTRIES = re.compile(
    r"\b(pypi\.org|python[h]osted\.org|pypi\.python|npmjs\.(?:org|com)|yarnpkg\.com|proxy\.golang|crates\.io"
    r"|rubygems\.org|maven\.org|deb\.debian|docker\.io|ghcr\.io|quay\.io|index-url[= ]+\w)"
)
MACHINE_PATHS = re.compile(r"(?<![\w.)}*/-])/(?:home|Users|root|work|tmp|opt|mnt)/\w[^\s\"'`)]*")


def misnamed_decisions(paths: Iterable[str]) -> Iterator[str]:
    """Decision records that break the sequence 0001, 0002, ... or the form `NNNN-words-of-the-title.md`."""
    records = sorted(path for path in paths if path.startswith("docs/decisions/"))
    for expected, path in enumerate(records, 1):
        found = DECISION.fullmatch(path)
        if found is None:
            yield f"{path}: not named NNNN-words-of-the-title.md"
        elif int(found[1]) != expected:
            yield f"{path}: number {expected:04} expected"


def unruly_decision(text: str) -> Iterator[str]:
    """What keeps a decision record from being one page with its three parts."""
    lines, words = len(text.splitlines()), len(text.split())
    if lines > PAGE_LINES or words > PAGE_WORDS:
        yield f"{lines} lines and {words} words; a page is {PAGE_LINES} lines and {PAGE_WORDS} words"
    for part in DECISION_PARTS:
        if f"\n{part}\n" not in text:
            yield f"no part {part!r}"


def misnamed_fragments(paths: Iterable[str]) -> Iterator[str]:
    """Changelog fragments not named `words.kind.md` with a kind that CONTRIBUTING.md lists."""
    for path in paths:
        if path.startswith("changes/") and path != "changes/README.md" and not FRAGMENT.fullmatch(path):
            yield path


def addresses_and_places(text: str) -> Iterator[str]:
    """Host names of package registries, and absolute paths that exist on somebody's machine only."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern in (REGISTRIES, MACHINE_PATHS):
            for found in pattern.finditer(line):
                yield f"{number}: {found.group()}"


def glossary_rows(text: str) -> Iterator[tuple[str, str]]:
    """Word and last column ("in code") of each row of the glossary's table."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if (
            line.startswith("|")
            and len(cells) == 4
            and cells[0] != "Word"
            and not set(cells[0]) <= {"-", ":"}
        ):
            yield cells[0], cells[3]


def unspoken_nouns(glossary: str, code: str) -> Iterator[str]:
    """Glossary words whose code noun stands nowhere in `code`; a word not built yet says `later`."""
    for word, cell in glossary_rows(glossary):
        nouns = re.findall(r"`([^`]+)`", cell)
        if not nouns and cell != "later":
            yield f"{word}: names no code noun"
        for noun in nouns:
            if not re.search(rf"\b{re.escape(noun)}\b", code):
                yield f"{word}: `{noun}` is not in the code"


def declared_refusals(tree: ast.Module) -> dict[str, str]:
    """Code and sentence of every refusal a module declares, as `Refusal("code", "sentence")` or in a table."""
    pairs: list[tuple[ast.expr | None, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            pairs += zip(node.keys, node.values, strict=True)
        elif isinstance(node, ast.Call) and len(node.args) >= 2:
            pairs.append((node.args[0], node.args[1]))
    texts = [(_text(code), _text(sentence)) for code, sentence in pairs]
    return {code: sentence for code, sentence in texts if code is not None and sentence is not None}


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def silent_refusals(refusals: Mapping[str, str]) -> Iterator[str]:
    """Codes of refusals without a sentence in Portuguese."""
    for code, sentence in refusals.items():
        if len(sentence.split()) < 2 or ENGLISH.search(sentence):
            yield f"{code}: {sentence!r}"
