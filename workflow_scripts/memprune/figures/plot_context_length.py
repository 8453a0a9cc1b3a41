"""Memorization against the context length k, a panel per model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from memprune.figures.style import (
    BAND,
    DENSE,
    PANELS,
    folded,
    headline,
    legend_beside,
    looks,
    panels,
    percent_axis,
    plain_ticks,
)
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, strongest

COLUMNS = ("model", "strategy", "level", "set", "context_length", "fraction", "ci_low", "ci_high")


def plot(
    memorization: pd.DataFrame, models: Sequence[str], strategies: Sequence[str], methods: Methods = ALL_PRUNE
) -> Figure:
    """The dense model with its 95 % interval, and every strategy at its strongest level."""
    figure, all_axes = panels(len(models), 3.4, 3.6)
    style = {"dense": DENSE, **looks(strategies)}
    for axes, model in zip(all_axes, models, strict=True):
        own = memorization[memorization.model == model]
        for strategy in ["dense", *strategies]:
            rows = strongest(own[own.strategy == strategy], methods).sort_values("context_length")
            axes.plot(rows.context_length, rows.fraction, label=strategy, **style[strategy])
            if strategy == "dense":
                axes.fill_between(rows.context_length, rows.ci_low, rows.ci_high, **BAND)
        axes.set_xscale("log")
        plain_ticks(axes, sorted(own.context_length.unique()))
        axes.set_title(folded(model))
        axes.set_xlabel("context length k (tokens)")
    for axes in all_axes[::PANELS]:
        percent_axis(axes, f"{samples_in(memorization)} extracted")
    legend_beside(figure, all_axes[-1])
    headline(figure, "Memorization against context length (strategies at their strongest level)")
    return figure
