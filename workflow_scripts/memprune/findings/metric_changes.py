"""Variants against each other on the same items, by any metric: differences, their intervals and tests."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memprune.findings.intervals import paired_difference_interval
from memprune.findings.mean_intervals import mean_intervals
from memprune.findings.paired_tests import holm, joint_counts, mcnemar_p_values
from memprune.findings.signed_rank import signed_rank_p_values


def changes(
    values: np.ndarray, is_true_or_false: bool, first: np.ndarray, second: np.ndarray
) -> dict[str, np.ndarray]:
    """The difference of the means of pairs of variants, second − first, with its interval and test.

    `values` is variants × items; `first` and `second` are rows of it, a pair each. The result has difference,
    difference_ci_low, difference_ci_high and p_value: of what is true or false Tango's interval and the exact
    McNemar test, of numbers the bootstrap over items and Wilcoxon's signed-rank test. An interval is NaN
    where it is unknown.
    """
    if is_true_or_false:
        counts = joint_counts(values, first, second)
        only = counts["first_only"], counts["second_only"]
        difference = (only[1] - only[0]) / values.shape[1]
        low, high = paired_difference_interval(*only, counts["samples"])
        p_values = mcnemar_p_values(*only)
    else:
        each = differences(values[first], values[second])
        difference, (low, high) = each.mean(axis=1), mean_intervals(each)
        p_values = signed_rank_p_values(each)
    names = ("difference", "difference_ci_low", "difference_ci_high", "p_value")
    return dict(zip(names, (difference, low, high, p_values), strict=True))


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """second − first, 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0, second - first)


def with_holm(table: pd.DataFrame, together: Sequence[str] = ("of", "metric")) -> pd.DataFrame:
    """The table with p_holm: p_value corrected over all rows of one metric that have one."""
    tested = table[table.p_value.notna()]
    adjusted = tested.groupby(list(together), observed=True).p_value.transform(
        lambda own: holm(own.to_numpy())
    )
    return table.assign(p_holm=adjusted.reindex(table.index).astype(float))
