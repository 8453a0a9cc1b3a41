"""Variants against dense and against each other, by the exact McNemar test and Holm's correction."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_measures import (
    CONTEXT_LENGTHS,
    LEVELS,
    MODELS,
    SAMPLES,
    STRATEGIES,
    random_members,
    random_windows,
    variants,
)
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from memprune.errors import UserError
from memprune.findings.frames import VARIANT
from memprune.findings.intervals import paired_difference_interval
from memprune.findings.paired_tests import against_dense, between_strategies, holm, mcnemar_p_values


@pytest.fixture(scope="module")
def members() -> pd.DataFrame:
    return random_members()


@pytest.fixture(scope="module")
def windows() -> pd.DataFrame:
    return random_windows()


@pytest.fixture(scope="module")
def wide(members) -> pd.DataFrame:
    """Whether each sample is extracted from each variant, samples in rows."""
    return members.pivot_table(
        index=["model", "context_length", "sample"], columns=["strategy", "level"], values="extracted",
        observed=True, aggfunc="first",
    )  # fmt: skip


def test_paired_changes_and_mcnemars_test_equal_scipy(members, wide):
    paired = against_dense(members)
    assert len(paired) == (len(variants()) - len(MODELS)) * len(CONTEXT_LENGTHS)
    for row in paired.itertuples():
        own = wide.loc[(row.model, row.context_length)]
        dense, pruned = own["dense"][0.0].astype(bool), own[row.strategy][row.level].astype(bool)
        assert (row.samples, row.dense, row.extracted) == (SAMPLES, dense.sum(), pruned.sum())
        assert (row.lost, row.gained) == ((dense & ~pruned).sum(), (~dense & pruned).sum())
        assert row.difference == pytest.approx(pruned.mean() - dense.mean())
        interval = paired_difference_interval([row.lost], [row.gained], [SAMPLES])
        assert [row.difference_ci_low, row.difference_ci_high] == [end.item() for end in interval]
        assert row.p_value == pytest.approx(binomtest(row.lost, row.lost + row.gained).pvalue)
    np.testing.assert_allclose(paired.p_holm, multipletests(paired.p_value, method="holm")[1])


def test_every_two_strategies_at_one_level_are_compared(members, windows, wide):
    table = between_strategies(members, windows)
    expected = [
        (model, repr(level), *pair, k)
        for model in MODELS
        for level in LEVELS[model]
        for pair in combinations(STRATEGIES, 2)
        for k in CONTEXT_LENGTHS
    ]
    keys = ["model", "level", "first", "second", "context_length"]
    assert list(table[keys].itertuples(index=False, name=None)) == expected
    sums = windows.groupby(["model", "strategy", "level"], observed=True)[["nll", "tokens"]].sum()
    for row in table.itertuples():
        own = wide.loc[(row.model, row.context_length)]
        first, second = (own[name][float(row.level)].astype(bool) for name in (row.first, row.second))
        assert (row.first_extracted, row.second_extracted) == (first.sum(), second.sum())
        assert (row.first_only, row.second_only) == ((first & ~second).sum(), (~first & second).sum())
        assert row.difference == pytest.approx(second.mean() - first.mean())
        assert row.p_value == pytest.approx(
            binomtest(row.first_only, row.first_only + row.second_only).pvalue
        )
        nll, tokens = (sums.loc[row.model].xs(float(row.level), level="level")[name] for name in sums)
        ratio = np.exp((nll[row.second] - nll[row.first]) / tokens[row.first])
        assert row.perplexity_ratio == pytest.approx(ratio)
        assert row.perplexity_ratio_ci_low < ratio < row.perplexity_ratio_ci_high
    np.testing.assert_allclose(table.p_holm, multipletests(table.p_value, method="holm")[1])


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemars_test_equals_statsmodels(lost, gained):
    p_value = mcnemar_p_values(np.array([lost]), np.array([gained])).item()
    expected = mcnemar([[0, lost], [gained, 0]], exact=True).pvalue if lost + gained else 1
    assert p_value == pytest.approx(expected)
    assert 0 <= p_value <= 1


def test_the_arithmetic_of_ten_samples():
    """Ten lost of which none returns are plain; a difference of ten between 30 and 20 is not."""
    p_values = mcnemar_p_values(np.array([10, 30]), np.array([0, 20]))
    assert [round(p, 3) for p in p_values] == [0.002, 0.203]


def test_holms_correction_equals_the_published_example():
    """Four hypotheses with p = 0.01, 0.04, 0.03, 0.005 (Wikipedia, Holm–Bonferroni method)."""
    adjusted = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_identical_strategies_have_p_1(members, windows):
    def doubled(measures: pd.DataFrame) -> pd.DataFrame:
        """The dense models again as two strategies at level 0.1."""
        dense = measures[measures.strategy == "dense"]
        type_ = dense.strategy.dtype
        copies = [
            dense.assign(level=0.1, strategy=pd.Categorical([name] * len(dense), dtype=type_))
            for name in STRATEGIES
        ]
        return pd.concat([dense, *copies])

    paired = against_dense(doubled(members))
    between = between_strategies(doubled(members), doubled(windows))
    assert (paired[["lost", "gained", "difference"]] == 0).all(axis=None)
    assert (between[["first_only", "second_only", "difference"]] == 0).all(axis=None)
    ratio = ["perplexity_ratio", "perplexity_ratio_ci_low", "perplexity_ratio_ci_high"]
    assert (between[ratio] == 1).all(axis=None)
    for table in (paired, between):
        assert len(table)
        assert (table[["p_value", "p_holm"]] == 1).all(axis=None)
        assert ((table.difference_ci_low < 0) & (table.difference_ci_high > 0)).all()


@pytest.mark.parametrize("extracted", [False, True])
def test_none_and_all_extracted_are_defined(members, windows, extracted):
    same = members.assign(extracted=extracted)
    for table in (against_dense(same), between_strategies(same, windows)):
        assert not table.drop(columns="target", errors="ignore").isna().any(axis=None)
        assert (table.p_holm == 1).all()


def test_all_lost_is_a_difference_of_minus_1(members):
    lost = members.assign(extracted=members.strategy == "dense")
    table = against_dense(lost)
    assert (table[["difference", "difference_ci_low"]] == -1).all(axis=None)
    assert ((table.difference_ci_high > -1) & (table.difference_ci_high < -0.8)).all()
    np.testing.assert_allclose(table.p_value, 2 * 0.5**SAMPLES)


def test_one_sample_shows_nothing(members, windows):
    one = members[members["sample"] == 3]
    for table in (against_dense(one), between_strategies(one, windows)):
        assert not table.drop(columns="target", errors="ignore").isna().any(axis=None)
        assert (table.p_value == 1).all()


def test_one_model_one_strategy_and_none(members, windows):
    def only(measures: pd.DataFrame, strategies: list[str]) -> pd.DataFrame:
        return measures[(measures.model == "small") & measures.strategy.isin(["dense", *strategies])]

    assert len(against_dense(only(members, ["global"]))) == 4
    for strategies in (["global"], []):
        own = only(members, strategies), only(windows, strategies)
        alone = between_strategies(*own)
        assert alone.columns.to_list() == between_strategies(members, windows).columns.to_list()
        assert alone.empty
    none = against_dense(only(members, []))
    assert none.columns.to_list() == against_dense(members).columns.to_list()
    assert none.empty


def test_unknown_parts_of_a_variants_name_do_not_drop_it(members):
    unknown = members.assign(removed=members.removed.where(members.strategy != "global"))
    columns = ["strategy", "lost", "gained", "p_value"]
    pd.testing.assert_frame_equal(against_dense(unknown)[columns], against_dense(members)[columns])


def test_variants_measured_on_other_samples_are_refused(members, windows):
    lacking = members[~((members.strategy == "global") & (members["sample"] == 5))]
    for table in (lambda: against_dense(lacking), lambda: between_strategies(lacking, windows)):
        with pytest.raises(UserError, match="measures of small: found other samples of some variants"):
            table()


def test_columns(members, windows):
    counted = ["difference", "difference_ci_low", "difference_ci_high", "p_value", "p_holm"]
    assert against_dense(members).columns.to_list() == [
        *VARIANT, "context_length", "samples", "dense", "extracted", "lost", "gained", *counted,
    ]  # fmt: skip
    assert between_strategies(members, windows).columns.to_list() == [
        "model", "level", "first", "second", "context_length", "samples", "first_extracted",
        "second_extracted", "first_only", "second_only", *counted,
        "perplexity_ratio", "perplexity_ratio_ci_low", "perplexity_ratio_ci_high",
    ]  # fmt: skip
