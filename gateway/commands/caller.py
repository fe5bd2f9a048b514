"""Speaks to a hub from outside, as a till, a vendor or an operator's program would: real HTTP, nothing else.

A caller shows answers; it never repeats a request by itself.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.connector import Limits
from contracts.credentials import BearerAuth, NoCredentials
from contracts.errors import RetryLater, VendorRefused
from contracts.http import Reply, Request
from gateway.commands.refusals import CommandRefused
from gateway.ports import Clock, system_clock
from gateway.transport import Transport

# The person at the keyboard chose the address; there is nobody to protect it from.
_ANYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_NO_LIMITS: Final = Limits(requests_per_minute=1_000_000, concurrent=64)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: its status, and its body if that was JSON."""

    status: int
    body: Any = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether the hub took it."""
        return self.status < 400


class Caller:
    """One hub, seen from outside. `aclose()` it at the end."""

    def __init__(self, base_url: str, clock: Clock = system_clock) -> None:
        self.base_url = base_url
        self._transport = Transport(_ANYWHERE, clock)

    async def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Heard:
        """Return the answer to one request. Refuses (`CommandRefused`) a hub that does not answer."""
        asked = Request(
            method, path, body=body, headers={"content-type": "application/json", **(headers or {})}
        )
        return await self._heard(asked)

    async def call(
        self, method: str, path: str, key: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Heard:
        """Return the answer of /v1 to the holder of an API key."""
        sent = b"" if body is None else json.dumps(body).encode()
        typed = {"content-type": "application/json"} if sent else {}
        asked = Request(
            method, path, body=sent, headers={**typed, **BearerAuth(key).headers(), **(headers or {})}
        )
        return await self._heard(asked)

    async def _heard(self, asked: Request) -> Heard:
        try:
            reply = await self._transport.exchange(self.base_url, asked, NoCredentials(), _NO_LIMITS)
        except RetryLater:
            raise CommandRefused(f"No hub answers at {self.base_url}.") from None
        except VendorRefused as refused:
            raise CommandRefused(f"{self.base_url} cannot be called: {refused}.") from None
        return Heard(reply.status, _parsed(reply))

    async def aclose(self) -> None:
        """Hang up."""
        await self._transport.close()


def _parsed(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except ValueError:
        return None
