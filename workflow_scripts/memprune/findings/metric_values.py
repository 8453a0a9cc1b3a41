"""The values of any metric, a row a variant and a column an item: what the tables of all metrics start from.

A metric is a column of measures, whatever they are measures of: samples, continuations, membership or tasks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from memprune.errors import UserError
from memprune.findings.by_variant import columns_by_variant
from memprune.findings.frames import DESCRIBED

TASK = ["task", "item"]  # what identifies a row of a task's measures, beside its variant


@dataclass(frozen=True)
class MetricValues:
    """One metric of one model's variants on the same items.

    `of` is what they are of: `member`, `non_member`, or a task's name. `variants` has a row a variant, with
    `VARIANT`, in the order of tables; `items` are samples or a task's items, sorted; `matrix` is variants ×
    items (float64). `context_length` is None where there is none. A metric is true or false if its values
    are all 0 or 1, as those of bools and of a task's accuracy are.
    """

    of: str
    metric: str
    context_length: int | None
    variants: pd.DataFrame
    items: np.ndarray
    matrix: np.ndarray

    @property
    def is_true_or_false(self) -> bool:
        return bool(np.isin(self.matrix, (0, 1)).all())

    def means(self) -> np.ndarray:
        """The mean of each variant, float64."""
        return self.matrix.mean(axis=1)


def metric_values(measures: pd.DataFrame) -> Iterator[MetricValues]:
    """The metrics of one kind of measures, of each model and of all that they are of.

    Measures of samples are those of the pooled ones, at the longest context length alone, so that tables
    stay small. A metric is every column of numbers or bools that identifies no row. Items of which it is
    null are left out, and so is a metric that is null of all. Raises UserError where variants of a model
    have not the same items.
    """
    kind, item = TASK if "task" in measures else ("split", "sample")
    if "pooled" in measures:
        measures = measures[measures.pooled]
    if "context_length" in measures:
        measures = measures[measures.context_length == measures.context_length.max()]
    metrics = [
        name
        for name in measures
        if name not in (*DESCRIBED, *TASK) and pd.api.types.is_numeric_dtype(measures[name])  # or bools
    ]
    for (model, of), rows in measures.groupby(["model", kind], observed=True):
        length = int(rows.context_length.iloc[0]) if "context_length" in rows else None
        variants, items, arrays = columns_by_variant(rows, item, metrics)
        for metric, values in zip(metrics, arrays, strict=True):
            known = ~np.isnan(values)
            if (known != known[0]).any():
                raise UserError(
                    f"measures of {model}: found null for {metric} of {of} of some variants only, "
                    "allowed: of all or none; delete its measures and run again"
                )
            if known.any():
                own = known[0]
                yield MetricValues(of, metric, length, variants, items[own], values[:, own])


def table_of(
    metrics: Sequence[MetricValues],
    variants: Sequence[pd.DataFrame],
    columns: Sequence[Mapping[str, np.ndarray]],
) -> pd.DataFrame:
    """The rows of each metric: its variants, of, metric, context_length, items (how many), its columns."""
    counts = [len(own) for own in variants]

    def repeated(values: list) -> np.ndarray:
        return np.repeat(np.array(values), counts)

    return pd.concat(variants, ignore_index=True).assign(
        of=repeated([one.of for one in metrics]),
        metric=repeated([one.metric for one in metrics]),
        context_length=pd.array([one.context_length for one in metrics], dtype="Int64").repeat(counts),
        items=repeated([len(one.items) for one in metrics]),
        **{name: np.concatenate([own[name] for own in columns]) for name in columns[0]},
    )
