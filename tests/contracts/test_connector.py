"""The record is typed by its config: a connector whose parts do not fit is refused before it runs."""

from datetime import UTC, datetime

import pytest
from mypy import api
from pydantic import BaseModel

from contracts import Connector, Delivery, Facts, Ignored, TerminalReport, Unsigned, Webhook
from contracts.plans import is_steps


class ShopConfig(BaseModel):
    shop: str


def receive(delivery: Delivery, config: ShopConfig) -> Facts:
    return [Ignored(reason=f"for_{config.shop}")]


SHOP = Connector(
    slug="shop",
    name="Shop",
    config=ShopConfig,
    docs="https://shop.example/docs",
    webhook=Webhook(signature=lambda config: Unsigned(f"{config.shop} signs nothing"), receive=receive),
)

SPOILT = {
    "a function written for another config": (
        "Webhook(signature=lambda config: Unsigned('x'), receive=for_bank)",
        'incompatible type "Callable[[Delivery, BankConfig]',
    ),
    "no signature": ("Webhook(receive=for_shop)", 'Missing positional argument "signature"'),
    "a signature that checks nothing": (
        "Webhook(signature=lambda config: 'secret', receive=for_shop)",
        'Incompatible return value type (got "str", expected "Signature")',
    ),
    "a result that is no fact": (
        "Webhook(signature=lambda config: Unsigned('x'), receive=no_facts)",
        'incompatible type "Callable[[Delivery, ShopConfig], list[str]]"',
    ),
}

MODULE = """
from pydantic import BaseModel
from contracts import *
from contracts.plans import is_steps

class ShopConfig(BaseModel):
    shop: str

class BankConfig(BaseModel):
    bank: str

def for_shop(delivery: Delivery, config: ShopConfig) -> Steps[Facts]:
    reply = yield get("/orders/" + config.shop)
    return [Ignored(reason=str(reply.status))]

def for_bank(delivery: Delivery, config: BankConfig) -> Facts:
    return []

def no_facts(delivery: Delivery, config: ShopConfig) -> list[str]:
    return []

def narrowed(plan: Plan[Facts]) -> Facts:
    return [] if is_steps(plan) else plan

good = Webhook[ShopConfig](signature=lambda config: HmacBody((config.shop.encode(),), "x"), receive=for_shop)
connector = Connector(slug="shop", name="Shop", config=ShopConfig, docs="", webhook=good)
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of one module that holds every spoilt record, one a line."""
    lines = [f"spoilt_{n}: Webhook[ShopConfig] = {record}" for n, (record, _) in enumerate(SPOILT.values())]
    module = tmp_path_factory.mktemp("typing") / "author.py"
    module.write_text(MODULE + "\n".join(lines), encoding="utf-8")
    said, crashed, _ = api.run(["--strict", "--follow-imports=silent", str(module)])
    assert not crashed
    return said


@pytest.mark.parametrize("mistake", SPOILT)
def test_mypy_refuses_a_record_with(mistake: str, complaints: str) -> None:
    line = MODULE.count("\n") + 1 + list(SPOILT).index(mistake)
    found = [complaint for complaint in complaints.splitlines() if f"author.py:{line}: error:" in complaint]
    assert any(SPOILT[mistake][1] in complaint for complaint in found), complaints


def test_mypy_accepts_a_sound_record(complaints: str) -> None:
    last_sound_line = MODULE.count("\n")
    blamed = [int(said.split(":")[1]) for said in complaints.splitlines() if ": error:" in said]
    assert blamed
    assert min(blamed) > last_sound_line


def test_a_record_runs_without_any_machinery() -> None:
    assert SHOP.webhook is not None
    plan = SHOP.webhook.receive(Delivery(b"{}"), ShopConfig(shop="a"))
    assert not is_steps(plan)
    assert plan == [Ignored(reason="for_a")]
    assert SHOP.credentials(ShopConfig(shop="a")).headers() == {}


def test_a_terminal_report_hides_the_person_and_the_card() -> None:
    report = TerminalReport(
        terminal_ref="t1",
        merchant_ref="m1",
        zone="America/Sao_Paulo",
        answer={"pan": "5111"},
        reservation=None,
        cpf="52998224725",
        reported_at=datetime(2026, 8, 3, tzinfo=UTC),
    )
    assert "52998224725" not in repr(report)
    assert "5111" not in repr(report)
