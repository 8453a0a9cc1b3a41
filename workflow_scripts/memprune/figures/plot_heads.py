"""What each attention head's ablation costs: in memorization and in perplexity, layer by layer."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from memprune.figures.style import headline
from memprune.findings.frames import level_label

MEMORIZATION = ("model", "strategy", "level", "target", "context_length", "fraction")
PERPLEXITY = ("model", "strategy", "level", "target", "token_perplexity")
POINTS = FuncFormatter(lambda difference, _: f"{100 * difference:+.1f}".replace("-", "−"))
TIMES = FuncFormatter(lambda ratio, _: f"{ratio:.2f}" if ratio < 10 else f"{ratio:.3g}")
CELL, LEGIBLE = 0.32, 0.5  # inches: height of a cell, and the width from which on its number is written
WIDEST, HIGHEST = 4.2, 8.0  # inches of a panel


def plot(
    memorization: pd.DataFrame,
    perplexity: pd.DataFrame,
    model: str,
    heads: Mapping[str, Sequence[int]],
) -> Figure:
    """Two heat maps of layers × heads: memorization's change in percentage points, perplexity as a ratio.

    `memorization` and `perplexity` are the tables of those names, memorization is its mean over k; `heads`
    gives the layer and head that each strategy ablates, at level 1. Both are relative to the dense model.
    What no strategy ablates is blank, and so is an infinite perplexity.
    """
    fraction = of_model(memorization, model, heads, "fraction")
    tokens = of_model(perplexity, model, heads, "token_perplexity")
    lost = grid(fraction - fraction["dense"], heads)
    ratio = grid(tokens / tokens["dense"], heads)
    ratio[~np.isfinite(ratio)] = np.nan
    layers, across = lost.shape
    width = min(max(1.6, 0.62 * across), WIDEST)
    figure = Figure(figsize=(2 * width + 2.6, 1.5 + min(CELL * max(layers, 4), HIGHEST)))
    left, right = figure.subplots(1, 2, sharey=True)
    most = max(np.nanmax(np.abs(lost)), 1e-9)
    written = width / across >= LEGIBLE
    draw(left, lost, "PuOr", Normalize(-most, most), POINTS, written)
    left.set_title("memorization, mean over k:\nchange in percentage points")
    left.set_ylabel("decoder layer")
    known = ratio[np.isfinite(ratio)]
    low, high = min(known.min(initial=1.0), 1.0), max(known.max(initial=1.0), 1.001)
    draw(right, ratio, "cividis", LogNorm(low, high), TIMES, written)
    right.set_title("token perplexity:\ntimes the dense model's")
    headline(figure, f"What it costs to ablate one head: {model}")
    return figure


def of_model(table: pd.DataFrame, model: str, heads: Mapping[str, Sequence[int]], value: str) -> pd.Series:
    """The mean of a column by strategy: of the dense model, and of those that ablate a head, at level 1."""
    own = table[table.model == model]
    own = own[(own.strategy == "dense") | (own.strategy.isin(list(heads)) & (level_label(own) == "1.0"))]
    return own.groupby("strategy", observed=True)[value].mean()


def grid(values: pd.Series, heads: Mapping[str, Sequence[int]]) -> np.ndarray:
    """The values of strategies as layers × heads, nan where none ablates a head."""
    cells = np.full(np.max(list(heads.values()), axis=0) + 1, np.nan)
    for strategy, (layer, head) in heads.items():
        cells[layer, head] = values[strategy]
    return cells


def draw(
    axes: Axes, cells: np.ndarray, colours: str, scale: Normalize, numbers: FuncFormatter, written: bool
) -> None:
    """One heat map with its scale; its numbers in the cells if they are to be `written`."""
    image = axes.imshow(cells, norm=scale, cmap=colours, aspect="auto")
    axes.patch.set(facecolor="white", edgecolor="#c0c0c0", hatch="xxx")  # of cells that are blank
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("head")
    bar = axes.figure.colorbar(image, ax=axes, format=numbers)
    if isinstance(scale, LogNorm) and (widest := scale.vmax / scale.vmin) < 100:
        bar.locator = MaxNLocator(5) if widest < 4 else LogLocator(subs=(1, 2, 5))
        bar.minorlocator = NullLocator()
    if written:
        for (row, column), value in np.ndenumerate(cells):
            if np.isfinite(value):
                colour = readable_on(image.cmap, scale(value))
                axes.text(column, row, numbers(value), ha="center", va="center", color=colour, fontsize=7)


def readable_on(colours: Colormap, place: float) -> str:
    """Black or white, whichever stands out against a colour, by its luminance (ITU-R BT.709)."""
    red, green, blue, _ = colours(float(place))
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "white"
