"""Every metric of every variant: its mean, and what pruning changed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memprune.findings.frames import VARIANT
from memprune.findings.intervals import wilson_interval
from memprune.findings.mean_intervals import mean_intervals
from memprune.findings.metric_changes import changes, with_holm
from memprune.findings.metric_values import MetricValues, table_of

CHANGE = ["change", "change_ci_low", "change_ci_high"]
TESTED = [*CHANGE, "p_value"]


def metrics_table(metrics: Sequence[MetricValues]) -> pd.DataFrame:
    """The mean of each metric, and each variant against the dense model on the same items.

    Columns: `VARIANT`, of (what is measured: member, non_member, or a task's name), metric, context_length
    (null where there is none), items (how many), mean with mean_ci_low and mean_ci_high (Wilson's of what is
    true or false, else by the bootstrap, null of one item), change (mean − the dense model's) with
    change_ci_low and change_ci_high, p_value and p_holm (corrected over all rows of one metric of one kind
    of text or task). The last five are null of dense models.
    """
    table = table_of(metrics, [metric.variants for metric in metrics], [columns_of(one) for one in metrics])
    return with_holm(table.sort_values([*VARIANT], kind="stable", ignore_index=True))


def columns_of(metric: MetricValues) -> dict[str, np.ndarray]:
    """The columns of one metric of one model, a value a variant, without the correction."""
    is_dense = (metric.variants.strategy == "dense").to_numpy()
    [dense], pruned = np.flatnonzero(is_dense), np.flatnonzero(~is_dense)
    of_pruned = changes(metric.matrix, metric.is_true_or_false, np.full_like(pruned, dense), pruned)
    against_dense = np.full((len(TESTED), len(is_dense)), np.nan)
    against_dense[:, pruned] = list(of_pruned.values())
    low, high = intervals_of_means(metric)
    means = {"mean": metric.means(), "mean_ci_low": low, "mean_ci_high": high}
    return means | dict(zip(TESTED, against_dense, strict=True))


def intervals_of_means(metric: MetricValues) -> tuple[np.ndarray, np.ndarray]:
    """The interval of each variant's mean."""
    if not metric.is_true_or_false:
        return mean_intervals(metric.matrix)
    counted = metric.matrix.sum(axis=1)
    return wilson_interval(counted, np.full_like(counted, len(metric.items)))
