"""What must hold for every sample of every connector, whatever it says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import Forged, Malformed, RetryLater, SignInAgain, VendorRefused
from contracts.facts import PaymentEvidence
from tests.adapters.conversations import Sample, plain, samples

FIVE = (Forged, Malformed, RetryLater, SignInAgain, VendorRefused)
CENTS = (29, 115, 435, 1999, 100501, 6410)
ALL = samples()
HOOKS = samples(lambda sample: "terminal" not in sample.notes)
ALONE = [sample for sample in HOOKS if not sample.exchanges]


def name(sample: Sample) -> str:
    return f"{sample.connector.slug}-{sample.path.stem}"


each = pytest.mark.parametrize("sample", ALL, ids=name)
each_hook = pytest.mark.parametrize("sample", HOOKS, ids=name)


def reversed_fields(value: Any) -> Any:
    """Return JSON with the fields of every object in the other order."""
    if isinstance(value, dict):
        return {key: reversed_fields(held) for key, held in reversed(value.items())}
    return [reversed_fields(held) for held in value] if isinstance(value, list) else value


def with_new_fields(value: Any) -> Any:
    """Return JSON in which a later version of the vendor adds a field to every object."""
    if isinstance(value, dict):
        return {**{key: with_new_fields(held) for key, held in value.items()}, "added_in_2032": {"x": [1]}}
    return [with_new_fields(held) for held in value] if isinstance(value, list) else value


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a JSON document."""
    yield at
    for key, held in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(held, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copied = value.copy()
    copied[at[0]] = replaced(value[at[0]], at[1:], new)
    return copied


def understood(sample: Sample, body: bytes) -> bool:
    """Whether the body was understood; anything but one of the five failures ends the test."""
    try:
        sample.facts(body)
    except FIVE:
        return False
    return True


@each
def test_a_sample_gives_the_facts_beside_it_however_often(sample: Sample) -> None:
    assert plain(sample.facts()) == sample.expected
    assert sample.facts() == sample.facts()


@each
def test_a_sample_says_where_it_comes_from(sample: Sample) -> None:
    assert sample.notes["source"].startswith(("synthetic", "documented: ", "captured"))


@each_hook
def test_the_order_of_fields_means_nothing(sample: Sample) -> None:
    body = json.dumps(reversed_fields(json.loads(sample.delivery.body))).encode()
    assert plain(sample.facts(body)) == sample.expected


@pytest.mark.parametrize("sample", [s for s in HOOKS if s.connector.slug == "stone"], ids=name)
def test_fields_that_a_vendor_adds_later_change_nothing(sample: Sample) -> None:
    body = json.dumps(with_new_fields(json.loads(sample.delivery.body))).encode()
    assert plain(sample.facts(body)) == sample.expected


@pytest.mark.parametrize("cents", CENTS)
def test_every_centavo_of_a_webhook_a_terminal_and_a_body_of_ours_is_kept(cents: int) -> None:
    wanted = {"charge_paid", "terminal_approved", "cash_sale"}
    captured = []
    for sample in samples(lambda s: s.path.stem in wanted):
        text = sample.delivery.body.decode()
        for amount in ('"paid_amount": 4590', "amount=4590", '"captured_cents": 29'):
            text = text.replace(amount, amount.rstrip("0123456789") + str(cents))
        captured += [f.captured_cents for f in sample.facts(text.encode()) if isinstance(f, PaymentEvidence)]
    assert captured == [cents] * 3


@each
def test_no_secret_and_no_document_is_shown_by_a_config_or_a_fact(sample: Sample) -> None:
    shown = f"{sample.config!r} {sample.config} {sample.facts()!r} {sample.delivery!r}"
    hidden = (
        "invented-secret-of-the-till",
        "invented-password",
        "sk_invented",
        "529.982.247-25",
        "52998224725",
    )
    assert not [text for text in (*hidden, "11144477735", "111.444.777-35", "CLIENTE") if text in shown]


@given(data=st.data())
def test_a_mutated_message_fails_in_one_of_five_ways_or_not_at_all(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(ALONE))
    document = json.loads(sample.delivery.body)
    at = data.draw(st.sampled_from(list(places(document))))
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    new = data.draw(
        scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=5), scalars, max_size=2)
    )
    assert understood(sample, json.dumps(replaced(document, at, new)).encode()) in {True, False}


@given(data=st.data())
def test_torn_bytes_fail_in_one_of_five_ways_or_not_at_all(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(ALONE))
    body = bytearray(sample.delivery.body)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    assert understood(sample, bytes(body)) in {True, False}
    assert not understood(sample, bytes(body[: min(cut, len(body) - 1)]))
