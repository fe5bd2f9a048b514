"""The reference client against a hub that speaks the wire contract over a real socket, and that may fail."""

import importlib.util
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from contracts import Delivery, Forged, HmacFields

CLIENT = Path(__file__).parents[2] / "examples" / "terminal_client.py"
NOW = datetime(2031, 1, 9, 14, 3, 30, tzinfo=UTC)
SECRET = "invented-terminal-secret"
CPF = "529.982.247-25"
ANSWER = (
    "ponte://pay-response?code=0&amount=4590&atk=51000000000017&pan=627303****2166&cardholder_name=CLIENTE"
)
NUMBER = "731000000000000042"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("terminal_client", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


client = load()


class Vendor(ThreadingHTTPServer):
    """The hub's side of the wire: checks signatures, remembers nonces, answers once; out of reach on demand."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.now = NOW
        self.broken: list[int] = []
        self.heard: list[tuple[str, str, bytes]] = []
        self.answers: dict[str, tuple[bytes, int, dict[str, Any]]] = {}
        self.reservation = "open"
        self.sale: str | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        try:
            HmacFields((SECRET.encode(),)).check(Delivery(body, headers), self.now)
        except Forged as forged:
            return 401, {"code": "stale_timestamp" if forged.reason == "stale" else "forged"}
        self.heard.append((f"{method} {path}", headers["x-ponte-nonce"], body))
        if self.broken:
            return self.broken.pop(0), {"code": "broken"}
        nonce = headers["x-ponte-nonce"]
        if nonce in self.answers and self.answers[nonce][0] != body:
            return 409, {"code": "nonce_reused"}
        if nonce not in self.answers:
            self.answers[nonce] = (body, *self.fresh(f"{method} {path}", body))
        return self.answers[nonce][1:]

    def fresh(self, asked: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if asked == "POST /v1/terminal/reservations":
            launch = {
                "return_scheme": "ponte",
                "order_id": NUMBER,
                "amount": str(json.loads(body)["amount_cents"]),
            }
            return 201, {"reservation": NUMBER, "launch": launch, "cpf_mask": "***.982.247-**"}
        if asked == "POST /v1/terminal/results":
            return 200, {
                "sale_id": "sal_1",
                "state": "credited",
                "slip": ["Pontos +45"],
                "outcome": "credited",
            }
        if asked.endswith("/close"):
            self.reservation = "closed"
        return 200, {"reservation": NUMBER, "state": self.reservation, "sale_id": self.sale}


class Talk(BaseHTTPRequestHandler):
    server: Vendor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        held = {name.lower(): value for name, value in self.headers.items()}
        status, said = self.server.respond(self.command, self.path, held, body)
        text = json.dumps(said).encode()
        self.send_response_only(status)
        self.send_header("date", format_datetime(self.server.now, usegmt=True))
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self.do_POST()


@pytest.fixture
def hub() -> Iterator[Vendor]:
    vendor = Vendor()
    thread = threading.Thread(target=vendor.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield vendor
    vendor.shutdown()
    vendor.server_close()
    thread.join()


def terminal(hub: Vendor, folder: Path, clock: datetime = NOW) -> Any:
    """Return a terminal as it is after a start: same queue on disk, nothing in memory."""
    asked = client.Hub(hub.address, "trm_1", SECRET, now=clock.timestamp)
    return client.Terminal(asked, client.Queue(str(folder / "terminal.db")))


def states(device: Any) -> list[str]:
    return [row["state"] for row in device.queue.standing()]


def printed(device: Any) -> list[str]:
    lines: list[str] = []
    device.print_slips(lines.append)
    return lines


def test_a_sale_is_reserved_paid_reported_and_printed_once(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    launched: list[Mapping[str, str]] = []

    def launch(parameters: Mapping[str, str]) -> str:
        launched.append(parameters)
        return ANSWER

    device.sell(CPF, 4590, launch)
    assert launched == [{"return_scheme": "ponte", "order_id": NUMBER, "amount": "4590"}]
    assert (printed(device), printed(device), states(device)) == (["Pontos +45"], [], ["slip_printed"])
    said = json.loads(hub.heard[1][2])
    assert (said["reservation"], said["cpf"]) == (NUMBER, None)
    assert "627303" not in said["answer"]
    assert "CLIENTE" not in said["answer"]


def test_the_sale_is_on_disk_before_the_payment_app_is_launched(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    seen: list[str] = []

    def launch(_parameters: Mapping[str, str]) -> str:
        other = sqlite3.connect(tmp_path / "terminal.db")
        seen.extend(state for (state,) in other.execute("select state from sale"))
        other.close()
        return ANSWER

    device.sell(CPF, 4590, launch)
    assert seen == ["launched"]


def test_an_answer_waits_on_disk_and_is_sent_again_with_the_same_nonce_and_body(
    hub: Vendor, tmp_path: Path
) -> None:
    device = terminal(hub, tmp_path)

    def launch(_parameters: Mapping[str, str]) -> str:
        hub.broken = [503, 500, 401]
        return ANSWER

    device.sell(CPF, 4590, launch)
    for _ in range(4):
        device = terminal(hub, tmp_path, NOW + timedelta(seconds=5))
        device.recover()
    results = [heard for heard in hub.heard if heard[0].endswith("/results")]
    assert len(results) == 4
    assert len(set(results)) == 1
    assert printed(device) == ["Pontos +45"]


def test_without_a_network_the_payment_goes_on_and_the_cpf_goes_with_the_result(
    hub: Vendor, tmp_path: Path
) -> None:
    device = terminal(hub, tmp_path)
    hub.broken = [503, 503]
    device.sell(CPF, 4590, lambda _parameters: ANSWER)
    assert states(device) == ["answered"]
    device.recover()
    said = json.loads(hub.heard[-1][2])
    assert (said["reservation"], said["cpf"]) == (None, CPF)
    assert CPF not in "".join(str(tuple(row)) for row in device.queue.standing())


@pytest.mark.parametrize("wrong", [timedelta(days=-3650), timedelta(hours=-1), timedelta(days=2)])
def test_a_wrong_clock_is_corrected_by_the_hubs(hub: Vendor, tmp_path: Path, wrong: timedelta) -> None:
    device = terminal(hub, tmp_path, NOW + wrong)
    device.sell(CPF, 4590, lambda _parameters: ANSWER)
    assert states(device) == ["reported"]
    assert device.hub.ahead_seconds == -wrong.total_seconds()


def test_a_replaced_secret_keeps_the_sales_waiting(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    device.hub.secret = "another secret"
    device.sell(CPF, 4590, lambda _parameters: ANSWER)
    assert states(device) == ["answered"]
    terminal(hub, tmp_path).recover()
    assert states(device) == ["reported"]


def test_a_sale_whose_answer_never_came_is_found_if_the_hub_knows_it(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    device.sell(CPF, 4590, lambda _parameters: None)
    assert states(device) == ["unknown"]
    device.recover()
    assert states(device) == ["unknown"]
    hub.sale = "sal_1"  # a webhook brought it; the reservation itself is still open
    device.recover()
    assert (states(device), printed(device)) == (["reported"], [])


def test_of_a_sale_whose_answer_never_came_the_operator_says_what_happened(
    hub: Vendor, tmp_path: Path
) -> None:
    device = terminal(hub, tmp_path)
    first, second = (device.sell(CPF, 4590, lambda _parameters: None) for _ in range(2))
    device.call_off(first)
    device.answered(second, ANSWER)
    assert (states(device), hub.reservation) == (["closed", "reported"], "closed")


def test_what_cannot_be_asked_now_is_asked_at_the_next_start(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    named = device.sell(CPF, 4590, lambda _parameters: None)
    device.sell(None, 4590, lambda _parameters: None)
    hub.broken = [503, 503]
    device.recover()
    device.call_off(named)
    assert states(device) == ["unknown", "unknown"]
    hub.broken = [409]
    device.call_off(named)
    assert states(device) == ["closed", "unknown"]


def test_a_hub_that_is_not_there_is_out_of_reach_and_nothing_is_lost(tmp_path: Path) -> None:
    vendor = Vendor()
    vendor.server_close()
    device = terminal(vendor, tmp_path)
    device.sell(CPF, 4590, lambda _parameters: ANSWER)
    assert states(device) == ["answered"]


def test_an_answer_delivered_twice_is_reported_once(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    sale = device.sell(CPF, 4590, lambda _parameters: ANSWER)
    device.answered(sale, ANSWER)
    assert [heard[0] for heard in hub.heard] == [
        "POST /v1/terminal/reservations",
        "POST /v1/terminal/results",
    ]


def test_what_the_hub_refuses_stays_for_a_person_to_see(hub: Vendor, tmp_path: Path) -> None:
    device = terminal(hub, tmp_path)
    sale = device.sell(CPF, 4590, lambda _parameters: None)
    hub.broken = [422]
    device.answered(sale, ANSWER)
    device.recover()
    assert (states(device), device.queue[sale]["heard"]) == (["refused"], "broken")


@pytest.mark.parametrize("moment", ["reserving", "reserved", "launched", "answered"])
def test_a_process_killed_at_any_moment_finds_its_sale_again(
    hub: Vendor, tmp_path: Path, moment: str
) -> None:
    story = f"""
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("terminal_client", {str(CLIENT)!r})
client = importlib.util.module_from_spec(spec); sys.modules["terminal_client"] = client
spec.loader.exec_module(client)
class Cut(client.Queue):
    def begin(self, *a):
        sale = super().begin(*a); self.fall("reserving"); return sale
    def step(self, sale, state, **changes):
        super().step(sale, state, **changes); self.fall(state)
    def fall(self, state):
        if state == {moment!r}: os.kill(os.getpid(), signal.SIGKILL)
hub = client.Hub({hub.address!r}, "trm_1", {SECRET!r}, now=lambda: {NOW.timestamp()})
client.Terminal(hub, Cut({str(tmp_path / "terminal.db")!r})).sell({CPF!r}, 4590, lambda _: {ANSWER!r})
"""
    ended = subprocess.run([sys.executable, "-c", story], check=False, timeout=60)
    assert ended.returncode == -9
    device = terminal(hub, tmp_path)
    assert states(device) == [moment]
    device.recover()
    after = {"reserving": "closed", "reserved": "closed", "launched": "unknown", "answered": "reported"}
    assert states(device) == [after[moment]]
    assert hub.reservation == ("closed" if moment == "reserved" else "open")


def test_the_command_line_tells_the_whole_story(
    hub: Vendor, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONTE_TERMINAL_SECRET", SECRET)
    hub.now = datetime.now(UTC)
    at = ["--hub", hub.address, "--terminal", "trm_1", "--queue", str(tmp_path / "t.db")]
    assert client.main([*at, "sale", "--cpf", CPF, "--amount", "4590", "--answer", ANSWER]) == 0
    assert client.main([*at, "sale", "--amount", "100"]) == 75
    assert client.main([*at, "answer", "2", ANSWER]) == 0
    assert client.main([*at, "sale", "--cpf", CPF]) == 75
    assert client.main([*at, "no-sale", "3"]) == 0
    assert client.main([*at, "flush"]) == 0
    assert client.main([*at, "list"]) == 0
    hub.broken = [422]
    assert client.main([*at, "sale", "--cpf", CPF]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "Pontos +45",
        "Pontos +45",
        f"1 slip_printed {NUMBER}",
        "2 slip_printed -",
        f"3 closed {NUMBER}",
    ]
    assert shown.err == "refused: 422 broken\n"
