"""The seven assertions of convergence, as far as they are pure; the seventh belongs to the ledger.

A failure names its seed: `generate(seed)` in `history.py` is the whole counter-example.
"""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.facts import DocumentEvidence, Key, PaymentEvidence
from loyalty.evidence import NOTHING_COVERED
from loyalty.payments import kept_of_operations
from loyalty.evidence import Given
from loyalty.sales import converge
from tests.loyalty import properties
from tests.loyalty.desk import Desk, from_scratch, stamp
from tests.loyalty.history import ZONE, generate

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)


def test_after_the_last_file_every_history_comes_to_the_truth() -> None:
    properties.check_truth(range(1_500))


@pytest.mark.parametrize("first", range(0, 2_000, 500))
def test_two_thousand_shuffles_with_duplicates_and_losses_post_the_truth(first: int) -> None:
    properties.check_shuffles(range(first, first + 500))


def test_every_permutation_of_six_batches_is_the_set_after_every_arrival_and_the_truth_at_the_end() -> None:
    properties.check_permutations(range(6))


def test_delivery_by_delivery_the_incremental_result_is_that_of_the_set() -> None:
    properties.check_every_arrival(range(10_000, 10_120))


def test_repeated_evidence_and_a_poll_of_old_figures_write_no_movement() -> None:
    properties.check_repeats(range(20_000, 20_200))


def test_a_device_alone_adds_no_unit_and_removes_none_after_coverage() -> None:
    properties.check_forgeries(range(30_000, 30_600))
