"""Memorization against how often a text stands in the training data, as far as that is known."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memprune.figures.style import (
    DENSE,
    LETTERS,
    apart,
    folded,
    headline,
    line_count,
    looks,
    percent_axis,
    plain_ticks,
)
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, strongest

COLUMNS = ("model", "strategy", "level", "set", "duplicates", "context_length", "samples", "fraction")
INSIDE = 7  # lines of a legend that a panel has room for
SPREAD = 1.2  # of the points of unknown duplicates, as a power of two
ACROSS = 2  # entries of a legend below a panel, side by side


def plot(
    by_duplicates: pd.DataFrame,
    models: Sequence[str],
    strategies: Sequence[str],
    methods: Methods = ALL_PRUNE,
) -> Figure:
    """On the left the dense models, on the right strategies at their strongest level on the last model.

    `by_duplicates` is the table `memorization_by_duplicates`; all at the largest context length. Samples
    whose duplicates are not known (null) are a point by itself, at the right of the numbers.
    """
    largest_k = by_duplicates.context_length.max()
    rows = by_duplicates[by_duplicates.context_length == largest_k]
    counts = sorted(rows.duplicates.dropna().astype(int).unique())
    last = rows[rows.model == models[-1]]
    legend = max(line_count(models), line_count(["dense", *strategies]))
    figure = Figure(figsize=(9.6, 3.8 + (0.8 + 0.2 * legend / ACROSS if legend > INSIDE else 0)))
    left, right = figure.subplots(1, 2, sharey=True)
    dense = rows[rows.strategy == "dense"]
    draw(left, {model: dense[dense.model == model] for model in models}, looks(models), counts)
    left.set_title("dense models")
    by_strategy = {strategy: last[last.strategy == strategy] for strategy in ("dense", *strategies)}
    at_strongest = {strategy: strongest(own, methods) for strategy, own in by_strategy.items()}
    draw(right, at_strongest, {"dense": DENSE, **looks(strategies)}, counts)
    where = f"{models[-1]}," if len(models[-1]) <= LETTERS else f"{folded(models[-1])}\n"
    right.set_title(f"{where} strategies at their strongest level")
    for axes in (left, right):
        finish(axes, counts, last[last.strategy == "dense"])
    percent_axis(left, f"{samples_in(by_duplicates)} extracted")
    left.set_ylim(0, 1.05)
    headline(figure, f"Memorization against duplicates in the training data, at k = {largest_k}")
    return figure


def draw(
    axes: Axes, series: Mapping[str, pd.DataFrame], styles: Mapping[str, dict], counts: Sequence[int]
) -> None:
    """For each series a line of fractions over the number of duplicates.

    At their right, side by side, is a point for each where that is not known.
    """
    for number, (name, rows) in enumerate(series.items()):
        known, unknown = rows[rows.duplicates.notna()].sort_values("duplicates"), rows[rows.duplicates.isna()]
        label = folded(name)
        if len(known):
            axes.plot(known.duplicates.astype(float), known.fraction, label=label, **styles[name])
            label = None
        if len(unknown):
            place = beyond(counts) * 2 ** (SPREAD * ((number + 0.5) / len(series) - 0.5))
            axes.plot([place], unknown.fraction, label=label, **{**styles[name], "linestyle": ""})


def beyond(counts: Sequence[int]) -> float:
    """Where samples of unknown duplicates stand: as far from the last number as a factor of four."""
    return 4.0 * max(counts, default=1)


def finish(axes: Axes, counts: Sequence[int], samples: pd.DataFrame) -> None:
    """Scale, ticks, legend, and for how many samples duplicates are not known, by the rows of one variant."""
    unknown, total = samples[samples.duplicates.isna()].samples.sum(), samples.samples.sum()
    label = "times in the training data"
    axes.set_xscale("log", base=2)
    plain_ticks(axes, counts)
    if unknown:
        shown = apart(counts)
        axes.set_xticks([*shown, beyond(counts)], [*map(str, shown), "not known"])
        axes.set_xlim(min(counts, default=beyond(counts)) / 2, 2 * beyond(counts))
        label += f" (not known for {unknown} of {total} samples)"
    axes.set_xlabel(label)
    if line_count(axes.get_legend_handles_labels()[1]) <= INSIDE:
        axes.legend(loc="upper left")
    else:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4, ncols=ACROSS)
