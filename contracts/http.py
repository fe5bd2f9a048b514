"""HTTP as values: what arrived, what a connector wants to ask, what came back. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """Bytes that arrived from outside.

    Header names are lower case; `path` is what follows the installation's own address.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    received_at: datetime | None = None
    method: str = "POST"
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a plan wants.

    `path` is joined to the connector's base URL; credentials are added by whoever makes the request.
    """

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a `Request`; the body is decoded and capped."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def get(path: str, **query: str) -> Request:
    """Return a GET for `path`."""
    return Request("GET", path, query=query)


def post(path: str, body: bytes, **headers: str) -> Request:
    """Return a POST of a JSON `body`."""
    return Request("POST", path, body=body, headers={"content-type": "application/json", **headers})
