"""How well scores tell members from non-members, of every variant, and what pruning made of that."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from memprune.findings.by_variant import by_variant
from memprune.findings.frames import VARIANT
from memprune.findings.resampled_roc import auc_and_tpr, percentile_interval, resample_counts
from memprune.metrics.membership.membership_scores import MEMBER

RATES = (0.01, 0.001)  # false positive rates
ESTIMATES = ("auc", *(f"tpr_at_fpr_{rate}" for rate in RATES), "auc_change")


def membership_table(measures: pd.DataFrame) -> pd.DataFrame:
    """The AUC of every variant and score, and its TPR at low false positive rates, with bootstrap intervals.

    `measures` are those of pooled samples of all variants, in order. Columns: `VARIANT`, score, members and
    non_members (how many), auc, tpr_at_fpr_0.01, tpr_at_fpr_0.001, and auc_change, that to the dense model on
    the same samples, each with `_ci_low` and `_ci_high`. Members and non-members are resampled each by
    themselves, the same for all variants and scores; intervals are 95 % percentiles. Null are: a TPR at a
    rate below one of the non-members, which so few cannot tell; an interval where resamples do not differ;
    the change of dense itself. A score that a variant has not (`reference`) has no row. Raises UserError when
    variants of a model were not measured on the same samples.
    """
    tables = [table for _, rows in measures.groupby("model", observed=True) for table in of_model(rows)]
    found = pd.concat(tables, ignore_index=True)
    variants = found.groupby(VARIANT, observed=True, dropna=False).ngroup()
    return found.iloc[np.argsort(variants, kind="stable")].reset_index(drop=True)


def of_model(measures: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of the table of one model, score by score."""
    splits = [measures[measures.split == split] for split in ("member", "non_member")]
    generator = np.random.default_rng(0)
    counts = [resample_counts(rows["sample"].nunique(), generator) for rows in splits]
    for score, side in MEMBER.items():
        (variants, members), (_, others) = (by_variant(rows, "sample", score) for rows in splits)
        known = ~np.isnan(members).any(1)
        if known.any():
            sign = 1 if side == "higher" else -1
            curves = [
                auc_and_tpr(*own, *counts, RATES)
                for own in zip(sign * members[known], sign * others[known], strict=True)
            ]
            numbers = {"score": score, "members": members.shape[1], "non_members": others.shape[1]}
            yield with_intervals(variants[known].assign(**numbers), np.stack(curves))


def with_intervals(rows: pd.DataFrame, curves: np.ndarray) -> pd.DataFrame:
    """The rows with estimates and intervals; `curves` is rows × what `auc_and_tpr` gives."""
    for place, rate in enumerate(RATES, start=1):
        if rate < 1 / rows.non_members.iloc[0]:
            curves[:, place] = np.nan
    change = np.full_like(curves[:, 0], np.nan)
    dense = (rows.strategy == "dense").to_numpy()
    if dense.any():
        change[~dense] = curves[~dense, 0] - curves[dense, 0]
    for name, values in zip(ESTIMATES, [*curves.swapaxes(0, 1), change], strict=True):
        low, high = percentile_interval(values[:, 1:])
        rows = rows.assign(**{name: values[:, 0], f"{name}_ci_low": low, f"{name}_ci_high": high})
    return rows
