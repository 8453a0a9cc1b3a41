"""Every two strategies at the same level, by every metric of text that models write, of tasks and membership.

What is extracted of samples has a table of its own.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memprune.findings.metric_changes import changes, with_holm
from memprune.findings.metric_values import MetricValues, table_of
from memprune.findings.paired_tests import named, pairs_at_one_level
from memprune.findings.strategy_methods import ALL_PRUNE, Methods


def metrics_between_strategies(metrics: Sequence[MetricValues], methods: Methods = ALL_PRUNE) -> pd.DataFrame:
    """Pairs of strategies of a model on the same items.

    Columns: model, level (its label), first, second (strategies), of, metric, context_length, items,
    first_mean, second_mean, difference (second − first) with difference_ci_low and …_ci_high, p_value and
    p_holm (corrected over all rows of one metric of one kind of text or task).
    """
    pairs = [pairs_at_one_level(metric.variants, methods) for metric in metrics]
    names = [named(metric.variants, *own) for metric, own in zip(metrics, pairs, strict=True)]
    columns = [columns_of(metric, *own) for metric, own in zip(metrics, pairs, strict=True)]
    table = table_of(metrics, names, columns)
    table = table.sort_values(["model", "place"], kind="stable", ignore_index=True)
    return with_holm(table.drop(columns="place"))


def columns_of(metric: MetricValues, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of one metric of one model, a value a pair of variants, without the correction."""
    means = metric.means()
    compared = changes(metric.matrix, metric.is_true_or_false, first, second)
    return {"first_mean": means[first], "second_mean": means[second], **compared}
