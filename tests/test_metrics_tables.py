"""The tables of all metrics alike: against scipy, and against the tables that extraction has of its own."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from random_measures import LEVELS, MODELS, SAMPLES, STRATEGIES, random_members, random_windows, variants
from scipy.stats import bootstrap, permutation_test, ttest_ind, wilcoxon
from statsmodels.stats.multitest import multipletests
from text_measures import CONTINUED, ITEMS, random_generation, random_membership, random_tasks

from memprune.errors import UserError
from memprune.findings.equal_terms import at_equal_perplexity, at_equal_removed, at_equal_sparsity
from memprune.findings.excess import excess_table
from memprune.findings.frames import VARIANT
from memprune.findings.intervals import RESAMPLES
from memprune.findings.mean_intervals import mean_intervals, welch_intervals
from memprune.findings.memorization_table import memorization_table
from memprune.findings.metric_changes import changes
from memprune.findings.metric_values import metric_values
from memprune.findings.metrics_at_equal import metrics_at_equal
from memprune.findings.metrics_between_strategies import metrics_between_strategies
from memprune.findings.metrics_controls import metrics_controls
from memprune.findings.metrics_table import metrics_table
from memprune.findings.paired_tests import against_dense, between_strategies
from memprune.findings.perplexity_table import perplexity_table
from memprune.findings.signed_rank import EXACT, signed_rank_p_values


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    """Members and as many non-members, of which fewer are extracted."""
    members = random_members().assign(split="member", seed=0, pooled=True, document="d")
    others = members.assign(split="non_member", sample=members["sample"] + 1000)
    others["extracted"] &= others["sample"] % 3 == 0
    return pd.concat([members, others], ignore_index=True)


@pytest.fixture(scope="module")
def generation() -> pd.DataFrame:
    return random_generation()


def extracted_of(table: pd.DataFrame, of: str = "member") -> pd.DataFrame:
    return table[(table.metric == "extracted") & (table.of == of)].reset_index(drop=True)


def same(found: pd.DataFrame, expected: pd.DataFrame, names: dict[str, str]) -> None:
    """Columns of one table are those of another, by another name."""
    for name, other in names.items():
        np.testing.assert_array_equal(found[name].to_numpy(float), expected[other].to_numpy(float), name)


def test_extraction_as_any_metric_has_the_numbers_of_its_own_tables(samples):
    at_100 = samples[(samples.context_length == 100) & (samples.split == "member")]
    metrics = list(metric_values(samples))
    table = extracted_of(metrics_table(metrics))
    pruned = table[table.strategy != "dense"]
    shared = {"p_value": "p_value", "p_holm": "p_holm", "items": "samples"}
    change = {
        "change": "difference",
        "change_ci_low": "difference_ci_low",
        "change_ci_high": "difference_ci_high",
    }
    same(pruned, against_dense(at_100), shared | change)
    mean = {"mean": "fraction", "mean_ci_low": "ci_low", "mean_ci_high": "ci_high"}
    same(table, memorization_table(at_100), mean | {"context_length": "context_length"})
    pairs = extracted_of(metrics_between_strategies(metrics))
    own = between_strategies(at_100, random_windows())
    assert pairs[["model", "level", "first", "second"]].equals(own[["model", "level", "first", "second"]])
    same(pairs, own, shared | {name: name for name in change.values()})


def test_controls_of_extraction_are_those_of_the_table_of_excess(samples):
    controls = {"large": "small"}
    members, others = (samples[samples.split == split] for split in ("member", "non_member"))
    own = excess_table(members, others, controls).query("by == 'all' and context_length == 100")
    table = extracted_of(metrics_controls(list(metric_values(samples)), controls))
    names = {
        "mean": "fraction",
        "non_member_mean": "non_member_fraction",
        "control_p_value": "control_p_value",
    }
    names |= {name: name for name in ("excess", "excess_ci_low", "excess_ci_high")}
    same(table, own, names | {"items": "samples", "non_member_items": "non_member_samples"})
    np.testing.assert_allclose(table.excess_over_control, own.excess_over_control)
    held = table.dropna(subset="control_mean")
    assert set(held.model) == {"large"}
    assert (held.excess_over_control_ci_low < held.excess_over_control).all()


@pytest.mark.parametrize("collapsed", [(), ("global",)])
def test_extraction_on_equal_terms_is_that_of_its_own_tables(samples, collapsed):
    at_100 = samples[(samples.context_length == 100) & (samples.split == "member")]
    gone = {"collapsed": lambda table: table.strategy.isin(collapsed) & (table.level >= 0.3)}
    memorization = memorization_table(at_100).assign(**gone)
    perplexity = perplexity_table(random_windows()).assign(**gone)
    table = extracted_of(metrics_at_equal(metrics_table(list(metric_values(samples))), perplexity))
    for quantity, at_equal in {
        "sparsity": at_equal_sparsity,
        "removed": at_equal_removed,
        "perplexity_increase": at_equal_perplexity,
    }.items():
        own, expected = table[table.quantity == quantity], at_equal(memorization, perplexity)
        assert own.strategy.tolist() == expected.strategy.tolist()
        assert own.model.tolist() == expected.model.tolist()
        assert own.interpolated.tolist() == expected.interpolated.tolist()
        assert len(own) or quantity == "sparsity" or collapsed
        for name, other in {"value": quantity, "mean": "fraction", "mean_ci_low": "ci_low"}.items():
            np.testing.assert_allclose(own[name], expected[other].to_numpy(float))


def test_numbers_are_tested_as_scipy_does(generation):
    table = metrics_table(list(metric_values(generation)))
    own = generation[(generation.split == "member") & (generation.model == "small")]
    wide = own.pivot_table(index="sample", columns=["strategy", "level"], values="bleu", observed=True)
    rows = table.query("model == 'small' and of == 'member' and metric == 'bleu'")
    assert rows["items"].tolist() == [CONTINUED] * 5
    for row in rows.itertuples():
        values = wide[row.strategy][row.level]
        assert row.mean == pytest.approx(values.mean())
        if row.strategy != "dense":
            difference = values - wide["dense"][0.0]
            assert row.change == pytest.approx(difference.mean())
            assert row.p_value == pytest.approx(wilcoxon(difference, method="exact").pvalue)
    tested = table.query("of == 'member' and metric == 'bleu' and strategy != 'dense'")
    np.testing.assert_allclose(tested.p_holm, multipletests(tested.p_value, method="holm")[1])
    dense = table[table.strategy == "dense"]
    assert dense[["change", "change_ci_low", "change_ci_high", "p_value", "p_holm"]].isna().all(axis=None)


def test_means_have_bootstrap_intervals_as_scipys_but_expanded():
    values = np.random.default_rng(5).exponential(size=(1, 200))
    low, high = mean_intervals(values)
    other = bootstrap((values[0],), np.mean, n_resamples=RESAMPLES, method="percentile", rng=1)
    ends = other.confidence_interval
    width = ends.high - ends.low
    assert low[0] == pytest.approx(ends.low, abs=0.08 * width)
    assert high[0] == pytest.approx(ends.high, abs=0.08 * width)


def test_intervals_of_means_hold_the_truth_as_often_as_they_say():
    experiments = np.random.default_rng(6).normal(1, 1, (3000, 12))
    low, high = mean_intervals(experiments)
    assert ((low <= 1) & (high >= 1)).mean() == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("sizes", [(2, 5), (30, 12)])
def test_welchs_intervals_are_scipys(sizes):
    generator = np.random.default_rng(7)
    values, others = generator.normal(1, 2, (4, sizes[0])), generator.normal(0, 1, (4, sizes[1]))
    expected = ttest_ind(values, others, axis=1, equal_var=False).confidence_interval()
    for found, end in zip(welch_intervals(values, others), (expected.low, expected.high), strict=True):
        np.testing.assert_allclose(found, end)
    assert np.isnan(welch_intervals(values[:, :1], others)).all()
    assert [end.tolist() for end in welch_intervals(np.ones((1, 3)), np.zeros((1, 4)))] == [[1], [1]]


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=st.integers(-3, 3)))
def test_signed_ranks_with_ties_are_counted_out(differences):
    """As scipy does over all signs of the differences that are not 0."""
    for found, own in zip(signed_rank_p_values(differences.astype(float)), differences, strict=True):
        changed = own[own != 0].astype(float)
        if len(changed) < 2:  # which scipy refuses
            assert found == 1
        else:
            ranks = pd.Series(np.abs(changed)).rank().to_numpy()

            def positive(signs: np.ndarray, axis: int = -1, ranks=ranks) -> np.ndarray:
                return ((signs > 0) * ranks).sum(axis)

            exact = permutation_test(
                (changed,), positive, permutation_type="samples", n_resamples=np.inf, vectorized=True
            )
            assert found == pytest.approx(exact.pvalue)


@pytest.mark.parametrize("items", [EXACT, EXACT + 1, 300])
def test_signed_ranks_of_many_are_scipys(items):
    differences = np.random.default_rng(8).normal(0.1, 1, (3, items))
    method = "exact" if items <= EXACT else "asymptotic"
    expected = wilcoxon(differences, axis=1, method=method).pvalue
    np.testing.assert_allclose(signed_rank_p_values(differences), expected)
    zeros = np.concatenate([differences, np.zeros((3, 40))], axis=1)
    np.testing.assert_allclose(signed_rank_p_values(zeros), expected)


def test_what_metrics_are_of():
    """Texts are no metric, and neither is what is null of all; a task has its own metrics and items."""
    of_text = {(one.of, one.metric) for one in metric_values(random_generation())}
    names = {"rouge_l", "bleu", "edit_distance", "longest_run", "near_verbatim_5", "near_verbatim_10"}
    names |= {"exact", "repeated_4grams", "distinct_2"}
    assert of_text == {(of, name) for of in ("member", "non_member") for name in names}
    scores = {one.metric for one in metric_values(random_membership())}
    assert scores == {"loss", "zlib", "min_k", "min_k_plus_plus"}
    tasks = {
        (one.of, one.metric): one for one in metric_values(random_tasks()) if one.variants.model[0] == "large"
    }
    assert set(tasks) == {("cloze", "acc"), ("cloze", "log_likelihood"), ("choice", "acc")}
    assert {of: len(one.items) for (of, _), one in tasks.items()} == ITEMS
    assert tasks["cloze", "acc"].is_true_or_false
    assert not tasks["cloze", "log_likelihood"].is_true_or_false
    assert {one.context_length for one in tasks.values()} == {None}


def test_samples_are_the_pooled_ones_at_the_longest_context(samples):
    own = samples.assign(pooled=samples["sample"] % 2 == 0)
    metrics = list(metric_values(own))
    assert {one.context_length for one in metrics} == {100}
    assert {len(one.items) for one in metrics} == {SAMPLES // 2}


def test_items_that_some_variants_lack_are_refused(generation):
    one = (generation.strategy == "global") & (generation["sample"] == 5)
    with pytest.raises(UserError, match="measures of small: found other samples of some variants"):
        list(metric_values(generation[~one]))
    with pytest.raises(UserError, match="found null for bleu of member of some variants only"):
        list(metric_values(generation.assign(bleu=generation.bleu.mask(one))))
    dropped = list(metric_values(generation.assign(bleu=generation.bleu.mask(generation["sample"] == 5))))
    counts = {len(own.items) for own in dropped if own.of == "member" and own.metric == "bleu"}
    assert counts == {CONTINUED - 1}


def test_a_control_measured_on_other_items_is_refused(generation):
    fewer = generation[(generation.model != "small") | (generation["sample"] != 5)]
    with pytest.raises(
        UserError, match=r"measures of small: found .* of other items of member than of large"
    ):
        metrics_controls(list(metric_values(fewer)), {"large": "small"})


def test_every_two_strategies_are_compared_by_every_metric(generation):
    metrics = [*metric_values(generation), *metric_values(random_tasks())]
    table = metrics_between_strategies(metrics)
    pairs = len(MODELS) * 2  # levels
    assert len(table) == pairs * (2 * 9 + 3)
    row = table.query("model == 'large' and of == 'member' and metric == 'rouge_l'").iloc[0]
    assert (row.level, row["first"], row.second) == (repr(LEVELS["large"][0]), *STRATEGIES)
    own = generation.query("model == 'large' and split == 'member' and level == 0.2")
    first, second = (own[own.strategy == name].set_index("sample").rouge_l for name in STRATEGIES)
    assert row.difference == pytest.approx((second - first).mean())
    assert row.p_value == pytest.approx(wilcoxon(second - first, method="exact").pvalue)
    assert (row.first_mean, row.second_mean) == pytest.approx((first.mean(), second.mean()))


def dense_only(measures: pd.DataFrame) -> pd.DataFrame:
    return measures[measures.strategy == "dense"]


def test_no_strategy_gives_means_and_no_comparison(generation):
    metrics = list(metric_values(dense_only(generation)))
    table = metrics_table(metrics)
    assert len(table) == len(MODELS) * 18
    assert table.p_holm.isna().all()
    assert metrics_between_strategies(metrics).empty
    perplexity = perplexity_table(dense_only(random_windows())).assign(collapsed=False)
    full = metrics_at_equal(metrics_table(list(metric_values(generation))), perplexity)
    assert metrics_at_equal(table, perplexity).columns.tolist() == full.columns.tolist()
    assert metrics_at_equal(table, perplexity).empty


def test_one_item_and_equal_ones_have_defined_numbers(generation):
    one = metrics_table(list(metric_values(generation[generation["sample"].isin([3, CONTINUED + 3])])))
    assert (one.p_value.dropna() == 1).all()
    assert one["mean"].notna().all()
    numbers = one[~one["mean"].isin([0, 1])]
    assert len(numbers)
    assert numbers[["mean_ci_low", "mean_ci_high", "change_ci_low"]].isna().all(axis=None)
    same_text = generation.assign(bleu=0.25, exact=True)
    table = metrics_table(list(metric_values(same_text))).query(
        "metric in ['bleu', 'exact'] and strategy != 'dense'"
    )
    assert (table.p_value == 1).all()
    assert (table.change == 0).all()
    of_bleu = table[table.metric == "bleu"]
    np.testing.assert_allclose(of_bleu[["mean_ci_low", "mean_ci_high"]], 0.25)
    assert (of_bleu[["change_ci_low", "change_ci_high"]] == 0).all(axis=None)


@pytest.mark.filterwarnings("error")
def test_infinite_values_have_a_test_and_no_interval():
    values = np.array([[-1.0, -2.0, -3.0, -np.inf], [-5.0, -6.0, -np.inf, -np.inf]])
    found = changes(values, False, np.array([0]), np.array([1]))
    assert found["difference"] == -np.inf
    assert np.isnan(found["difference_ci_low"]).all()
    assert found["p_value"] == pytest.approx(0.25)  # three fall, one stays


def test_tables_say_which_variants_they_are_of(generation):
    table = metrics_table(list(metric_values(generation)))
    assert table.columns.to_list() == [
        *VARIANT, "of", "metric", "context_length", "items", "mean", "mean_ci_low", "mean_ci_high",
        "change", "change_ci_low", "change_ci_high", "p_value", "p_holm",
    ]  # fmt: skip
    assert len(table) == len(variants()) * 18
    assert list(dict.fromkeys(table.model)) == MODELS
    assert list(dict.fromkeys(table.strategy)) == ["dense", *STRATEGIES]
