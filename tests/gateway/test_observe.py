"""The mask over every log line, and metrics whose labels stay few."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gateway.observe import Metrics, configure_logging, mask

CPF = "52998224725"
DOTTED = "529.982.247-25"
CNPJ = "11222333000181"
PAN = "4111111111111111"
WRITINGS = [
    CPF,
    DOTTED,
    "529 982 247 25",
    quote(DOTTED, safe="").replace(".", "%2E").replace("-", "%2D"),
    CPF.encode().hex(),
    DOTTED.encode().hex().upper(),
    base64.b64encode(CPF.encode()).decode(),
    base64.urlsafe_b64encode(f"cpf={DOTTED};x".encode()).decode().rstrip("="),
    CNPJ,
    "11.222.333/0001-81",
    "12.ABC.345/01DE-35",
    "12abc34501de35",
    PAN,
    "4111 1111 1111 1111",
    base64.b64encode(PAN.encode()).decode(),
    PAN.encode().hex(),
    "ponte_live_a1b2c3d4e5f6_SECRETSECRET",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "Bearer abc.def.ghi",
    "Basic dXNlcjpwYXNz",
    "postgresql://ponte:hush@db/ponte",
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("info", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("around", ["{}", "before {} after", '{{"k":"{}"}}', "/path/{}?q={}", "x={},y"])
def test_f101_no_writing_of_a_secret_survives_the_mask(writing: str, around: str) -> None:
    masked = mask(around.format(writing, writing))
    for secret in (writing, CPF, DOTTED, CNPJ, PAN, "SECRETSECRET", "C2FVsBQ", "abc.def", "dXNlcjp", "hush"):
        assert secret not in masked


@pytest.mark.parametrize(
    "text",
    [
        "sal_01m88dzvyq73802k56q4nbv4a4 credited 182 points for 18240 cents",
        "2026-11-25T04:13:21.123456Z",
        "52998224726",
        "5299822472512",
        "GET /v1/sales/sal_01m88dzvyq73802k56q4nbv4a4 200",
        "",
    ],
)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert mask(text) == text


@given(st.text(max_size=300))
def test_masking_never_fails_and_masking_twice_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_a_long_hostile_line_is_masked_in_linear_time() -> None:
    for piece in ("1" * 50_000, "52998224725" * 5_000, "A" * 50_000, "1.1-" * 12_000, "Bearer " * 8_000):
        assert len(mask(piece)) <= len(piece) + 60_000


def test_f101_structlog_values_names_numbers_and_nested_things_are_masked(lines: io.StringIO) -> None:
    structlog.get_logger("x").info(
        f"sale of {CPF}",
        number=int(CPF),
        deep={"a": [{"b": DOTTED}], DOTTED: 1},
        token="plain",
        thing=Exception(PAN),
    )
    text = lines.getvalue()
    assert json.loads(text)["level"] == "info"
    assert not [secret for secret in (CPF, DOTTED, PAN, "plain") if secret in text]


def test_f101_the_logs_of_uvicorn_and_any_library_are_masked_too(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error("bad request of %s", DOTTED)
    logging.getLogger("some.library").warning("card %s", PAN)
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert (first["logger"], first["event"]) == ("uvicorn.error", "bad request of [document]")
    assert second["event"] == "card [card]"


def test_f101_a_traceback_is_masked_and_shows_no_local_values(lines: io.StringIO) -> None:
    def fails(customer: str) -> None:
        raise ValueError(f"no such customer {customer}")

    try:
        fails(DOTTED)
    except ValueError:
        logging.getLogger("x").exception("failed")
    text = json.loads(lines.getvalue())["exception"]
    assert "no such customer [document]" in text
    assert "in fails" in text
    assert DOTTED not in text


def test_f101_pydantics_echo_of_the_input_is_hidden(lines: io.StringIO) -> None:
    class Model(BaseModel):
        amount: int

    sent = {"amount": "JOAO DA SILVA"}
    with pytest.raises(ValidationError) as error:
        Model.model_validate(sent)
    logging.getLogger("x").error("refused", exc_info=error.value)
    assert "JOAO" not in lines.getvalue()
    assert "input_value=[hidden]" in lines.getvalue()


def test_the_control_run_without_mask_does_leak(lines: io.StringIO) -> None:
    unmasked = io.StringIO()
    configure_logging("info", masked=False, stream=unmasked)
    logging.getLogger("x").warning("sale of %s", CPF)
    assert CPF in unmasked.getvalue()


def test_chatty_libraries_stay_quiet_below_warning(lines: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://vendor/?token=1")
    logging.getLogger("uvicorn.access").info("GET /")
    assert lines.getvalue() == ""


def test_metrics_render_under_their_documented_names() -> None:
    metrics = Metrics(["stone"])
    metrics.delivery("stone", "applied")
    metrics.sale("credited", 3)
    metrics.commit(5)
    metrics.bug("stone")
    metrics.forged("stone")
    metrics.forbidden("stone")
    metrics.ignored("stone", "not_a_sale")
    metrics.http("in", 202, 0.003)
    metrics.queue_depth(lambda: 4)
    metrics.coupons_waiting(2)
    text, media = metrics.render()
    assert media.startswith("text/plain")
    for line in (
        'ponte_deliveries_total{connector="stone",outcome="applied"} 1.0',
        'ponte_sales_total{outcome="credited"} 3.0',
        "ponte_commits_total 1.0",
        "ponte_batch_size_sum 5.0",
        'ponte_connector_bug_total{connector="stone"} 1.0',
        'ponte_forged_total{connector="stone"} 1.0',
        'ponte_forbidden_total{connector="stone"} 1.0',
        'ponte_ignored_total{connector="stone",reason="not_a_sale"} 1.0',
        'ponte_http_seconds_count{lane="in",status="2xx"} 1.0',
        "ponte_queue_depth 4.0",
        "ponte_coupons_waiting 2.0",
    ):
        assert line in text.decode().splitlines()


def test_f106_no_flood_of_words_becomes_a_flood_of_series() -> None:
    metrics = Metrics(["stone"])
    for number in range(5000):
        metrics.ignored("stone", f"reason_{number}")
        metrics.delivery(f"unknown_{number}", f"outcome_{number}")
        metrics.http(f"lane_{number}", 200, 0.1)
    series = [line for line in metrics.render()[0].decode().splitlines() if not line.startswith("#")]
    assert len(series) < 500
    assert any('reason="other"' in line for line in series)
