"""`ponte demo`: two seeds tell two true stories, and a hub that it leaves running can be played against."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.reckoning import Purchase, Purse, earned_units

ACCOUNT = "acc_journey01"
PAID = {
    "id": "hook_journey",
    "account": {"id": ACCOUNT, "name": "LOJA"},
    "type": "charge.paid",
    "created_at": "2023-10-10T20:28:13.6201993Z",
    "data": {
        "id": "ch_journey01",
        "code": "38332544765617",
        "amount": 12_500,
        "paid_amount": 12_500,
        "status": "paid",
        "currency": "BRL",
        "paid_at": "2023-10-10T20:28:13.5135427Z",
        "metadata": {"account_funding_source": "debit", "account_holder_name": "NOBODY"},
    },
}
"""What Stone sends when a charge is paid: field for field its own example, value for value invented."""

ANSWER = (
    "deepstone://pay-response?code=0&amount=100&cardholder_name=NOBODY&itk=PB0000AA00000-1.0&atk=37820073187615"
    "&authorization_date_time=05%2F10%2F2022%2002%3A36%3A17&brand=MASTERCARD&pan=627303****2166&type=D%C3%A9bito\n"
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway.cli", *arguments]


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}


def ponte(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments),
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def facts(seed: int) -> Any:
    done = ponte("demo", "--json", "--seed", str(seed))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def kept_hub(folder: Path) -> Iterator[Any]:
    """A demo that stays; stopped by SIGTERM, it ends with 0."""
    said, errors = folder / "said", folder / "errors"
    with said.open("wb") as out, errors.open("wb") as err:
        program = command("demo", "--keep", "--json", "--seed", "5", "--account", ACCOUNT)
        process = subprocess.Popen(program, env=environment(), stdout=out, stderr=err)
    try:
        while not said.read_bytes().endswith(b"\n"):
            assert process.poll() is None, errors.read_text()
            asyncio.run(asyncio.sleep(0.05))
        yield json.loads(said.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, errors.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_two_seeds_are_two_verified_stories_and_one_seed_is_always_the_same() -> None:
    first, second, again = facts(11), facts(12), facts(11)
    assert first == again
    assert first["scenes"] != second["scenes"]
    for story in (first, second):
        checks = [check for scene in story["scenes"] for check in scene["checks"]]
        assert len(story["scenes"]) == 11
        assert len(checks) > 50
        assert [check for check in checks if check["expected"] != check["read"] or not check["right"]] == []
        assert (story["ledger"]["sound"], story["verified"]) == (True, True)
        assert len(story["statement"]) == 4
        assert [line["units"] > 0 for line in story["statement"]] == [True, False, False, True]
        assert story["statement"][2]["balance_after"] < 0


def test_the_story_for_people_shows_statement_and_verdict() -> None:
    done = ponte("demo", COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert "Estorno de pontos já resgatados" in done.stdout
    assert "Extrato de" in done.stdout
    assert "0 falhas" in done.stdout


def test_a_figure_that_differs_from_the_demos_own_reckoning_fails_it() -> None:
    one_too_few = "import gateway.demo.reckoning as r; f = r.earned_units; r.earned_units = lambda *a: max(0, f(*a) - 1)"
    program = f"{one_too_few}; import sys; sys.argv = ['ponte', 'demo']; from gateway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "esperado" in done.stdout


def test_a_kept_hub_takes_a_stone_webhook_a_claim_and_a_terminals_answer(tmp_path: Path) -> None:
    webhook, answer = tmp_path / "paid.json", tmp_path / "answer.txt"
    webhook.write_text(json.dumps(PAID))
    answer.write_text(ANSWER)
    with kept_hub(tmp_path) as doors:
        stone = doors["installations"][0]
        assert (stone["connector"], stone["secrets"]["account_id"]) == ("stone", ACCOUNT)
        (market,) = [each for each in doors["partners"] if each["partner_id"] == stone["partner_id"]]
        environ = {
            "PONTE_HUB": doors["base_url"],
            "PONTE_API_KEY": doors["programmes"][0]["admin_key"],
            "PONTE_PARTNER": stone["partner_id"],
            "PONTE_KEY_FILE": doors["acquirer"]["private_key_file"],
            "PONTE_SECRET": doors["terminals"][0]["secret"],
            "PONTE_JSON": "1",
        }
        cpf = doors["members"][0]["cpf"]
        asked = ("trigger", "--installation", stone["id"], "--sign", "rs256", "--file", str(webhook))
        done = ponte(*asked, PONTE_CLAIM_CPF=cpf, **environ)
        assert done.returncode == 0, done.stdout
        delivered, claimed = json.loads(done.stdout)
        assert delivered["body"]["sales"][0]["reason"] == "no_cpf"
        assert claimed["body"]["units"] == earned_units(12_500, market["rate_micro"])

        told = ("trigger", "--terminal", doors["terminals"][0]["id"], "--file", str(answer))
        done = ponte(*told, PONTE_CPF=cpf, **environ)
        assert done.returncode == 0, done.stdout
        (reported,) = json.loads(done.stdout)
        assert reported["body"]["earned_units"] == earned_units(100, market["rate_micro"])
        assert reported["body"]["state"] == "credited"

        done = ponte(*told, PONTE_CPF=cpf, **{**environ, "PONTE_SECRET": "wrong"})
        assert done.returncode == 1
        assert json.loads(done.stdout)[0]["status"] == 401
        changed = ("--event", "charge.refunded", "--account", "acc_another")
        done = ponte(*asked, *changed, **environ)
        assert (done.returncode, json.loads(done.stdout)[0]["status"]) == (1, 401)

        verified = ponte("ledger", "verify", "--json", PONTE_DATA_DIR=doors["data_dir"])
        assert json.loads(verified.stdout)["sound"] is True, verified.stderr


@pytest.mark.parametrize(
    ("purchases", "cashed_units", "figures"),
    [
        ([], 0, (0, 0, 0)),
        ([Purchase(199, 1_500_000)], 0, (2, 0, 0)),
        ([Purchase(199, 1_500_000), Purchase(10_000, 1_000_000, confirmed=False)], 0, (2, 100, 0)),
        ([Purchase(0, 1_000_000), Purchase(3_000, 1_000_000)], 100, (0, 0, -70)),
    ],
)
def test_the_demos_own_reckoning_by_hand(
    purchases: list[Purchase], cashed_units: int, figures: tuple[int, int, int]
) -> None:
    assert tuple(Purse(purchases, cashed_units).figures.values()) == figures
