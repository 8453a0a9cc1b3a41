"""How well scores tell members from non-members by sparsity: a row a model, a column a score."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memprune.figures.style import BAND, DENSE, PERCENT, folded, headline, legend_beside, looks, panels
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, along

COLUMNS = (
    "model", "strategy", "level", "target", "score", "sparsity", "auc", "auc_ci_low", "auc_ci_high",
)  # fmt: skip
NAMES = {
    "loss": "loss",
    "zlib": "zlib",
    "min_k": "Min-K %",
    "min_k_plus_plus": "Min-K++",
    "reference": "reference",
}
GUESSING = {"color": "black", "linestyle": ":", "linewidth": 1, "label": "guessing"}
SPREAD = 0.07  # of the horizontal axis, over which intervals of strategies at one sparsity are set apart
TICKS = 4
SMALL = {"markersize": 3.5, "linewidth": 1}


def plot(
    membership: pd.DataFrame, models: Sequence[str], strategies: Sequence[str], methods: Methods = ALL_PRUNE
) -> Figure:
    """The AUC of every strategy that changes sparsity, with 95 % intervals, beside the dense model's.

    `membership` is the table of that name; scores that no model has get no column, and what one model has
    not (a reference for itself) stays empty.
    """
    shown = membership[membership.model.isin(models)]
    scores = [score for score in NAMES if (shown.score == score).any()]
    figure, all_axes = panels(len(models) * len(scores), 2.4, 2.2, across=len(scores))
    grid = np.array(all_axes).reshape(len(models), len(scores))
    for model, row in zip(models, grid, strict=True):
        row[0].set_ylabel(f"{folded(model)}\nAUC")
        for score, axes in zip(scores, row, strict=True):
            rows = shown[(shown.model == model) & (shown.score == score)]
            if rows.empty:
                axes.set_axis_off()
            else:
                draw(axes, rows, strategies, methods)
    for score, first, last in zip(scores, grid[0], grid[-1], strict=True):
        first.set_title(NAMES[score])
        last.set_xlabel("sparsity in scope")
    legend_beside(figure, all_axes[0])
    headline(figure, "How well scores tell members from non-members: AUC with 95 % bootstrap intervals")
    return figure


def draw(axes: Axes, rows: pd.DataFrame, strategies: Sequence[str], methods: Methods) -> None:
    """One panel: the strategies' lines with their intervals, set apart where they share a sparsity."""
    dense, style = rows[rows.strategy == "dense"], looks(strategies)
    furthest = rows.sparsity.max() or 1.0
    gaps = len(strategies) - 1
    for place, strategy in enumerate(strategies):
        line = along(rows, strategy, methods)
        own, begins = line[line.strategy == strategy], line[line.strategy != strategy]
        if len(own) and own.sparsity.isin(begins.sparsity).all():
            continue  # it moves no sparsity
        shift = SPREAD * furthest * (place - gaps / 2) / max(gaps, 1)
        own = own.assign(sparsity=own.sparsity + shift)
        line, look = pd.concat([begins, own]), style[strategy] | SMALL
        axes.plot(line.sparsity, line.auc, label=strategy, markevery=slice(1, None), **look)
        axes.vlines(own.sparsity, own.auc_ci_low, own.auc_ci_high, color=look["color"], linewidth=0.8)
    axes.axhline(0.5, **GUESSING)
    axes.axhspan(dense.auc_ci_low.item(), dense.auc_ci_high.item(), **BAND)
    axes.plot(dense.sparsity, dense.auc, linestyle="", label="dense", zorder=3, **DENSE)
    axes.set_xlim(0, (1 + SPREAD) * furthest)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.locator_params(axis="x", nbins=TICKS)
