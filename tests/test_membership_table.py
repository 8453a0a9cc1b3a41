"""AUC and TPR against scikit-learn, their intervals against scipy, and the table and figure of membership."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, mannwhitneyu, norm
from sklearn.metrics import roc_auc_score, roc_curve

from memprune.errors import UserError
from memprune.figures import plot_membership
from memprune.findings.frames import VARIANT, in_order
from memprune.findings.intervals import RESAMPLES
from memprune.findings.membership_table import RATES, membership_table
from memprune.findings.resampled_roc import auc_and_tpr, percentile_interval, resample_counts
from memprune.metrics.membership.membership_scores import MEMBER

SCORES = st.lists(st.integers(-3, 3) | st.floats(-3, 3), min_size=1, max_size=30)


def by_scikit_learn(members, others, rates) -> list[float]:
    truth = np.repeat([1, 0], [len(members), len(others)])
    scores = np.concatenate([members, others])
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    return [roc_auc_score(truth, scores), *(true[false <= rate].max() for rate in rates)]


@given(SCORES, SCORES, st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 1.0]), min_size=1))
def test_auc_and_tpr_are_those_of_scikit_learn(members, others, rates):
    """Of many equal scores too, of the sample and of resamples, whose units stand in them several times."""
    members, others = np.array(members, float), np.array(others, float)
    generator = np.random.default_rng(len(members))
    counts = [resample_counts(len(own), generator)[:, :4] for own in (members, others)]
    found = auc_and_tpr(members, others, *counts, rates)
    for i, column in enumerate(found.T):
        drawn = [np.repeat(own, count[:, i]) for own, count in zip((members, others), counts, strict=True)]
        assert column.tolist() == pytest.approx(by_scikit_learn(*drawn, rates), abs=1e-12)
    assert found[1:, 0].tolist() == by_scikit_learn(members, others, rates)[1:]


def test_by_hand():
    """Of 4 × 4 pairs 11 and two ties; one non-member above, then three members pass at one in four."""
    members, others = np.array([9.0, 8.0, 6.0, 3.0]), np.array([8.0, 4.0, 3.0, 1.0])
    ones = np.ones((4, 1), np.int32)
    found = auc_and_tpr(members, others, ones, ones, (0.0, 0.24, 0.25, 0.5))
    assert found[:, 0].tolist() == [(4 + 3.5 + 3 + 1.5) / 16, 0.25, 0.25, 0.75, 0.75]


def test_resamples_draw_as_many_units_and_the_first_is_the_sample():
    counts = resample_counts(50, np.random.default_rng(0))
    assert counts.shape == (50, 1 + RESAMPLES)
    assert (counts.sum(0) == 50).all()
    assert (counts[:, 0] == 1).all()
    assert counts[:, 1:].mean(1) == pytest.approx(np.ones(50), abs=0.1)
    assert counts[:, 1:].var() == pytest.approx(1 - 1 / 50, abs=0.02)  # binomial
    assert (resample_counts(1, np.random.default_rng(0)) == 1).all()


def resampled(members: np.ndarray, others: np.ndarray) -> np.ndarray:
    generator = np.random.default_rng(0)
    counts = [resample_counts(len(own), generator) for own in (members, others)]
    return auc_and_tpr(members, others, *counts, RATES)


def test_intervals_are_those_of_scipys_bootstrap():
    generator = np.random.default_rng(1)
    members, others = generator.normal(0.5, 1, 120), generator.normal(0, 1, 100)

    def auc(own: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return mannwhitneyu(own, other, axis=axis, method="asymptotic").statistic / (120 * 100)

    expected = bootstrap((members, others), auc, method="percentile", rng=generator).confidence_interval
    low, high = percentile_interval(resampled(members, others)[0, 1:])
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.005)


def test_intervals_cover():
    """Of 300 samples from two normal distributions at least 91 % of the intervals hold the AUC."""
    generator = np.random.default_rng(2)
    truth = norm.cdf(0.5 / np.sqrt(2))
    counts = [resample_counts(size, generator)[:, :400] for size in (60, 40)]
    covered = 0
    for _ in range(300):
        drawn = generator.normal(0.5, 1, 60), generator.normal(0, 1, 40)
        low, high = percentile_interval(auc_and_tpr(*drawn, *counts, ())[0, 1:])
        covered += low <= truth <= high
    assert 0.91 <= covered / 300 <= 0.98


VARIANTS = [("m", "dense", 0.0), ("m", "global", 0.3), ("m", "global", 0.7), ("r", "dense", 0.0)]


def measures(members: int = 60, non_members: int = 100, variants=VARIANTS) -> pd.DataFrame:
    """Scores that tell members the less, the higher the level; `r` is the reference."""
    generator = np.random.default_rng(0)
    split = np.repeat(["member", "non_member"], [members, non_members])
    common = generator.normal(size=len(split))
    tables = []
    for model, strategy, level in variants:
        rows = {"sample": [*range(members), *range(non_members)], "split": split}
        for name, side in MEMBER.items():
            signal = (1 - level) * (split == "member") + common + generator.normal(0, 0.2, len(split))
            rows[name] = signal if side == "higher" else -signal
        rows |= {"reference": np.nan} if model == "r" else {}
        about = {"sparsity": level, "removed": level / 2, "variant_bytes": 1000, "target": None}
        tables.append(pd.DataFrame(rows).assign(model=model, strategy=strategy, level=level, **about))
    return in_order(pd.concat(tables, ignore_index=True), ["m", "r"], ["global"])


def test_the_table_has_a_row_a_variant_and_score():
    table = membership_table(measures())
    assert table.columns[:9].tolist() == [*VARIANT, "score", "members"]
    expected = [(*v, score) for v in VARIANTS for score in MEMBER if (v[0], score) != ("r", "reference")]
    assert list(table[["model", "strategy", "level", "score"]].itertuples(index=False, name=None)) == expected
    assert set(zip(table.members, table.non_members, strict=True)) == {(60, 100)}
    for place, row in enumerate(table.itertuples()):
        rows = measures().query("model == @row.model and strategy == @row.strategy and level == @row.level")
        own = rows[row.score] * (1 if MEMBER[row.score] == "higher" else -1)
        auc, tpr = by_scikit_learn(own[rows.split == "member"], own[rows.split == "non_member"], RATES[:1])
        assert row.auc == pytest.approx(auc)
        assert row.auc_ci_low < auc < row.auc_ci_high
        found, low, high = table.filter(like="tpr_at_fpr_0.01").iloc[place]
        assert found == pytest.approx(tpr)
        assert low <= tpr <= high
    assert table.filter(like="tpr_at_fpr_0.001").isna().all(axis=None)  # a thousandth of 100 is none


def test_changes_are_paired():
    table = membership_table(measures())
    dense, pruned = table[table.strategy == "dense"], table[table.strategy == "global"]
    assert dense.filter(like="change").isna().all(axis=None)
    own = dense[dense.model == "m"].set_index("score").auc
    assert pruned.auc_change.to_numpy() == pytest.approx(pruned.auc - pruned.score.map(own).to_numpy())
    width = pruned.auc_change_ci_high - pruned.auc_change_ci_low
    assert (width < 0.5 * (pruned.auc_ci_high - pruned.auc_ci_low)).all()  # the same samples in both
    same = measures().query("model == 'm'").copy()
    values = same[same.strategy == "dense"][[*MEMBER]].to_numpy()
    same[[*MEMBER]] = np.tile(values, (3, 1))
    unchanged = membership_table(same).query("strategy == 'global'")
    assert (unchanged.auc_change == 0).all()


@pytest.mark.parametrize(
    ("non_members", "known"), [(99, []), (100, RATES[:1]), (999, RATES[:1]), (1000, RATES)]
)
def test_rates_that_so_few_non_members_cannot_tell_are_null(non_members, known):
    table = membership_table(measures(20, non_members, VARIANTS[:1]))
    assert [rate for rate in RATES if table[f"tpr_at_fpr_{rate}"].notna().all()] == list(known)
    assert table.auc.notna().all()


def test_where_resamples_do_not_differ_there_is_no_interval():
    one = membership_table(measures(1, 1))
    assert one.auc.isin([0, 0.5, 1]).all()
    assert one.filter(like="_ci_").isna().all(axis=None)
    alike = membership_table(measures().assign(**dict.fromkeys(MEMBER, 1.0)))
    assert (alike.auc == 0.5).all()
    assert (alike["tpr_at_fpr_0.01"] == 0).all()
    assert alike.filter(like="auc_ci").isna().all(axis=None)


def test_variants_of_other_samples_are_refused():
    rows = measures()
    with pytest.raises(UserError, match="measures of m: found other samples of some variants than of dense"):
        membership_table(rows.drop(index=rows[rows.strategy == "global"].index[0]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("apart", [0, 100])
def test_the_figure_has_a_row_a_model_and_a_column_a_score(apart):
    """Also where members lie wholly apart, and there is no interval."""
    rows = measures()
    for name, side in MEMBER.items():
        rows[name] += apart * (rows.split == "member") * (1 if side == "higher" else -1)
    table = membership_table(rows)
    figure = plot_membership.plot(table, ["m", "r"], ["global"])
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes[:5]] == list(plot_membership.NAMES.values())
    assert list(plot_membership.NAMES) == list(MEMBER)
    assert [axes.get_ylabel() for axes in figure.axes[::5]] == ["m\nAUC", "r\nAUC"]
    for axes, score in zip(figure.axes[:5], MEMBER, strict=True):
        line, guessing, dense = axes.get_lines()
        own = table[(table.model == "m") & (table.score == score)]
        assert list(line.get_xdata()) == [0, 0.3, 0.7]
        assert list(line.get_ydata()) == own.auc.tolist()
        assert list(dense.get_ydata()) == own.auc.tolist()[:1]
        assert set(guessing.get_ydata()) == {0.5}
        segments = [segment for segment in axes.collections[0].get_segments() if len(segment)]
        expected = own[["auc_ci_low", "auc_ci_high"]].dropna().to_numpy()[1:].tolist()
        assert [segment[:, 1].tolist() for segment in segments] == expected
    assert not figure.axes[9].axison  # a model is no reference for itself
