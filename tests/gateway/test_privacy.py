"""Sealing, blind look-up and erasure."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import system_entropy
from gateway.privacy import Unreadable, Vault

CPF = "52998224725"
HERE = "member/mem_1/cpf"
NOVEMBER = datetime(2026, 11, 30, 23, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 0, tzinfo=UTC)

vault = Vault(bytes(range(32)), system_entropy)
wrapped = vault.new_programme_key()
keys = vault.programme("prg_1", wrapped)
member = keys.new_member_key()


@given(st.text(max_size=200))
def test_what_is_sealed_opens_where_it_was_sealed(clear: str) -> None:
    assert keys.open(member, HERE, keys.seal(member, HERE, clear)) == clear


def test_a_sealed_value_does_not_contain_the_value_and_differs_each_time() -> None:
    first, second = keys.seal(member, HERE, CPF), keys.seal(member, HERE, CPF)
    assert first != second
    assert CPF.encode() not in first


@pytest.mark.parametrize("elsewhere", ["member/mem_2/cpf", "member/mem_1/phone", "sale/mem_1/cpf"])
def test_a_value_moved_to_another_row_column_or_table_does_not_open(elsewhere: str) -> None:
    with pytest.raises(Unreadable):
        keys.open(member, elsewhere, keys.seal(member, HERE, CPF))


def test_a_value_moved_to_another_programme_does_not_open_even_with_the_key_rows_copied() -> None:
    other = vault.programme("prg_2", wrapped)
    with pytest.raises(Unreadable):
        other.open(member, HERE, keys.seal(member, HERE, CPF))
    with pytest.raises(Unreadable):
        other.open_config("installation/ins_1/config", keys.seal_config("installation/ins_1/config", b"{}"))


def test_without_the_members_own_key_nothing_opens_it() -> None:
    sealed = keys.seal(member, HERE, CPF)
    for other in (keys.new_member_key(), b"", bytes(40)):
        with pytest.raises(Unreadable):
            keys.open(other, HERE, sealed)


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(place: int, change: int) -> None:
    sealed = bytearray(keys.seal(member, HERE, CPF))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(Unreadable):
        keys.open(member, HERE, bytes(sealed))


@given(st.binary(max_size=80))
def test_garbage_is_unreadable_and_nothing_else(garbage: bytes) -> None:
    with pytest.raises(Unreadable):
        keys.open(member, HERE, garbage)


def test_f105_another_master_key_is_refused_and_has_another_name() -> None:
    other = Vault(bytes(32), system_entropy)
    assert other.key_id != vault.key_id
    with pytest.raises(Unreadable):
        other.programme("prg_1", wrapped)


def test_the_blind_index_is_stable_and_means_nothing_elsewhere() -> None:
    again = Vault(bytes(range(32)), system_entropy).programme("prg_1", wrapped)
    assert keys.blind_index(CPF) == again.blind_index(CPF)
    others = {vault.programme("prg_2", wrapped), vault.programme("prg_1", vault.new_programme_key())}
    assert keys.blind_index(CPF) not in {other.blind_index(CPF) for other in others}
    assert keys.blind_index(CPF) != keys.blind_index("11144477735")
    assert keys.blind_index(CPF) != keys.content_hash(CPF.encode())


def test_a_delivery_opens_in_its_own_month_only() -> None:
    where = "delivery/dlv_1/body"
    sealed = keys.seal_delivery(where, NOVEMBER, b"\x00bytes\xff")
    assert keys.open_delivery(where, NOVEMBER.replace(day=1), sealed) == b"\x00bytes\xff"
    with pytest.raises(Unreadable):
        keys.open_delivery(where, DECEMBER, sealed)


def test_a_config_comes_back_as_it_was() -> None:
    where = "installation/ins_1/config"
    assert keys.open_config(where, keys.seal_config(where, b'{"secret":"s"}')) == b'{"secret":"s"}'


def test_keys_for_different_purposes_are_different() -> None:
    assert len({vault.derive(purpose) for purpose in ("api-keys", "vouchers", "wrap/programme")}) == 3


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short", system_entropy)
