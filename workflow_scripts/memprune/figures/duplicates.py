"""Memorization against how often a text stands in the training data."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memprune.figures.style import DENSE, looks, percent_axis, plain_ticks


def plot(by_duplicates: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> Figure:
    """On the left the dense models, on the right the strategies at their highest level on the last model.

    `by_duplicates` is the table `memorization_by_duplicates`; all at the largest context length.
    """
    largest_k = by_duplicates.context_length.max()
    rows = by_duplicates[by_duplicates.context_length == largest_k]
    figure = Figure(figsize=(9.6, 3.8))
    left, right = figure.subplots(1, 2, sharey=True)
    for model, style in looks(models).items():
        draw(left, rows[(rows.model == model) & (rows.strategy == "dense")], model, style)
    left.set_title("dense models")
    left.legend(loc="upper left")
    last = rows[rows.model == models[-1]]
    for strategy, style in {"dense": DENSE, **looks(strategies)}.items():
        own = last[last.strategy == strategy]
        draw(right, own[own.level == own.level.max()], strategy, style)
    right.set_title(f"{models[-1]}, strategies at their highest level")
    right.legend(loc="upper left")
    percent_axis(left, "member samples extracted")
    left.set_ylim(0, 1.05)
    figure.suptitle(f"Memorization against duplicates in the training data, at k = {largest_k}")
    return figure


def draw(axes: Axes, rows: pd.DataFrame, label: str, style: dict) -> None:
    """One line of fractions over the number of duplicates."""
    rows = rows.sort_values("duplicates")
    axes.plot(rows.duplicates, rows.fraction, label=label, **style)
    axes.set_xscale("log", base=2)
    plain_ticks(axes, sorted(rows.duplicates.unique()))
    axes.set_xlabel("times in the training data")
