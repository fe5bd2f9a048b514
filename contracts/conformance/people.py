"""The customer's document: CPF and CNPJ come out right in every writing, companies with letters too.

A document is normalised by whoever stores it; a connector passes on what the vendor wrote, or nothing.
"""

import re
from collections.abc import Iterator

from contracts.conformance.conversations import Outcome, hold
from contracts.conformance.folders import Folder
from contracts.conformance.samples import Sample
from contracts.documents import Cnpj, Cpf, tax_id
from contracts.errors import Malformed

WRITINGS = (
    *("111.444.777-35", "11144477735", "390533447-05"),
    *("11.222.333/0001-81", "11222333000181", "12.ABC.345/01DE-35", "12ABC34501DE35"),
)

_CPF = re.compile(r"(?<![\w.-])(?:\d{3}\.\d{3}\.\d{3}-\d{2}|\d{11})(?![\w.-])")


def documents_of(sample: Sample) -> set[str]:
    """Return the true CPFs and CNPJs among the facts a sample must give, bare."""
    said = [fact["customer"]["document"] for fact in sample.expected_facts if "customer" in fact]
    return {bare for document in said if (bare := _bare(document))}


def every_writing(sample: Sample, folder: Folder) -> Iterator[str]:
    """A document of the same kind comes out whatever its writing; one of the other kind right, or not at all."""
    held = documents_of(sample)
    for document in sorted(held):
        for writing in WRITINGS:
            bare = _bare(writing)
            got = _documents(hold(_rewritten(sample, document, writing), folder.connector))
            if len(bare) == len(document) and bare not in got:
                yield f"a document written {writing} is dropped or comes out as another"
            elif got - held - {bare}:
                yield f"a document written {writing} comes out as another"


def people_and_companies(folder: Folder) -> Iterator[str]:
    """Whom the messages name the facts name too, and some sample at least shows each writing."""
    told = [(sample, document) for sample in folder.samples for document in documents_of(sample)]
    if not told and any(_names_somebody(sample) for sample in folder.samples):
        yield "the messages name people by their CPF, and no sample comes to a fact with a customer"
    for writing in WRITINGS if told else ():
        outcomes = (hold(_rewritten(*one, writing), folder.connector) for one in told)
        if not any(_bare(writing) in _documents(outcome) for outcome in outcomes):
            yield f"no sample shows that a document written {writing} is understood"


def writings_of(document: str) -> tuple[str, str]:
    """Return a bare document bare and formatted."""
    return document, (Cpf if len(document) == Cpf.size else Cnpj)(document).formatted


def _bare(writing: str) -> str:
    try:
        return tax_id(writing).text
    except Malformed:
        return ""


def _names_somebody(sample: Sample) -> bool:
    # A checkout asks; it comes to no fact.
    texts = sample.heard if sample.kind != "checkout" else ()
    return any(_bare(found) for text in texts for found in _CPF.findall(text))


def _rewritten(sample: Sample, document: str, writing: str) -> Sample:
    bare, formatted = writings_of(document)
    return sample.rewritten(lambda text: text.replace(formatted, writing).replace(bare, writing))


def _documents(outcome: Outcome) -> set[str]:
    customers = [getattr(fact, "customer", None) for fact in outcome.facts]
    return {_bare(each.document) or each.document for each in customers if each is not None}
