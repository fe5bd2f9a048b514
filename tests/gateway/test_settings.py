"""Settings, clock and identities."""

import base64
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.ports import Ids, SettableClock, system_clock, system_entropy
from gateway.settings import Settings, SettingsRefused

KEY = base64.b64encode(bytes(range(32))).decode()
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def read(folder: Path, **environ: str) -> Settings:
    return Settings.read({"PONTE_DATA_DIR": str(folder), **environ})


def test_nothing_set_means_sqlite_in_the_data_folder_on_loopback(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'ponte.db'}"
    assert (settings.host, settings.port, settings.mode) == ("127.0.0.1", 8000, "production")


def test_the_first_start_writes_a_private_key_and_says_back_it_up_once(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    file = tmp_path / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert base64.b64decode(file.read_text()) == first.master_key == second.master_key
    assert "Back it up" in first.notices[0]
    assert second.notices == ()


def test_every_value_given_is_honoured(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        DATABASE_URL="postgres://ponte:hush@db/ponte",
        PONTE_MASTER_KEY=KEY,
        PONTE_PORT="9000",
        PONTE_MODE="Sandbox",
        PONTE_LOG_LEVEL="debug",
        PONTE_QUEUE_LIMIT="7",
        PONTE_ALLOW_ADDRESSES="127.0.0.1, 10.0.0.0/8,::1",
    )
    assert settings.database_url == "postgresql+asyncpg://ponte:hush@db/ponte"
    assert (settings.port, settings.mode, settings.log_level, settings.queue_limit) == (
        9000,
        "sandbox",
        "debug",
        7,
    )
    assert settings.allow_addresses == tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/8", "::1")))
    assert not (tmp_path / "master.key").exists()


def test_no_secret_shows_in_repr(tmp_path: Path) -> None:
    shown = repr(read(tmp_path, DATABASE_URL="postgresql://ponte:hush@db/ponte", PONTE_MASTER_KEY=KEY))
    assert "hush" not in shown
    assert KEY not in shown
    assert repr(bytes(range(32))) not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PONTE_PORT", "80O0"),
        ("PONTE_PORT", "70000"),
        ("PONTE_PORT", "٣٣٣"),
        ("PONTE_MODE", "test"),
        ("PONTE_LOG_LEVEL", "loud"),
        ("PONTE_QUEUE_LIMIT", "-1"),
        ("PONTE_ALLOW_ADDRESSES", "localhost"),
        ("DATABASE_URL", "mysql://ponte:hush@db/ponte"),
        ("PONTE_MASTER_KEY", "hush"),
        ("PONTE_MASTER_KEY", base64.b64encode(b"hush").decode()),
    ],
)
def test_a_malformed_value_stops_the_start_naming_the_setting_not_the_value(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingsRefused, match=name) as refused:
        read(tmp_path, **{name: value})
    assert value not in str(refused.value)


def test_f105_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "master.key").chmod(0o640)
    with pytest.raises(SettingsRefused, match="chmod 600"):
        read(tmp_path)


def test_f105_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "master.key").write_text("aGVsbG8=\n")
    with pytest.raises(SettingsRefused, match="32 bytes"):
        read(tmp_path)


def test_f105_a_missing_key_beside_a_database_is_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "ponte.db").touch()
    with pytest.raises(SettingsRefused, match="restore the key file"):
        read(tmp_path)
    assert not (tmp_path / "master.key").exists()


def test_f105_a_missing_key_is_missed_wherever_the_database_stands(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.db").touch()
    with pytest.raises(SettingsRefused, match="restore the key file"):
        read(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert not (tmp_path / "master.key").exists()


def test_identities_rise_as_text_even_when_the_clock_stands_still_or_goes_back() -> None:
    clock = SettableClock(NOON)
    ids = Ids(clock, system_entropy)
    made = [ids.new("sal") for _ in range(100)]
    clock.advance(timedelta(seconds=1))
    made.append(ids.new("sal"))
    clock.set(NOON - timedelta(days=400))
    made.append(ids.new("sal"))
    assert made == sorted(set(made))


def test_an_identity_is_its_prefix_and_26_crockford_digits_that_begin_with_the_time() -> None:
    clock = SettableClock(datetime.fromtimestamp(1469918176.385, UTC))
    made = Ids(clock, lambda size: b"\xff" * size).new("sal")
    assert made == "sal_01aryz6s41zzzzzzzzzzzzzzzz"


def test_the_entropy_running_over_still_gives_a_greater_identity() -> None:
    ids = Ids(SettableClock(NOON), lambda size: b"\xff" * size)
    assert ids.new("sal") < ids.new("sal") < ids.new("sal")


def test_a_reservation_number_is_positive_and_has_63_bits() -> None:
    draws = iter([bytes(8), b"\x00" * 7 + b"\x01", b"\xff" * 8])
    ids = Ids(SettableClock(NOON), lambda _size: next(draws))
    assert ids.number63() == 2**63 - 1
    assert all(0 < Ids(system_clock, system_entropy).number63() < 2**63 for _ in range(100))


def test_a_clock_tells_utc_and_refuses_naive_instants() -> None:
    assert system_clock().utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="aware"):
        SettableClock(NOON.replace(tzinfo=None))
