r"""A reference client for a payment terminal, to be ported to Android: no sale is lost to a power cut.

    export PONTE_TERMINAL_SECRET=...
    python examples/terminal_client.py --hub http://127.0.0.1:8000 --terminal trm_1 \
        sale --cpf 529.982.247-25 --amount 4590 --answer 'ponte://pay-response?code=0&amount=4590&atk=...'

The one rule: what is about to happen is on disk before it happens. Every sale is one row, which goes

    reserving -> reserved -> launched -> answered | unknown -> reported -> slip_printed

`unknown` is a sale whose answer never came, because Android ended the app; `refused` one that the hub will
not take; `closed` one that the operator called off. Rows that still carry a CPF are erased down to their
figures once the hub has answered. Only the standard library is used; on Android, SQLite and an HTTPS client
do the same.
"""

import argparse
import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

Json: TypeAlias = dict[str, Any]
Launch: TypeAlias = Callable[[Mapping[str, str]], str | None]
"""Fires the intent with these parameters; the answer URI, or nothing if the app was ended meanwhile."""

STEPS = {
    "reserving": ("reserved", "unreserved", "closed"),
    "reserved": ("launched", "closed"),
    "unreserved": ("launched", "closed"),
    "launched": ("answered", "unknown"),
    "unknown": ("answered", "reported", "closed"),
    "answered": ("reported", "refused"),
    "reported": ("slip_printed",),
}


# Everything else of an answer stays on the device for as long as it takes to read this line.
KEPT = frozenset(
    {
        "code",
        "success",
        "responsecode",
        "amount",
        "canceledamount",
        "atk",
        "itk",
        "orderid",
        "authorizationcode",
        "authorizationdatetime",
        "type",
        "paymenttype",
        "manualcapture",
    }
)
OFFLINE_LAUNCH = {"return_scheme": "ponte", "editable_amount": "0"}


class Offline(Exception):
    """The hub cannot be reached, or is busy: keep what was to be said and say it later."""


class Refused(Exception):
    """The hub has understood and said no; saying it again changes nothing."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.code = code


class Mistaken(Exception):
    """The operator named a sale that is not there, or one that is past this."""


@dataclass
class Hub:
    """Signs and sends. The hub's own clock rules: a terminal's is often wrong after its battery ran out."""

    address: str
    terminal: str
    secret: str = field(repr=False)
    now: Callable[[], float] = time.time
    ahead_seconds: int = 0

    def ask(self, method: str, path: str, body: bytes, nonce: str) -> Json:
        """Return the hub's JSON; `Offline` if it gave none, `Refused` if it said no.

        A re-send carries the same nonce and body and a new timestamp, and gets the first answer again.
        """
        status, date, told = self._send(method, path, body, nonce)
        if status == 401 and told.get("code") == "stale_timestamp" and date is not None:
            self.ahead_seconds = int(parsedate_to_datetime(date).timestamp() - self.now())
            status, _, told = self._send(method, path, body, nonce)
        # A revoked or replaced secret is mended by a person: until then the sales wait, they are not lost.
        if status in {401, 403, 408, 425, 429} or status >= 500:
            raise Offline
        if status >= 400:
            raise Refused(status, str(told.get("code", "unknown")))
        return told

    def _send(self, method: str, path: str, body: bytes, nonce: str) -> tuple[int, str | None, Json]:
        timestamp = str(int(self.now()) + self.ahead_seconds)
        signed = f"{self.terminal}.{timestamp}.{nonce}.".encode() + body
        headers = {
            "content-type": "application/json",
            "x-ponte-key": self.terminal,
            "x-ponte-timestamp": timestamp,
            "x-ponte-nonce": nonce,
            "x-ponte-signature": hmac.digest(self.secret.encode(), signed, hashlib.sha256).hex(),
        }
        address = self.address + path
        request = Request(address, data=body or None, headers=headers, method=method)  # noqa: S310 the operator's hub
        try:
            try:
                reply = urlopen(request, timeout=10)  # noqa: S310
            except HTTPError as error:
                reply = error
            with reply:
                told = json.load(reply)
                return reply.status, reply.headers.get("date"), told if isinstance(told, dict) else {}
        except (OSError, HTTPException, ValueError):
            raise Offline from None


def without_card_data(uri: str) -> str:
    """Return the answer with the fields that a hub may see: no card number, no holder's name."""
    parts = urlsplit(uri)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name.replace("_", "").lower() in KEPT]
    return parts._replace(query=urlencode(kept)).geturl()


