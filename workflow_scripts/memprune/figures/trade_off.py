"""Memorization against perplexity: what each strategy buys and what it costs, a panel per model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from memprune.figures.style import DENSE, looks, percent_axis


def plot(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]
) -> Figure:
    """A line per strategy from the dense model through its levels.

    `memorization` and `perplexity` are the tables of those names; memorization is its mean over k.
    """
    keys = ["model", "strategy", "level"]
    fraction = memorization.groupby(keys).fraction.mean()
    points = perplexity.set_index(keys).join(fraction).reset_index()
    figure = Figure(figsize=(3.4 * len(models) + 1.5, 3.6))
    panels = figure.subplots(1, len(models), squeeze=False, sharey=True)[0]
    style = looks(strategies)
    for axes, model in zip(panels, models, strict=True):
        own = points[points.model == model]
        dense = own[own.strategy == "dense"]
        for strategy in strategies:
            line = pd.concat([dense, own[own.strategy == strategy].sort_values("level")])
            axes.plot(
                line.token_perplexity,
                line.fraction,
                label=strategy,
                markevery=range(1, len(line)),
                **style[strategy],
            )
        axes.plot(dense.token_perplexity, dense.fraction, linestyle="", label="dense", zorder=3, **DENSE)
        widest = own.token_perplexity.max() / own.token_perplexity.min()
        if widest > 3:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_title(model)
        axes.set_xlabel("token perplexity (validation)")
    percent_axis(panels[0], "member samples extracted, mean over k")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    figure.suptitle("Memorization against perplexity: along a line, sparsity grows away from the dense model")
    return figure
