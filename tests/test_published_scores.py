"""Agreement with published scores against libraries, and which token's margin decides."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_files import evidence_of, write_sample_scores
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar

from memprune.corpus.drawn import PUBLISHED
from memprune.findings.published_scores import (
    kappa,
    published_differences,
    published_scores,
    scored_twice,
)

COUNT = st.integers(0, 40)


def answers(both: int, first_only: int, second_only: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """What two sides say of so many sequences."""
    first = np.repeat([True, True, False, False], [both, first_only, second_only, neither])
    return first, np.repeat([True, False, True, False], [both, first_only, second_only, neither])


@settings(deadline=None)
@given(COUNT, COUNT, COUNT, COUNT)
def test_agreement_is_that_of_the_libraries(both, ours_only, published_only, neither):
    ours, theirs = answers(both, ours_only, published_only, neither)
    if not len(ours):
        return
    rows = pd.DataFrame(
        {"model": "m", "context_length": 32, "extracted": ours, "published": np.where(theirs, 1.0, 31 / 32)}
    ).assign(near_tie=False)
    [row] = published_scores(rows).to_dict("records")
    assert row["sequences"] == len(ours)
    assert [row[n] for n in ("both", "ours_only", "published_only", "neither")] == [
        both, ours_only, published_only, neither,
    ]  # fmt: skip
    assert row["agreement"] == pytest.approx(np.mean(ours == theirs))
    exact = mcnemar([[both, ours_only], [published_only, neither]], exact=True)
    assert row["p_value"] == pytest.approx(exact.pvalue)
    if len(set(ours)) == 1 or len(set(theirs)) == 1:
        assert np.isnan(row["kappa"])
    else:
        assert row["kappa"] == pytest.approx(cohen_kappa_score(ours, theirs))
        assert -1 <= row["kappa_ci_low"] <= row["kappa"] <= row["kappa_ci_high"] <= 1


def test_kappa_of_full_agreement_and_of_none():
    assert kappa(5, 0, 0, 7)["kappa"] == pytest.approx(1)
    assert kappa(0, 6, 6, 0)["kappa"] == pytest.approx(-1)
    assert kappa(4, 4, 4, 4)["kappa"] == pytest.approx(0)


def test_the_margin_is_of_the_first_token_that_differs_or_the_least(tmp_path):
    """Of six sequences one has no score, one is of a later seed's and one of no member."""
    margins = [[3, 2, 1], [3, -2, -9], [5, 0.5, 4], [-1e-6, 3, 3], [1, 1, 1], [2, 2, 2]]
    write_sample_scores(
        tmp_path / "dense.parquet",
        evidence_of(margins),
        split=["member"] * 5 + ["non_member"],
        pooled=[True] * 4 + [False, True],
    )
    samples = {
        "sample": [0, 1, 2, 3, 4, 5],
        "split": ["member"] * 5 + ["non_member"],
        "seed": [0] * 6,
        "pooled": [True] * 4 + [False, True],
        "document": [f"d{n}" for n in range(6)],
        "category": ["a", None, "a", "b", None, None],
        f"{PUBLISHED}m": [1.0, 1.0, 0.5, 1.0, 1.0, None],
        f"{PUBLISHED}other": [None] * 6,
    }
    pq.write_table(pa.table(samples), tmp_path / "samples.parquet")
    scored = scored_twice(tmp_path / "samples.parquet", [tmp_path / "dense.parquet"], ["m"])
    assert scored.document.to_list() == ["d0", "d1", "d2", "d3"]
    assert scored.extracted.to_list() == [True, False, True, False]
    assert scored.margin.to_list() == pytest.approx([1, -2, 0.5, -1e-6])
    assert scored.matched.to_list() == [3, 1, 3, 0]
    [counts] = published_scores(scored).to_dict("records")
    assert [counts[n] for n in ("both", "ours_only", "published_only", "neither")] == [1, 1, 2, 0]
    assert counts["near_ties"] == 1
    differing = published_differences(scored)
    assert differing.document.to_list() == ["d3", "d2", "d1"]
    assert differing.near_tie.to_list() == [True, False, False]
