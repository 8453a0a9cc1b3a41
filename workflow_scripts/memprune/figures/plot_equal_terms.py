"""Memorization of strategies at equal sparsity, weights removed, bytes or perplexity, a panel per model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from memprune.figures.style import (
    DENSE,
    LARGEST,
    PANELS,
    PERCENT,
    apart,
    folded,
    headline,
    legend_beside,
    looks,
    panels,
    percent_axis,
)
from memprune.findings.equal_terms import INCREASES, curves_of, moved
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods

COLUMNS = (
    "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "context_length",
    "set", "samples", "fraction", "ci_low", "ci_high", "token_perplexity", "collapsed",
)  # fmt: skip
QUANTITIES = {  # what figures compare at: the column of a curve, and its name
    "sparsity": ("sparsity", "sparsity in scope"),
    "removed": ("removed", "share of all prunable weights removed"),
    "bytes": ("bytes_saved", "share of the dense model's bytes saved"),
    "perplexity": ("perplexity_ratio", "increase of perplexity over the dense model"),
}
RATIOS = (0.5, 0.75, 0.9, 0.95, 1, *(1 + i for i in INCREASES), 2, 3, 5, *(10**n for n in range(1, 31)))
BAND = {"alpha": 0.09, "linewidth": 0}  # of the 95 % intervals along a curve
TICKS = 6


def plot(
    points: pd.DataFrame,
    quantity: str,
    models: Sequence[str],
    strategies: Sequence[str],
    methods: Methods = ALL_PRUNE,
) -> Figure:
    """A curve with its 95 % band for each strategy, from what it changes on, at the largest k.

    `points` is the table `frontier`, `quantity` one of `QUANTITIES`. Curves are those that the tables
    `at_equal_…` interpolate on; the levels that they leave out are counted below their panel. A strategy
    along which the quantity stays the same has none.
    """
    largest_k = points.context_length.max()
    points = points[points.context_length == largest_k]
    points = points.assign(collapsed=points.collapsed | (points.token_perplexity > LARGEST))
    column, name = QUANTITIES[quantity]
    figure, all_axes = panels(len(models), 3.4, 3.6)
    style = looks(strategies)
    for axes, model in zip(all_axes, models, strict=True):
        own = points[points.model == model]
        dense, every = own[own.strategy == "dense"], curves_of(own, methods)
        curves = moved(every, column)
        for strategy in strategies:
            curve = curves.get(strategy, dense.head(0).assign(**{column: 0.0}))
            look = style[strategy] | {"label": strategy, "markevery": slice(1, None)}
            axes.plot(curve[column], curve.fraction, **look)
            axes.fill_between(
                curve[column], curve.ci_low, curve.ci_high, color=style[strategy]["color"], **BAND
            )
        at = [1.0 if quantity == "perplexity" else 0.0] * len(dense)
        axes.plot(at, dense.fraction, linestyle="", label="dense", zorder=3, **DENSE)
        reached = [*at, *(value for curve in curves.values() for value in curve[column])]
        (increase_axis if quantity == "perplexity" else share_axis)(axes, reached)
        axes.set_title(folded(model))
        left_out = len(own) - len(dense) - sum(len(curve) - 1 for curve in every.values())
        axes.set_xlabel(name + (f"\nleft out: {left_out} from a collapsed level on" if left_out else ""))
    for axes in all_axes[::PANELS]:
        percent_axis(axes, f"{samples_in(points)} extracted")
    legend_beside(figure, all_axes[-1])
    headline(figure, f"Memorization at equal {name}, with 95 % bands, at k = {largest_k}")
    return figure


def share_axis(axes: Axes, reached: Sequence[float]) -> None:
    """Show shares of weights as percent, from 0 to the highest one reached."""
    axes.xaxis.set_major_formatter(PERCENT)
    axes.locator_params(axis="x", nbins=TICKS)
    axes.set_xlim(0, 1.03 * max(reached, default=0) or 1)


def increase_axis(axes: Axes, reached: Sequence[float]) -> None:
    """Show the ratios of perplexities reached as increases; where perplexity doubles, as multiples."""
    low, high = min(reached, default=1), max([*reached, 1 + INCREASES[0]])
    margin = (high / low) ** 0.03
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    shown = apart([ratio for ratio in RATIOS if low <= ratio <= high], TICKS)
    axes.set_xticks(shown, [f"× {r:g}" if r >= 2 else f"{100 * (r - 1):.3g} %" for r in shown])
    axes.xaxis.set_minor_locator(NullLocator())
