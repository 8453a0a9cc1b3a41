"""The table of categories against pandas and scipy, and the workflow's own."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_measures import LEVELS, SAMPLES, random_members
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from memprune.errors import UserError
from memprune.findings.categories_table import categories_table
from memprune.findings.feature_bins import as_categories
from memprune.findings.frames import VARIANT
from memprune.findings.paired_tests import against_dense
from memprune.results import load

numbers = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)), min_size=1)


def features() -> pd.DataFrame:
    """Features of the random members, and of non-members that have the same numbers."""
    generator = np.random.default_rng(3)
    own = pd.DataFrame(
        {
            "sample": np.arange(SAMPLES),
            "ratio": generator.random(SAMPLES),
            "form": ["prose", "code"] * (SAMPLES // 2),
            "taxonomy": [None if sample % 5 == 0 else "recited" for sample in range(SAMPLES)],
            "nothing": [None] * SAMPLES,
        }
    )
    others = own.assign(form="prose", ratio=7.0)
    return pd.concat([others.assign(split="non_member"), own.assign(split="member")], ignore_index=True)


@pytest.fixture(scope="module")
def members() -> pd.DataFrame:
    return random_members()


@pytest.fixture(scope="module")
def table(members) -> pd.DataFrame:
    return categories_table(members, features())


def test_counts_are_those_of_pandas(members, table):
    own = features()[features().split == "member"].set_index("sample")
    dense = members[members.strategy == "dense"].set_index(["model", "context_length", "sample"]).extracted
    keys = pd.MultiIndex.from_frame(members[["model", "context_length", "sample"]].astype({"model": str}))
    rows = members.assign(
        dense=dense.rename(index=str, level="model").reindex(keys).to_numpy(),
        form=members["sample"].map(own.form),
    )
    assert set(table.feature) == {"ratio", "form", "taxonomy"}
    for row in table[table.feature == "form"].itertuples():
        of = rows[
            (rows.model == row.model) & (rows.strategy == row.strategy) & (rows.level == row.level)
            & (rows.context_length == row.context_length) & (rows.form == row.category)
        ]  # fmt: skip
        assert (row.extracted, row.samples) == (of.extracted.sum(), len(of))
        assert row.fraction == of.extracted.mean()
        assert (row.ci_low, row.ci_high) == pytest.approx(
            proportion_confint(row.extracted, row.samples, method="wilson")
        )
        if row.strategy == "dense":
            assert pd.isna([row.dense, row.kept, row.lost, row.gained, row.kept_fraction, row.p_value]).all()
            continue
        expected = of.dense, of.dense & of.extracted, of.dense & ~of.extracted, ~of.dense & of.extracted
        assert [row.dense, row.kept, row.lost, row.gained] == [int(own.sum()) for own in expected]
        assert row.kept_fraction == row.kept / row.dense
        changed = row.lost + row.gained
        assert row.p_value == pytest.approx(binomtest(row.lost, changed).pvalue if changed else 1)


def test_categories_add_up_to_the_paired_table(members, table):
    keys = ["model", "strategy", "level", "context_length"]
    paired = against_dense(members).astype({"model": str, "strategy": str}).set_index(keys)
    for _, rows in table[table.strategy != "dense"].groupby("feature"):
        own = rows.astype({"model": str, "strategy": str}).groupby(keys)
        sums = own[["samples", "lost", "gained", "dense"]].sum().astype("int64")
        pd.testing.assert_frame_equal(sums, paired.loc[sums.index, list(sums)].astype("int64"))


def test_numbers_are_cut_at_their_quartiles_and_what_is_not_known_comes_last(table):
    dense = table[(table.strategy == "dense") & (table.model == "small") & (table.context_length == 50)]
    bins = dense[dense.feature == "ratio"]
    assert bins.samples.tolist() == [SAMPLES / 4] * 4
    first, second, third, last = bins.category
    assert first.startswith("up to ")
    assert second.split(" to ") == [first.removeprefix("up to "), third.split(" to ")[0]]
    assert last == f"above {third.split(' to ')[1]}"
    known = dense[dense.feature == "taxonomy"]
    assert known.category.isna().tolist() == [False, True]
    assert known.samples.sum() == SAMPLES


@given(numbers)
def test_bins_hold_all_that_is_known_in_order(values):
    series = pd.Series(values, dtype=float)
    bins = as_categories(series)
    assert bins.isna().tolist() == series.isna().tolist()
    held = [series[bins == name] for name in bins.cat.categories]
    assert len(held) <= 4
    for lower, upper in pairwise(held):
        if len(lower) and len(upper):
            assert lower.max() < upper.min()
    known = series.dropna()
    if known.nunique() == len(known) >= 8:
        assert max(map(len, held)) - min(map(len, held)) <= 1


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_a_feature_that_is_the_same_of_all_is_one_row(members, values, seed):
    own = pd.DataFrame({"sample": np.arange(SAMPLES), "split": "member", "same": 2.5})
    table = categories_table(members, own)
    assert set(table.category) == {"all"}
    assert len(table) == 2 * (3 + sum(2 * len(levels) for levels in LEVELS.values()))


def test_members_without_features_are_one_line(members):
    own = features()[features()["sample"] != 7]
    with pytest.raises(UserError, match=r"features.parquet: found no features of member 7; delete it"):
        categories_table(members, own)


def test_the_experiment_has_features_of_all_samples_and_a_table(finished):
    results = finished / "results/tiny"
    samples = pd.read_parquet(results / "samples/samples.parquet")
    own = pd.read_parquet(results / "samples/features.parquet")
    assert own[["sample", "split"]].equals(samples[["sample", "split"]])
    table = load(results).tables["categories"]
    assert set(table.feature) == set(own.columns[2:]) - {"taxonomy"}  # nobody counted duplicates
    assert (table.groupby([*VARIANT, "feature", "context_length"], dropna=False).samples.sum() == 6).all()
