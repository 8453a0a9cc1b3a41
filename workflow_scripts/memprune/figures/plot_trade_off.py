"""Memorization against perplexity: what each strategy buys and what it costs, a panel per model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from memprune.figures.style import DENSE, PANELS, folded, headline, legend_beside, looks, panels, percent_axis

MEMORIZATION = ("model", "strategy", "level", "context_length", "fraction")
PERPLEXITY = ("model", "strategy", "level", "token_perplexity")
LARGEST = 1e30  # perplexity that is drawn: an axis has no room for what is all but infinite


def plot(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]
) -> Figure:
    """A line per strategy from the dense model through its levels.

    `memorization` and `perplexity` are the tables of those names; memorization is its mean over k. Variants
    that are beyond `LARGEST` are counted below their panel.
    """
    keys = ["model", "strategy", "level"]
    fraction = memorization.groupby(keys).fraction.mean()
    points = perplexity.set_index(keys).join(fraction).reset_index()
    points = points[points.token_perplexity <= LARGEST]
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
        scale(axes, own.token_perplexity.max() / own.token_perplexity.min())
        axes.set_title(folded(model))
        beyond = int((perplexity[perplexity.model == model].token_perplexity > LARGEST).sum())
        axes.set_xlabel(
            "token perplexity (validation)" + (f", {beyond} beyond {LARGEST:g}" if beyond else "")
        )
    for axes in all_axes[::PANELS]:
        percent_axis(axes, "member samples extracted, mean over k")
    legend_beside(figure, all_axes[-1])
    headline(
        figure, "Memorization against perplexity: along a line, sparsity grows away from the dense model"
    )
    return figure


def scale(axes: Axes, widest: float) -> None:
    """Scale and ticks of perplexities of which the largest is so many times the smallest."""
    if widest <= 3:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        return
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if widest <= 100:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
