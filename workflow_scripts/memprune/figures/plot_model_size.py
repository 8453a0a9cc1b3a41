"""Memorization against model size."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullLocator

from memprune.figures.style import BAND, DENSE, TICKS, apart, headline, legend_beside, looks, percent_axis
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, strongest

COLUMNS = ("model", "strategy", "level", "set", "context_length", "fraction", "ci_low", "ci_high")
CROWD = 5  # sizes, of which more would stand too close to be read side by side


def plot(
    memorization: pd.DataFrame,
    weights: Mapping[str, int],
    strategies: Sequence[str],
    methods: Methods = ALL_PRUNE,
) -> Figure:
    """Dense models with their 95 % intervals, and every strategy at its strongest level, at the largest k.

    `weights` gives each model's prunable weights, in the order of the models.
    """
    largest_k = memorization.context_length.max()
    rows = memorization[(memorization.context_length == largest_k) & memorization.model.isin(list(weights))]
    figure = Figure(figsize=(6.2, 3.8))
    axes = figure.subplots()
    style = {"dense": DENSE, **looks(strategies)}
    for strategy in ["dense", *strategies]:
        own = strongest(rows[rows.strategy == strategy], methods)
        own = own.assign(weights=own.model.map(weights)).sort_values("weights")
        axes.plot(own.weights, own.fraction, label=strategy, **style[strategy])
        if strategy == "dense":
            axes.fill_between(own.weights, own.ci_low, own.ci_high, **BAND)
    axes.set_xscale("log")
    counts = apart(sorted(set(weights.values())), 4 * TICKS)
    rounded = [float(f"{count:.2g}") for count in counts]
    turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if len(counts) > CROWD else {}
    axes.set_xticks(counts, map(EngFormatter(sep=""), rounded), **turned)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("prunable weights (without embedding and head)")
    percent_axis(axes, f"{samples_in(memorization)} extracted")
    legend_beside(figure, axes)
    headline(
        figure, f"Memorization against model size at k = {largest_k} (strategies at their strongest level)"
    )
    return figure
