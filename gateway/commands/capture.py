"""`ponte capture`: a delivery that a hub keeps becomes a sample of its connector, without the people in it.

The hub may run meanwhile: the delivery is read from a snapshot, and nothing is written but the sample.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel, SecretBytes, SecretStr

from contracts.conformance.doors import SECRET_NAME
from contracts.conformance.folders import MODULE, folder_of_slug
from contracts.conformance.samples import Unreadable, read
from contracts.connector import AnyConnector
from gateway.catalogue import Catalogue, UnknownConnector, connector_at, connectors_in
from gateway.commands.refusals import CommandRefused
from gateway.commands.scrubbing import Invented, by_shape, scrubbed, without
from gateway.commands.startup import settings_of
from gateway.commands.try_ import tried
from gateway.custody import check_key
from gateway.installations.actions import body_place, headers_place
from gateway.installations.queries import config_place, kept_delivery
from gateway.ports import system_entropy
from gateway.privacy import Vault
from gateway.programmes.queries import stored_keys
from gateway.settings import Settings
from gateway.store import Connection
from gateway.store.snapshot import snapshot

NAME = re.compile(r"[a-z][a-z0-9_]{1,63}")


@dataclass(frozen=True, slots=True)
class Kept:
    """One delivery as the hub keeps it, opened."""

    connector: str
    config: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime
    state: str
    reason: str | None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def capture(
    environ: Mapping[str, str], delivery_id: str, *, name: str | None, into: Path | None, as_json: bool
) -> None:
    """Write the sample and say what to do with it. Refuses (`CommandRefused`) what cannot become one."""
    settings = settings_of(environ, quiet=True, starting=False)
    kept = asyncio.run(snapshot(settings.database_url, lambda conn: _opened(conn, settings, delivery_id)))
    try:
        connector = Catalogue.load(folder=settings.connectors_dir).get(kept.connector)
    except UnknownConnector:
        raise CommandRefused(f"{kept.connector} is not installed here: give --connectors-dir.") from None
    folder = into or _folder_of(kept.connector, settings.connectors_dir)
    if not (folder / MODULE).is_file():
        raise CommandRefused(f"{folder} has no {MODULE}: give the connector's folder with --into.")
    path = folder / "samples" / f"{_named(name or 'captured_' + delivery_id[-8:].lower())}.http"
    _write(path, _sample(kept, connector))
    outcome = tried(read(path), connector_at(folder)).sentence
    if as_json:
        told = {"sample": str(path), "state": kept.state, "reason": kept.reason, "now": outcome}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(f"Wrote {path}.")
    typer.echo(
        f"The hub {'took' if kept.state == 'done' else kept.state} it ({kept.reason or 'understood'})."
    )
    typer.echo(f"Without its people and its signature, it comes to: {outcome}")
    typer.echo("Read it before you keep it: only what was recognised as personal was replaced.")
    typer.echo(
        f"It fails until it has its facts: ponte try {folder} {path.stem}, then pytest {folder} --accept"
    )


def _opened(conn: Connection, settings: Settings, delivery_id: str) -> Kept:
    row = kept_delivery(conn, delivery_id)
    if row is None:
        raise CommandRefused(f"There is no delivery {delivery_id} in this database.")
    if row["body_sealed"] is None:
        raise CommandRefused(f"The bytes of {delivery_id} are not kept any more.")
    vault = Vault(settings.master_key, system_entropy)
    check_key(vault, conn)
    keys = stored_keys(vault, conn, row["programme_id"])
    config = keys.open_config(config_place(row["installation_id"]), row["config_sealed"])
    body = keys.open_delivery(body_place(delivery_id), row["received_at"], row["body_sealed"])
    headers: dict[str, str] = {}
    if row["headers_sealed"] is not None:
        place = headers_place(delivery_id)
        headers = json.loads(keys.open_delivery(place, row["received_at"], row["headers_sealed"]))
    return Kept(
        row["connector"], json.loads(config), body, row["received_at"], row["state"], row["reason"], headers
    )


def _sample(kept: Kept, connector: AnyConnector) -> str:
    """Return the sample's text: its origin, an invented config, and the delivery without its people."""
    at = kept.received_at.astimezone(UTC)
    told = json.dumps(kept.config)
    found = _secrets("config", connector.config.model_validate_json(told))
    secrets = {text: name for text, name in found if text}
    invented = Invented()
    try:
        body = scrubbed(without(secrets, kept.body.decode()), invented)
    except UnicodeDecodeError:
        raise CommandRefused("The delivery is no UTF-8 text: a sample cannot hold it.") from None
    config = by_shape(without(secrets, told), invented)
    notes = f"# source: captured {at:%Y-%m-%d}\n# config: {config}\n# now: {at.isoformat()}\n"
    media = {"{": "application/json", "[": "application/json", "<": "application/xml"}
    told_as = {"content-type": media.get(body.lstrip()[:1], "application/octet-stream"), **kept.headers}
    headers = "".join(f"{name}: {scrubbed(value, invented)}\n" for name, value in told_as.items())
    return f"{notes}POST / HTTP/1.1\n{headers}\n{body}\n"


def _write(path: Path, text: str) -> None:
    """Write the sample. Refused: a name that is taken, and a body that would be read as another one."""
    if path.exists():
        raise CommandRefused(f"{path} is there already: give another --name.")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        said = read(path).delivery.body
    except Unreadable as refused:
        path.unlink()
        raise CommandRefused(f"A sample cannot hold this delivery: {refused}.") from None
    if said.decode() != text.partition("\n\n")[2].strip("\n"):
        path.unlink()
        raise CommandRefused("A sample cannot hold this delivery: it would be read as another one.")


def _secrets(name: str, held: Any) -> Iterator[tuple[str, str]]:
    """Yield what of a config is secret by its type or by its name, with that name, however deep it stands."""
    if isinstance(held, SecretStr | SecretBytes):
        text = held.get_secret_value()
        yield text if isinstance(text, str) else text.decode(), name
    elif isinstance(held, str) and SECRET_NAME.fullmatch(name):
        yield held, name
    else:
        for inner, value in _within(name, held):
            yield from _secrets(inner, value)


def _within(name: str, held: Any) -> Iterable[tuple[str, Any]]:
    match held:
        case BaseModel():
            return iter(held)
        case Mapping():
            return held.items()
        case list() | tuple():
            return [(name, value) for value in held]
    return ()


def _folder_of(slug: str, connectors_dir: Path | None) -> Path:
    for place in () if connectors_dir is None else connectors_in(connectors_dir):
        if place.is_dir() and connector_at(place).slug == slug:
            return place
    try:
        return folder_of_slug(slug)
    except Unreadable:
        raise CommandRefused(f"Give --into: {slug} has no folder of its own here.") from None


def _named(name: str) -> str:
    if not NAME.fullmatch(name):
        raise CommandRefused(f"{name!r} is no name of a sample: a-z, 0-9 and _, a letter first.")
    return name
