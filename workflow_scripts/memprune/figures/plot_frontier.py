"""All variants of all models by memorization and perplexity, and the frontier that no other variant beats."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from memprune.figures.style import (
    DENSE,
    LARGEST,
    headline,
    legend_beside,
    looks,
    percent_axis,
    perplexity_axis,
)
from memprune.findings.frontier import variant_names
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, along

COLUMNS = (
    "model", "strategy", "level", "target", "set", "context_length", "fraction", "token_perplexity",
    "collapsed", "on_frontier",
)  # fmt: skip
FRONTIER = {"color": "#999999", "linewidth": 4, "alpha": 0.4, "drawstyle": "steps-post", "zorder": 1}
RING = {"marker": "o", "markersize": 10, "markerfacecolor": "none", "color": "black", "linestyle": ""}
NOTE = {"textcoords": "offset points", "fontsize": 8}
NUMBER = {"linestyle": "", "color": "black", "markeredgewidth": 0}


def plot(
    points: pd.DataFrame, models: Sequence[str], strategies: Sequence[str], methods: Methods = ALL_PRUNE
) -> Figure:
    """A thin line per model and strategy from what it changes through its levels, at the largest k.

    `points` is the table `frontier`. Dense models, by name, are joined by a line: the alternative to changing
    one. What is on the frontier has a ring and a number, which the legend explains. Collapsed variants are
    counted below the figure.
    """
    largest_k = points.context_length.max()
    points = points[points.context_length == largest_k]
    left_out = points.collapsed | (points.token_perplexity > LARGEST)
    drawn = points[~left_out]
    figure = Figure(figsize=(8.4, 5.2))
    axes = figure.subplots()
    dense = drawn[drawn.strategy == "dense"]
    for strategy, look in looks(strategies).items():
        changed = drawn[drawn.strategy == strategy]
        axes.plot(changed.token_perplexity, changed.fraction, label=strategy, **look | {"linestyle": ""})
        for model in models:
            line = along(drawn[drawn.model == model], strategy, methods)
            axes.plot(line.token_perplexity, line.fraction, color=look["color"], linewidth=0.6, alpha=0.5)
    by_cost = dense.sort_values("token_perplexity")
    axes.plot(
        by_cost.token_perplexity, by_cost.fraction, linestyle="--", linewidth=1, label="dense models", **DENSE
    )
    for row in dense.itertuples():
        axes.annotate(row.model, (row.token_perplexity, row.fraction), (5, 5), **NOTE)
    best = drawn[drawn.on_frontier].sort_values(["token_perplexity", "fraction"])
    axes.plot(best.token_perplexity, best.fraction, label="the frontier", **FRONTIER)
    for number, (row, name) in enumerate(zip(best.itertuples(), variant_names(best), strict=True), 1):
        axes.plot(row.token_perplexity, row.fraction, clip_on=False, **RING)
        axes.annotate(
            str(number), (row.token_perplexity, row.fraction), (-6, 0), ha="right", va="center", **NOTE
        )
        axes.plot([], [], marker=f"${number}$", markersize=4 + 3 * len(str(number)), label=name, **NUMBER)
    perplexity_axis(axes, drawn.token_perplexity.max() / drawn.token_perplexity.min())
    count = int(left_out.sum())
    axes.set_xlabel("token perplexity (validation)" + (f"; left out: {count} collapsed" if count else ""))
    percent_axis(axes, f"{samples_in(points)} extracted")
    legend_beside(figure, axes)
    headline(
        figure,
        f"Memorization against perplexity of all models at k = {largest_k}: no variant has less of both than "
        "one on the frontier, numbered by perplexity",
    )
    return figure
