"""Excess memorization: Newcombe's interval against published examples, tables against plain arithmetic."""

import numpy as np
import pandas as pd
import pytest
from drawn_measures import CONTEXT_LENGTHS, drawn_measures, pooled
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from memprune.findings.excess import COLUMNS, excess_table
from memprune.findings.intervals import newcombe_interval
from memprune.findings.paired_tests import mcnemar_p_values

CONTROLS = {"big": "once"}
# Newcombe 1998, Statistics in Medicine 17: 873-890, table II, method 10.
PUBLISHED = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0)),
    ((10, 10, 0, 10), (0.6075, 1.0)),
]
fractions = st.integers(1, 10**4).flatmap(
    lambda n: st.tuples(st.sampled_from([0, n]) | st.integers(0, n), st.just(n))
)


def interval(*counts: int) -> tuple[float, float]:
    low, high = newcombe_interval(*(np.array([count]) for count in counts))
    return low.item(), high.item()


@pytest.mark.parametrize(("counts", "expected"), PUBLISHED)
def test_newcombes_interval_is_that_of_his_examples(counts, expected):
    assert interval(*counts) == pytest.approx(expected, abs=5e-5)


@given(fractions, fractions)
def test_any_interval_holds_the_difference_and_equals_statsmodels(one, other):
    low, high = interval(*one, *other)
    assert -1 <= low <= one[0] / one[1] - other[0] / other[1] <= high <= 1
    expected = confint_proportions_2indep(*one, *other, method="newcomb", compare="diff")
    assert (low, high) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("samples", "share", "other_samples", "other_share"),
    [(96, 0.3, 24, 0.1), (100, 0.2, 100, 0.2), (144, 0.4, 48, 0.15), (200, 0.1, 150, 0.05)],
)
def test_intervals_cover_in_93_to_97_percent(samples, share, other_samples, other_share):
    """Over all outcomes, each by its probability: no simulation comes closer."""
    one, other = (grid.ravel() for grid in np.meshgrid(np.arange(samples + 1), np.arange(other_samples + 1)))
    low, high = newcombe_interval(one, np.full(one.shape, samples), other, np.full(one.shape, other_samples))
    probability = binom.pmf(one, samples, share) * binom.pmf(other, other_samples, other_share)
    covered = (low <= share - other_share) & (share - other_share <= high)
    assert 0.93 <= probability[covered].sum() <= 0.97


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_p_value_equals_statsmodels(gained, lost):
    expected = mcnemar([[0, lost], [gained, 0]], exact=True).pvalue if gained + lost else 1.0
    assert mcnemar_p_values(np.array([lost]), np.array([gained])).item() == pytest.approx(expected)


def of_stratum(rows: pd.DataFrame, by: str, stratum: str | None) -> pd.DataFrame:
    if by == "all":
        return rows
    return rows[rows[by].isna()] if stratum is None else rows[rows[by].astype("string") == stratum]


def test_every_row_is_counted_from_its_samples():
    measures = drawn_measures([0, 1])
    members, non_members = pooled(measures, "member"), pooled(measures, "non_member")
    table = excess_table(members, non_members, CONTROLS)
    assert table.columns.to_list() == COLUMNS
    assert len(table) == 4 * len(CONTEXT_LENGTHS) * (1 + 3 + 4)
    assert table.by.drop_duplicates().to_list() == ["all", "subset", "duplicates"]
    strata = [None if pd.isna(s) else s for s in table[table.by == "duplicates"].stratum[:8]]
    assert strata == ["1", "1", "2", "2", "4", "4", None, None]
    for row in table.to_dict("records"):
        stratum = None if pd.isna(row["stratum"]) else row["stratum"]

        def samples_of(rows, by, model=row["model"], strategy=row["strategy"], row=row, stratum=stratum):
            own = rows[(rows.model == model) & (rows.strategy == strategy)]
            own = own[own.context_length == row["context_length"]]
            return of_stratum(own, by, stratum).set_index("sample").extracted

        own = samples_of(members, row["by"])
        others = samples_of(non_members, "subset" if row["by"] == "subset" else "all")
        assert (row["extracted"], row["samples"]) == (own.sum(), len(own))
        assert (row["non_member_extracted"], row["non_member_samples"]) == (others.sum(), len(others))
        found = [row[name] for name in ("excess", "excess_ci_low", "excess_ci_high")]
        if others.empty:
            assert row["stratum"] == "C"
            assert pd.isna([row["non_member_fraction"], *found]).all()
        else:
            ends = interval(own.sum(), len(own), others.sum(), len(others))
            assert found == pytest.approx([own.mean() - others.mean(), *ends])
        if row["model"] != "big":
            assert pd.isna([row[name] for name in row if "control" in name]).all()
            continue
        control = samples_of(members, row["by"], model="once", strategy="dense")
        assert (row["control_extracted"], row["control_samples"]) == (control.sum(), len(own))
        assert row["excess_over_control"] == pytest.approx(own.mean() - control.mean())
        pairs = pd.crosstab(own, control).reindex([False, True], axis=0).reindex([False, True], axis=1)
        assert row["control_p_value"] == pytest.approx(mcnemar(pairs.fillna(0), exact=True).pvalue)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("controls", [{}, CONTROLS])
@pytest.mark.parametrize("extracted", [True, False])
def test_none_all_or_one_sample_give_a_defined_answer(extracted, controls):
    measures = drawn_measures(members=1, non_members=1).assign(extracted=extracted)
    table = excess_table(pooled(measures, "member"), pooled(measures, "non_member"), controls)
    assert set(table.excess) == {0.0}
    assert (table.excess_ci_low < 0).all()
    assert (table.excess_ci_high > 0).all()
    own = table[table.model.isin(list(controls))]
    assert set(own.control_p_value) <= {1.0}
    assert set(own.excess_over_control) <= {0.0}
    assert table[~table.model.isin(list(controls))].control_p_value.isna().all()


@pytest.mark.filterwarnings("error")
def test_members_without_any_non_member_have_no_excess():
    measures = drawn_measures()
    table = excess_table(pooled(measures, "member"), pooled(measures, "non_member")[:0], {})
    assert set(table.non_member_samples) == {0}
    assert table[["non_member_fraction", "excess", "excess_ci_low", "excess_ci_high"]].isna().all(axis=None)
