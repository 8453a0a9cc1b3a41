"""Every metric of strategies on equal terms: at equal sparsity, share removed, bytes, or perplexity."""

import numpy as np
import pandas as pd

from memprune.findings.equal_terms import QUANTITIES, curves_of, place_of, quantities_compared
from memprune.findings.frames import VARIANT
from memprune.findings.strategy_methods import ALL_PRUNE, Methods

FAMILY = ["of", "metric", "context_length"]
MEAN = ["mean", "mean_ci_low", "mean_ci_high"]
COLUMNS = ["model", *FAMILY, "quantity", "value", "strategy", *MEAN, "interpolated"]


def metrics_at_equal(
    metrics: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """What each metric is where strategies' curves reach the same value of a quantity.

    `metrics` and `perplexity` are the tables of those names, the latter with a bool column `collapsed`.
    Curves and values are those of the tables `at_equal_…`. Columns: model, of, metric, context_length,
    quantity (of `QUANTITIES`), value, strategy, mean with mean_ci_low and mean_ci_high, straight between two
    levels, and interpolated (false where a variant itself stands there). Which mean is the better one is not
    said.
    """
    parts = [of_model(metrics, own, methods) for _, own in perplexity.groupby("model", observed=True)]
    return pd.concat([metrics.head(0).reindex(columns=COLUMNS), *parts], ignore_index=True)


def of_model(metrics: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """The rows of the one model that `perplexity` has."""
    points = perplexity.assign(row=np.arange(len(perplexity)))
    own = metrics.merge(points[[*VARIANT, "row"]], on=VARIANT, validate="many_to_one")
    families = own.groupby(FAMILY, sort=False, observed=True, dropna=False)
    names = families.head(1)[["model", *FAMILY]].reset_index(drop=True)
    means = np.full((len(points), len(names), len(MEAN)), np.nan)
    means[own.row, families.ngroup()] = own[MEAN]
    curves = curves_of(points, methods)
    parts = [names.head(0).reindex(columns=COLUMNS)]
    for quantity in quantities_compared(methods):
        for value in QUANTITIES[quantity](curves, quantity):
            places = {name: place_of(curve, quantity, value) for name, curve in curves.items()}
            found = {name: place for name, place in places.items() if place is not None}
            for strategy, (row, share) in found.items() if len(found) > 1 else ():
                at = means_at(means, curves[strategy].row.to_numpy(), row, share)
                there = {"quantity": quantity, "value": value, "strategy": strategy}
                columns = dict(zip(MEAN, at.T, strict=True))
                parts.append(names.assign(**there, **columns, interpolated=share < 1))
    return pd.concat(parts).sort_index(kind="stable")[COLUMNS]


def means_at(means: np.ndarray, rows: np.ndarray, row: int, share: float) -> np.ndarray:
    """Each family's mean and interval at a place of a curve, whose variants are `rows` of `means`."""
    then = means[rows[row]]
    return then if share == 1 else (1 - share) * means[rows[row - 1]] + share * then
