"""Reads the samples of a connector: one conversation a file, its expected facts beside it.

A sample states its origin, the installation's config, and what was said, block by block between `###`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.erp.generic.connector import connector as generic
from adapters.stone.connector import connector as stone
from contracts import Delivery, Facts, Reply, Request, TerminalReport
from contracts.connector import AnyConnector
from contracts.plans import run

ROOT = Path(__file__).parents[2] / "adapters"
FOLDERS: Mapping[str, AnyConnector] = {"stone": stone, "erp/generic": generic}


@dataclass(frozen=True)
class Sample:
    """One conversation; `terminal` is set where a device speaks instead of a vendor's server."""

    path: Path
    connector: AnyConnector
    notes: Mapping[str, str]
    delivery: Delivery
    exchanges: tuple[tuple[str, Reply], ...]

    @property
    def expected(self) -> list[dict[str, Any]]:
        text = self.path.with_suffix(".facts.json").read_text(encoding="utf-8")
        facts: list[dict[str, Any]] = json.loads(text)
        return facts

    @property
    def config(self) -> Any:
        return self.connector.config.model_validate_json(self.notes["config"])

    def facts(self, body: bytes | None = None) -> Facts:
        """Return what the connector makes of the sample, or of another body in its place."""
        body = self.delivery.body if body is None else body
        if "terminal" in self.notes:
            return self._reported(json.loads(body))
        assert self.connector.webhook is not None
        waiting = list(self.exchanges)

        def answer(request: Request) -> Reply:
            asked, reply = waiting.pop(0)
            assert f"{request.method} {request.path}" == asked
            return reply

        facts = run(
            self.connector.webhook.receive(Delivery(body, self.delivery.headers), self.config), answer
        )
        assert not waiting, "the connector did not ask all that the sample holds"
        return list(facts)

    def _reported(self, said: Mapping[str, Any]) -> Facts:
        terminal = self.connector.terminal
        assert terminal is not None
        told = json.loads(self.notes["terminal"])
        report = TerminalReport(
            terminal_ref=told["terminal_ref"],
            merchant_ref=told["merchant_ref"],
            zone=told["zone"],
            answer=terminal.answer(said["answer"]),
            reservation=said["reservation"],
            cpf=said["cpf"],
            reported_at=datetime.fromisoformat(told["reported_at"]),
        )
        return list(terminal.result(report, self.config))


def samples(wanted: Callable[[Sample], bool] = lambda _sample: True) -> list[Sample]:
    """Return the samples of every connector, in the order of their names."""
    found = [
        _read(path, connector)
        for folder, connector in FOLDERS.items()
        for path in sorted((ROOT / folder / "samples").glob("*.http"))
    ]
    return [sample for sample in found if wanted(sample)]


def plain(facts: Facts) -> list[dict[str, Any]]:
    """Return facts as JSON values, without what a source did not state."""
    return [{"about": fact.about, **fact.model_dump(mode="json", exclude_defaults=True)} for fact in facts]


def _read(path: Path, connector: AnyConnector) -> Sample:
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next(n for n, line in enumerate(lines) if not line.startswith("#"))
    notes = dict(line.removeprefix("# ").split(": ", 1) for line in lines[:count])
    blocks = "\n".join(lines[count:]).split("\n###\n")
    _, headers, body = _block(blocks[0])
    asked = [_block(block)[0].removesuffix(" HTTP/1.1") for block in blocks[1::2]]
    replies = [_block(block) for block in blocks[2::2]]
    answers = [Reply(int(start.split()[1]), said, held) for start, held, said in replies]
    return Sample(path, connector, notes, Delivery(body, headers), tuple(zip(asked, answers, strict=True)))


def _block(text: str) -> tuple[str, dict[str, str], bytes]:
    head, _, body = text.partition("\n\n")
    start, *headers = head.splitlines()
    return start, dict(line.split(": ", 1) for line in headers), body.strip().encode()
