"""Memorization against perplexity: what each strategy buys and what it costs, a panel per model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from memprune.figures.style import DENSE, PANELS, folded, legend_beside, looks, panels, percent_axis

MEMORIZATION = ("model", "strategy", "level", "context_length", "fraction")
PERPLEXITY = ("model", "strategy", "level", "token_perplexity")


def plot(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]
) -> Figure:
    """A line per strategy from the dense model through its levels.

    `memorization` and `perplexity` are the tables of those names; memorization is its mean over k.
    """
    keys = ["model", "strategy", "level"]
    fraction = memorization.groupby(keys).fraction.mean()
    points = perplexity.set_index(keys).join(fraction).reset_index()
    figure, all_axes = panels(len(models), 3.4, 3.6)
    style = looks(strategies)
    for axes, model in zip(all_axes, models, strict=True):
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
        axes.set_title(folded(model))
        axes.set_xlabel("token perplexity (validation)")
    for axes in all_axes[::PANELS]:
        percent_axis(axes, "member samples extracted, mean over k")
    legend_beside(figure, all_axes[-1])
    figure.suptitle("Memorization against perplexity: along a line, sparsity grows away from the dense model")
    return figure