class Queue:
    """The sales of this terminal, on disk. Every change is durable before the method returns."""

    def __init__(self, path: str) -> None:
        self.rows = sqlite3.connect(path, isolation_level=None)
        self.rows.row_factory = sqlite3.Row
        self.rows.execute("pragma journal_mode = wal")
        self.rows.execute("pragma synchronous = full")  # `normal` may forget the last sale in a power cut
        self.rows.execute("pragma secure_delete = on")  # an erased CPF is overwritten, not just forgotten
        self.rows.execute(
            "create table if not exists sale (sale integer primary key, state text not null,"
            " nonce text not null, asked text, reservation text, launch text, body text, heard text)"
        )

    def begin(self, nonce: str, asked: str) -> int:
        """Note that a sale begins, before anybody hears of it."""
        added = self.rows.execute(
            "insert into sale (state, nonce, asked) values ('reserving', ?, ?)", (nonce, asked)
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def step(self, sale: int, state: str, **changes: str | None) -> None:
        """Move a sale on; refused (`Mistaken`): a step that the state machine does not know."""
        row = self[sale]
        if state not in STEPS.get(row["state"], ()):
            raise Mistaken(f"sale {sale} is {row['state']} and cannot become {state}")
        names = ["state", *changes]
        self.rows.execute(
            f"update sale set {', '.join(f'{name} = ?' for name in names)} where sale = ?",  # noqa: S608 our own names
            (state, *changes.values(), sale),
        )

    def __getitem__(self, sale: int) -> sqlite3.Row:
        """Return a sale's row; refused (`Mistaken`): one that is not there."""
        row: sqlite3.Row | None = self.rows.execute("select * from sale where sale = ?", (sale,)).fetchone()
        if row is None:
            raise Mistaken(f"there is no sale {sale} in this queue")
        return row

    def standing(self, *states: str) -> Iterator[sqlite3.Row]:
        """Yield the sales in these states (all without), oldest first."""
        found = self.rows.execute("select * from sale order by sale").fetchall()
        yield from (row for row in found if not states or row["state"] in states)


class Terminal:
    """One terminal: a queue on disk and a hub that may be out of reach."""

    def __init__(
        self, hub: Hub, queue: Queue, nonce: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self.hub, self.queue, self.nonce = hub, queue, nonce

    def sell(self, cpf: str | None, amount_cents: int | None, launch: Launch) -> int:
        """Reserve, pay, report; return the sale's number. Without the hub the payment goes on."""
        asked = json.dumps({"cpf": cpf, "amount_cents": amount_cents})
        sale = self.queue.begin(self.nonce(), asked)
        parameters = self._reserve(sale, cpf, amount_cents)
        self.queue.step(
            sale, "launched", launch=json.dumps(parameters)
        )  # on disk before the card is asked for
        uri = launch(parameters)
        if uri is None:
            self.queue.step(sale, "unknown")
        else:
            self.answered(sale, uri)
        return sale

    def _reserve(self, sale: int, cpf: str | None, amount_cents: int | None) -> Mapping[str, str]:
        offline = OFFLINE_LAUNCH | ({"amount": str(amount_cents)} if amount_cents else {})
        if cpf is None:
            self.queue.step(sale, "unreserved", asked=None)
            return offline
        row = self.queue[sale]
        try:
            told = self.hub.ask("POST", "/v1/terminal/reservations", row["asked"].encode(), row["nonce"])
        except Offline:
            self.queue.step(sale, "unreserved")  # the CPF goes with the result instead
            return offline
        except Refused:
            self.queue.step(sale, "closed", asked=None)
            raise
        self.queue.step(sale, "reserved", reservation=told["reservation"], asked=None)
        launch: Mapping[str, str] = told["launch"]
        return launch

    def answered(self, sale: int, uri: str) -> None:
        """Keep the answer of the payment app, then report it. A second delivery of an answer is not news."""
        row = self.queue[sale]
        if row["state"] not in {"launched", "unknown"}:
            return
        typed = json.loads(row["asked"])["cpf"] if row["asked"] else None
        body = json.dumps({"reservation": row["reservation"], "cpf": typed, "answer": without_card_data(uri)})
        self.queue.step(sale, "answered", nonce=self.nonce(), body=body, asked=None)
        self.report(sale)

    def report(self, sale: int) -> None:
        """Say what happened. Out of reach, it stays in the queue, with the same nonce and body."""
        row = self.queue[sale]
        try:
            told = self.hub.ask("POST", "/v1/terminal/results", row["body"].encode(), row["nonce"])
        except Offline:
            return
        except Refused as refused:
            self.queue.step(sale, "refused", heard=refused.code)  # keeps its body: a person must look
            return
        self.queue.step(sale, "reported", heard=json.dumps(told), body=None)

    def recover(self) -> None:
        """After a start: what was cut off is told apart, asked for or sent again."""
        for row in self.queue.standing("reserving"):
            self.queue.step(row["sale"], "closed", asked=None)  # no card was asked for
        for row in self.queue.standing("reserved", "unreserved"):
            self.call_off(row["sale"])
        for row in self.queue.standing("launched"):
            self.queue.step(row["sale"], "unknown")
        for row in self.queue.standing("unknown"):
            self.look_up(row["sale"])
        for row in self.queue.standing("answered"):
            self.report(row["sale"])

    def look_up(self, sale: int) -> None:
        """Ask whether the hub knows a sale whose answer never came: Stone may have told it."""
        row = self.queue[sale]
        if row["reservation"] is None:
            return
        try:
            told = self.hub.ask("GET", f"/v1/terminal/reservations/{row['reservation']}", b"", self.nonce())
        except (Offline, Refused):
            return
        if told.get("sale_id") is not None:
            self.queue.step(sale, "reported", heard=json.dumps(told))

    def call_off(self, sale: int) -> None:
        """Release the CPF, as there was no sale. Out of reach of the hub, it stays as it is."""
        row = self.queue[sale]
        if row["reservation"] is not None:
            try:
                path = f"/v1/terminal/reservations/{row['reservation']}/close"
                self.hub.ask("POST", path, b"", self.nonce())
            except Offline:
                return
            except Refused:
                pass  # used or closed already: nothing is left to release
        self.queue.step(sale, "closed", asked=None)

    def print_slips(self, show: Callable[[str], None]) -> None:
        """Print what was not printed yet. A cut between paper and disk prints twice, never not at all."""
        for row in self.queue.standing("reported"):
            for line in json.loads(row["heard"]).get("slip", ()):
                show(line)
            self.queue.step(row["sale"], "slip_printed")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when nothing waits any more, 75 ("try again") when something does."""
    parser = argparse.ArgumentParser(description="A payment terminal that speaks with a Ponte hub.")
    parser.add_argument("--hub", required=True)
    parser.add_argument("--terminal", required=True, help="the terminal's id")
    parser.add_argument("--secret", default=os.environ.get("PONTE_TERMINAL_SECRET", ""))
    parser.add_argument("--queue", default="terminal.db", help="where the sales are kept")
    commands = parser.add_subparsers(dest="command", required=True)
    sale = commands.add_parser("sale", help="one sale, with the answer of the payment app given here")
    sale.add_argument("--cpf")
    sale.add_argument("--amount", type=int, help="centavos; without it the operator types it")
    sale.add_argument("--answer", help="the answer URI; without it the app was ended before it came")
    late = commands.add_parser("answer", help="an answer that came, or was typed from the paper, later")
    late.add_argument("number", type=int)
    late.add_argument("uri")
    off = commands.add_parser("no-sale", help="the operator says that nothing was paid")
    off.add_argument("number", type=int)
    commands.add_parser("flush", help="send what waits")
    commands.add_parser("list", help="show the queue")
    chosen = parser.parse_args(arguments)
    terminal = Terminal(Hub(chosen.hub.rstrip("/"), chosen.terminal, chosen.secret), Queue(chosen.queue))
    try:
        _run(terminal, chosen)
    except (Refused, Mistaken) as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 1
    return 75 if any(terminal.queue.standing("answered", "unknown", "launched")) else 0


def _run(terminal: Terminal, chosen: argparse.Namespace) -> None:
    match chosen.command:
        case "sale":
            terminal.recover()
            terminal.sell(chosen.cpf, chosen.amount, lambda _parameters: chosen.answer)
        case "answer":
            terminal.answered(chosen.number, chosen.uri)
        case "no-sale":
            terminal.call_off(chosen.number)
        case "flush":
            terminal.recover()
        case "list":
            for row in terminal.queue.standing():
                print(row["sale"], row["state"], row["reservation"] or "-")
    if chosen.command != "list":
        terminal.print_slips(print)


if __name__ == "__main__":
    sys.exit(main())
