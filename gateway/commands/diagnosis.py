"""`ponte doctor`: the findings, one line each."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict

import typer

from gateway.doctor import examine
from gateway.ports import system_clock


def diagnose(environ: Mapping[str, str], *, as_json: bool) -> bool:
    """Print every finding; return whether all is right."""
    findings = asyncio.run(examine(environ, system_clock))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            mark = typer.style("ok  ", fg="green") if finding.right else typer.style("FAIL", fg="red")
            typer.echo(f"{mark} {finding.check:<11} {finding.sentence}")
    return all(finding.right for finding in findings)
