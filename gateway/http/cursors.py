"""Opaque cursors: where the next page begins, signed, good only for one list and one kind of caller.

No list tells how many there are; a page that is not the last names the next.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel

from gateway.access import Principal
from gateway.http.guard import hub
from gateway.problems import FieldError, Problem

Shown = TypeVar("Shown", bound=BaseModel)
Row = TypeVar("Row")

_SIGNATURE_BYTES = 16

Limit = Annotated[int, Query(ge=1, le=200, description="How many, at most.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=512,
        description="`next_cursor` of the page before; opaque.",
        json_schema_extra={"format": "cursor"},
    ),
]


class Page(BaseModel, Generic[Shown]):
    """One page of a list; `next_cursor` is null on the last one."""

    data: list[Shown]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """One list as one caller sees it: cursors of another place are refused."""

    request: Request
    caller: Principal
    filters: tuple[str | None, ...] = ()

    def seal(self, values: Sequence[str | int]) -> str:
        """Return the cursor that carries `values`."""
        body = json.dumps(list(values), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def open(self, cursor: str | None) -> list[Any] | None:
        """Return what a cursor carries, `None` for the first page. Refuses (422) what was not sealed here."""
        if cursor is None:
            return None
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        signature, body = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(body)):
            raise Problem("invalid", errors=[FieldError("query/cursor", "Cursor inválido para esta lista.")])
        values: list[Any] = json.loads(body)
        return values

    def after(self, cursor: str | None) -> str | None:
        """Return the id that a cursor of one id carries."""
        values = self.open(cursor)
        return None if values is None else str(values[0])

    def seen(self, cursor: str | None) -> int:
        """Return how many of an append-only list the pages before have shown."""
        values = self.open(cursor)
        return 0 if values is None else int(values[0])

    def history(
        self, rows: Sequence[Row], limit: int, seen: int, show: Callable[[Row], Shown]
    ) -> Page[Shown]:
        """Return a page of an append-only list, whose rows never move; see `page`."""
        more = self.seal([seen + limit]) if len(rows) > limit else None
        return Page(data=[show(row) for row in rows[:limit]], next_cursor=more)

    def page(
        self, rows: Sequence[Row], limit: int, key: Callable[[Row], str], show: Callable[[Row], Shown]
    ) -> Page[Shown]:
        """Return a page of at most `limit` of `rows`, which hold one more where there is a next page."""
        shown = rows[:limit]
        more = self.seal([key(shown[-1])]) if len(rows) > limit else None
        return Page(data=[show(row) for row in shown], next_cursor=more)

    def _sign(self, body: bytes) -> bytes:
        where = [self.request.url.path, self.caller.programme_id, self.caller.partner_id, *self.filters]
        key = hub(self.request).context.vault.derive("cursor")
        return hmac.digest(key, json.dumps(where).encode() + b"\n" + body, "sha256")[:_SIGNATURE_BYTES]
