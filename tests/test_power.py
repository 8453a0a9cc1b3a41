"""The smallest drop that samples can show."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_measures import CONTEXT_LENGTHS, MODELS, SAMPLES, random_members
from scipy.stats import binom, binomtest

from memprune.findings.memorization_table import memorization_table
from memprune.findings.power import losses_needed, smallest_drop
from memprune.findings.smallest_drops import smallest_drops


@given(st.integers(1, 10**5))
def test_losses_needed_are_the_first_that_the_exact_test_rejects(tests):
    needed = losses_needed(tests)
    assert binomtest(needed, needed).pvalue <= 0.05 / tests < binomtest(needed - 1, needed - 1).pvalue


def test_known_numbers():
    assert [losses_needed(tests) for tests in (1, 2, 420)] == [6, 7, 15]
    assert smallest_drop(5000) == pytest.approx(0.00158, rel=1e-3)
    assert smallest_drop(5000, 420) == pytest.approx(0.00362, rel=1e-3)


@given(st.integers(1, 10**6), st.integers(1, 1000))
def test_power_at_the_smallest_drop_is_80_percent(samples, tests):
    needed, drop = losses_needed(tests), smallest_drop(samples, tests)
    if samples < needed:
        assert drop is None
    else:
        assert 0 < drop < 1
        assert binom.sf(needed - 1, samples, drop) == pytest.approx(0.8)


def test_table_of_dense_models():
    memorization = memorization_table(random_members())
    table = smallest_drops(memorization, 24)
    assert list(zip(table.model, table.context_length, strict=True)) == [
        (model, k) for model in MODELS for k in CONTEXT_LENGTHS
    ]
    dense = memorization[memorization.strategy == "dense"].reset_index(drop=True)
    same = ["model", "context_length", "samples", "extracted", "fraction"]
    pd.testing.assert_frame_equal(table[same], dense[same])
    assert table.columns.to_list() == [
        *same, "tests", "losses_needed", "losses_needed_holm", "smallest_drop", "smallest_drop_holm",
    ]  # fmt: skip
    [row] = table.iloc[:, 5:].drop_duplicates().itertuples(index=False, name=None)
    assert row == (24, 6, losses_needed(24), smallest_drop(SAMPLES), smallest_drop(SAMPLES, 24))


def test_too_few_samples_show_no_drop():
    memorization = memorization_table(random_members()).assign(samples=6)
    table = smallest_drops(memorization, 420)
    assert table.smallest_drop.notna().all()
    assert table.smallest_drop_holm.isna().all()


def test_without_a_test_nothing_is_corrected():
    row = smallest_drops(memorization_table(random_members()), 0).iloc[0]
    assert (row.tests, row.losses_needed_holm, row.smallest_drop_holm) == (0, 6, row.smallest_drop)
