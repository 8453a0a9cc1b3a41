"""Perplexities, and their ratios to the dense model's with intervals over documents."""

import numpy as np
import pandas as pd
import pytest
from random_measures import random_windows
from scipy.stats import bootstrap

from memprune.errors import UserError
from memprune.findings.intervals import RESAMPLES, perplexity_ratios
from memprune.findings.perplexity_table import perplexity_table

RATIO = ["perplexity_ratio", "perplexity_ratio_ci_low", "perplexity_ratio_ci_high"]


@pytest.fixture(scope="module")
def windows() -> pd.DataFrame:
    return random_windows(documents=30)


def test_perplexities_come_from_sums(windows):
    table = perplexity_table(windows)
    for row in table.itertuples():
        own = windows.query("model == @row.model and strategy == @row.strategy and level == @row.level")
        nll = own.nll.sum()
        assert (row.tokens, row.documents) == (own.tokens.sum(), 30)
        assert row.token_perplexity == pytest.approx(np.exp(nll / own.tokens.sum()))
        assert row.word_perplexity == pytest.approx(np.exp(nll / own.words.sum()))
        assert row.byte_perplexity == pytest.approx(2**row.bits_per_byte)


def test_ratios_are_those_of_the_perplexities(windows):
    table = perplexity_table(windows)
    dense = table[table.strategy == "dense"].set_index("model").token_perplexity
    of_dense = table.model.map(dense).astype(float)
    np.testing.assert_allclose(table.perplexity_ratio, table.token_perplexity / of_dense)
    assert (table[table.strategy == "dense"][RATIO] == 1).all(axis=None)
    pruned = table[table.strategy != "dense"]
    assert (pruned.perplexity_ratio_ci_low < pruned.perplexity_ratio).all()
    assert (pruned.perplexity_ratio < pruned.perplexity_ratio_ci_high).all()


def test_intervals_equal_scipys_paired_bootstrap_over_documents(windows):
    """Scipy resamples the sums by document that are made here, from the same seed."""
    table = perplexity_table(windows).query("model == 'small'")
    own = windows[windows.model == "small"].groupby(["strategy", "level", "document"], observed=True)
    sums = own[["nll", "tokens"]].sum()
    dense = sums.loc["dense", 0.0]

    def log_ratio(variant, base, tokens, axis=-1):
        return (variant.sum(axis) - base.sum(axis)) / tokens.sum(axis)

    # Hesterberg's expansion for 30 documents: 2 Φ(sqrt(30 / 29) t) - 1, t = 2.045 of Student's distribution.
    level = 0.9624921994435589
    for row in table[table.strategy != "dense"].itertuples():
        variant = sums.loc[row.strategy, row.level].nll.to_numpy()
        interval = bootstrap(
            (variant, dense.nll.to_numpy(), dense.tokens.to_numpy()), log_ratio, paired=True,
            n_resamples=RESAMPLES, method="percentile", confidence_level=level, rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        ends = row.perplexity_ratio_ci_low, row.perplexity_ratio_ci_high
        assert ends == pytest.approx(tuple(np.exp(interval)), rel=1e-9)


def test_windows_of_one_document_are_resampled_together():
    """Cutting documents into more windows tells nothing new."""
    whole = random_windows(documents=30)
    halves = pd.concat([whole.assign(nll=whole.nll / 2, tokens=whole.tokens / 2)] * 2)
    pd.testing.assert_frame_equal(perplexity_table(whole)[RATIO], perplexity_table(halves)[RATIO])


def test_an_identical_variants_ratio_is_1_for_sure(windows):
    dense = windows[windows.strategy == "dense"]
    same = pd.concat([dense, dense.assign(strategy=dense.strategy.where(dense.model == "", "global"))])
    assert (perplexity_table(same)[RATIO] == 1).all(axis=None)


def test_one_document_tells_nothing_of_others():
    table = perplexity_table(random_windows(documents=1))
    dense = table.strategy == "dense"
    assert (table[dense][RATIO] == 1).all(axis=None)
    assert np.isfinite(table.perplexity_ratio).all()
    assert table[~dense][RATIO[1:]].isna().all(axis=None)


def test_perplexities_may_be_infinite(windows, recwarn):
    high = windows.assign(nll=windows.nll.where(windows.strategy != "global", 1000 * windows.tokens))
    table = perplexity_table(high)
    collapsed = table[table.strategy == "global"]
    assert np.isinf(collapsed.token_perplexity).all()
    assert np.isinf(collapsed[RATIO]).all(axis=None)
    assert not table[RATIO].isna().any(axis=None)
    both = perplexity_ratios(np.full((2, 5), 1e6), np.ones(5), np.array([0]), np.array([1]))
    assert [value.tolist() for value in both.values()] == [[1], [1], [1]]
    assert not recwarn.list


def test_variants_measured_on_other_documents_are_refused(windows):
    lacking = windows[~((windows.strategy == "global") & (windows.document == "d3"))]
    with pytest.raises(
        UserError, match="measures of small: found other documents of some variants"
    ) as caught:
        perplexity_table(lacking)
    assert "\n" not in str(caught.value)
