"""Perplexity against the quality of generated text, tasks and what is extracted: a panel a metric."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memprune.figures.palette import COLOURS
from memprune.figures.style import (
    LARGEST,
    MARKERS,
    PERCENT,
    folded,
    headline,
    legend_beside,
    perplexity_axis,
)
from memprune.findings.agreement import ALL, PERPLEXITY, SPLITS

METRICS = ("model", "strategy", "level", "target", "of", "metric", "context_length", "mean")
COSTS = ("model", "strategy", "level", "target", "token_perplexity", "verdict")
AGREEMENT = (
    "model",
    "first",
    "first_of",
    "second",
    "second_of",
    "spearman",
    "spearman_ci_low",
    "spearman_ci_high",
)
TITLES = {
    ("rouge_l", "non_member"): "ROUGE-L, text never seen",
    ("bleu", "non_member"): "BLEU, text never seen",
    ("repeated_4grams", "non_member"): "repeated 4-grams, text never seen",
    ("rouge_l", "member"): "ROUGE-L, members",
    ("bleu", "member"): "BLEU, members",
    ("extracted", "member"): "members extracted",
}
ACCURACIES = ("acc", "exact_match")
SHARES = ("repeated_4grams", "extracted", *ACCURACIES)  # shown as percent
ACROSS = 3  # panels in a row
WIDTH, HEIGHT = 2.9, 2.6  # inches of a panel


def plot(
    metrics: pd.DataFrame,
    perplexity: pd.DataFrame,
    agreement: pd.DataFrame,
    models: Sequence[str],
    strategies: Sequence[str],
) -> Figure:
    """Every variant of every model: its strategy by the colour, its model by the marker.

    `metrics`, `perplexity` and `agreement` are the tables of those names. Dense models are black, collapsed
    variants hollow. Above a panel stands Spearman's correlation over all variants with its 95 % interval.
    """
    points = metrics.merge(perplexity, on=["model", "strategy", "level", "target"], validate="many_to_one")
    points = points[points.model.isin(models) & (points.token_perplexity <= LARGEST)]
    shown = panels_of(points)
    rows = -(-len(shown) // ACROSS)
    figure = Figure(figsize=(WIDTH * min(len(shown), ACROSS) + 1.5, HEIGHT * rows + 0.5))
    grid = figure.subplots(rows, min(len(shown), ACROSS), squeeze=False).flatten()
    for axes, (metric, of) in zip(grid, shown, strict=False):
        own = points[(points.metric == metric) & (points.of == of)]
        draw(axes, own, models, strategies)
        if metric in SHARES:
            axes.yaxis.set_major_formatter(PERCENT)
        axes.set_title(
            f"{TITLES.get((metric, of), folded(f'{of}, {metric}'))}\n{correlation(agreement, metric, of)}"
        )
        axes.set_xlabel("token perplexity (validation)")
    for unused in grid[len(shown) :]:
        unused.remove()
    explain(grid[0], models, strategies)
    legend_beside(figure, grid[0])
    headline(
        figure,
        "What perplexity goes together with: a point is a variant, ρ the rank correlation over all of them",
    )
    return figure


def panels_of(points: pd.DataFrame) -> list[tuple[str, str]]:
    """The metrics that have a panel, and what they are of: those of `TITLES`, and a task's accuracies."""
    there = list(dict.fromkeys(zip(points.metric, points.of, strict=True)))
    tasks = [(metric, of) for metric, of in there if of not in SPLITS and metric in ACCURACIES]
    *others, extracted = [panel for panel in TITLES if panel in there]
    return [*others, *tasks, extracted]


def draw(axes: Axes, points: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> None:
    """The variants of all models by one metric."""
    colours = colours_of(strategies)
    for model, marker in markers_of(models).items():
        for strategy, colour in colours.items():
            own = points[(points.model == model) & (points.strategy == strategy)]
            collapsed = own.verdict == "collapsed"
            for rows, face in ((own[~collapsed], colour), (own[collapsed], "none")):
                look = {"facecolors": face, "edgecolors": colour, "zorder": 3 if strategy == "dense" else 2}
                axes.scatter(rows.token_perplexity, rows["mean"], 22, marker=marker, linewidths=0.9, **look)
    perplexity_axis(axes, points.token_perplexity.max() / points.token_perplexity.min())


def explain(axes: Axes, models: Sequence[str], strategies: Sequence[str]) -> None:
    """What colours and markers mean, as entries of the legend."""
    square = {"marker": "s", "linestyle": "", "markersize": 6}
    for strategy, colour in colours_of(strategies).items():
        axes.plot([], [], color=colour, label=strategy, **square)
    for model, marker in markers_of(models).items():
        axes.plot([], [], color="grey", marker=marker, linestyle="", label=model)
    axes.plot([], [], color="grey", markerfacecolor="none", label="collapsed", **square)


def colours_of(strategies: Sequence[str]) -> dict[str, str]:
    """The colour of each strategy, black of the dense models."""
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(strategies)}
    return {"dense": "black", **colours}


def markers_of(models: Sequence[str]) -> dict[str, str]:
    """The marker of each model."""
    return {name: MARKERS[place % len(MARKERS)] for place, name in enumerate(models)}


def correlation(agreement: pd.DataFrame, metric: str, of: str) -> str:
    """The rank correlation of perplexity and a metric over all models' variants, with its interval."""
    first = (agreement["first"] == PERPLEXITY[0]) & (agreement.first_of == PERPLEXITY[1])
    second = (agreement.second == metric) & (agreement.second_of == of)
    [row] = agreement[first & second & (agreement.model == ALL)].itertuples()
    if pd.isna(row.spearman):
        return "ρ unknown"
    ends = "" if pd.isna(row.spearman_ci_low) else f" [{row.spearman_ci_low:.2f}, {row.spearman_ci_high:.2f}]"
    return f"ρ = {row.spearman:.2f}{ends}".replace("-", "−")
