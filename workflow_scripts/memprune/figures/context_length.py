"""Memorization against the context length k, a panel per model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from memprune.figures.style import BAND, DENSE, looks, percent_axis, plain_ticks


def plot(memorization: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> Figure:
    """The dense model with its 95 % interval, and every strategy at its highest level."""
    figure = Figure(figsize=(3.4 * len(models) + 1.5, 3.6))
    panels = figure.subplots(1, len(models), squeeze=False, sharey=True)[0]
    style = {"dense": DENSE, **looks(strategies)}
    for axes, model in zip(panels, models, strict=True):
        own = memorization[memorization.model == model]
        for strategy in ["dense", *strategies]:
            rows = own[own.strategy == strategy]
            rows = rows[rows.level == rows.level.max()].sort_values("context_length")
            axes.plot(rows.context_length, rows.fraction, label=strategy, **style[strategy])
            if strategy == "dense":
                axes.fill_between(rows.context_length, rows.ci_low, rows.ci_high, **BAND)
        axes.set_xscale("log")
        plain_ticks(axes, sorted(own.context_length.unique()))
        axes.set_title(model)
        axes.set_xlabel("context length k (tokens)")
    percent_axis(panels[0], "member samples extracted")
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle("Memorization against context length (strategies at their highest level)")
    return figure
