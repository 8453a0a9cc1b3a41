"""Memorization against perplexity: what each strategy buys and what it costs, a panel per model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from memprune.figures.style import (
    DENSE,
    PANELS,
    folded,
    headline,
    legend_beside,
    looks,
    panels,
    percent_axis,
    perplexity_axis,
)
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, along

MEMORIZATION = ("model", "strategy", "level", "set", "context_length", "fraction")
PERPLEXITY = ("model", "strategy", "level", "target", "removed", "token_perplexity")
AREA = 180  # points² of the marker of a variant that lacks all weights
SMALLEST = 9  # points² of a marker
WIDEST = 10  # times the dense model's perplexity: what is beyond would take the others' room
EDGE = {"edgecolors": "white", "linewidths": 0.5}  # tells markers apart that overlap
EXAMPLES = (0.01, 0.03, 0.1, 0.3, 0.9)  # shares removed that the legend shows, three of them at most


def plot(
    memorization: pd.DataFrame,
    perplexity: pd.DataFrame,
    models: Sequence[str],
    strategies: Sequence[str],
    methods: Methods = ALL_PRUNE,
) -> Figure:
    """A line per strategy from what it changes, the dense model or another variant, through its levels.

    `memorization` and `perplexity` are the tables of those names; memorization is its mean over k. A marker's
    area is the share of all prunable weights that were removed. Variants that are beyond `WIDEST` are
    counted below their panel.
    """
    keys = ["model", "strategy", "level"]
    fraction = memorization.groupby(keys).fraction.mean()
    points = perplexity.set_index(keys).join(fraction).reset_index()
    figure, all_axes = panels(len(models), 3.4, 3.6)
    style = looks(strategies)
    for axes, model in zip(all_axes, models, strict=True):
        own = points[points.model == model]
        dense = own[own.strategy == "dense"]
        near = own.token_perplexity <= WIDEST * dense.token_perplexity.item()
        own, beyond = own[near], int((~near).sum())
        for strategy in strategies:
            line = along(own, strategy, methods)
            changed = line[line.strategy == strategy]
            look = {key: style[strategy][key] for key in ("color", "marker", "clip_on")}
            axes.plot(
                line.token_perplexity,
                line.fraction,
                label=strategy,
                linewidth=1,
                markevery=[],
                **style[strategy],
            )
            axes.scatter(
                changed.token_perplexity, changed.fraction, area(changed.removed), zorder=2.5, **EDGE, **look
            )
        axes.plot(dense.token_perplexity, dense.fraction, linestyle="", label="dense", zorder=3, **DENSE)
        perplexity_axis(axes, own.token_perplexity.max() / own.token_perplexity.min())
        axes.set_title(folded(model))
        count = f"\n{beyond} of more than {WIDEST} times the dense one" if beyond else ""
        axes.set_xlabel(f"token perplexity (validation){count}")
    for axes in all_axes[::PANELS]:
        percent_axis(axes, f"{samples_in(memorization)} extracted, mean over k")
    shown = [share for share in EXAMPLES if share <= points.removed.max()][-3:]
    for share in shown:
        all_axes[-1].scatter(
            [], [], area(share), color="grey", label=f"{share:.0%} removed".replace("%", " %")
        )
    legend_beside(figure, all_axes[-1])
    headline(
        figure,
        "Memorization against perplexity: along a line, a strategy's levels grow stronger; "
        "a marker's area is the share of all prunable weights removed",
    )
    return figure


def area(removed: pd.Series | float) -> np.ndarray:
    """The area of a marker in points² for a share of weights removed."""
    return np.maximum(AREA * np.asarray(removed), SMALLEST)
