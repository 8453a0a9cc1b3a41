"""How much is extracted from each variant, and what the other metrics say."""

from collections.abc import Sequence

import pandas as pd
from pandas.api.typing import SeriesGroupBy

from memprune.findings.frames import DESCRIBED, VARIANT
from memprune.findings.intervals import wilson_interval
from memprune.findings.screening_table import listed_types

FIRST = ["extracted", "token_accuracy", "matched"]  # metrics in the order of the columns; then all others


def memorization_table(measures: pd.DataFrame, strata: Sequence[str] = ()) -> pd.DataFrame:
    """The metrics per model, strategy, level, stratum and context length.

    Columns: `VARIANT`, `strata`, context_length, extracted, samples, fraction, ci_low, ci_high, then of each
    other metric its mean, or what `counted` gives of one that is true or false, and compute_dtype, the types
    that samples were computed in: of several, `extracted` is float32's. What has null for a stratum is one
    too, the last.
    """
    keys = [*VARIANT, *strata, "context_length"]
    groups = measures.groupby(keys, observed=True, dropna=False)
    metrics = [name for name in measures.columns if name not in (*DESCRIBED, *strata)]
    columns: dict[str, pd.Series] = {}
    for name in sorted(metrics, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        columns |= counted(groups[name]) if measures[name].dtype == bool else {name: groups[name].mean()}
    columns["compute_dtype"] = groups.compute_dtype.agg(listed_types)
    return pd.DataFrame(columns).reset_index()


def counted(groups: SeriesGroupBy) -> dict[str, pd.Series]:
    """How many samples of each group a metric is true of: count, and fraction with Wilson's 95 % interval.

    All columns begin with the metric's name but those of `extracted`, which has the number of samples too.
    """
    name, count, samples = groups.obj.name, groups.sum(), groups.size()
    low, high = wilson_interval(count.to_numpy(), samples.to_numpy())
    ends = {"ci_low": pd.Series(low, count.index), "ci_high": pd.Series(high, count.index)}
    shares = {"fraction": count / samples, **ends}
    if name == "extracted":
        return {name: count, "samples": samples, **shares}
    return {name: count, **{f"{name}_{share}": column for share, column in shares.items()}}
