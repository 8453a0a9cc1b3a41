"""What all figures share: fonts, colours that colour-blind readers can tell apart, and how they are saved."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memprune.figures.palette import COLOURS

mpl.use("agg")
mpl.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e6e6e6",
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "lines.linewidth": 1.4,
        "lines.markersize": 5,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "svg.fonttype": "none",
        "svg.hashsalt": "memprune",  # the same figure gives the same bytes
    }
)

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
PERCENT = mpl.ticker.FuncFormatter(lambda fraction, _: f"{100 * fraction:.3g} %")
DENSE = {"color": "black", "marker": "*", "markersize": 9, "clip_on": False}
PANELS = 4  # in a row
BESIDE = 1.5  # inches at the right of the panels, for a legend
ENTRIES = 18  # of a legend, one under the other
TICKS = 10  # on an axis, at most
LARGEST = 1e30  # perplexity that is drawn: an axis has no room for what is all but infinite
LETTER = 0.08  # inches of a title, on average
LETTERS = 20  # of a name, on one line
BAND = {"color": "black", "alpha": 0.08, "linewidth": 0, "label": "dense, 95 %"}


def looks(names: Sequence[str]) -> dict[str, dict]:
    """A colour, a marker and a line for each name, the same in every figure; markers at 0 are drawn whole.

    After each seven names, colours meet other markers and another line: no two of 245 names look alike.
    """
    return {name: look(*divmod(number, len(COLOURS))) for number, name in enumerate(names)}


def look(turn: int, place: int) -> dict:
    """The look of the series at a place of the palette, in which turn through it."""
    return {
        "color": COLOURS[place],
        "marker": MARKERS[(place + turn) % len(MARKERS)],
        "linestyle": LINES[turn % len(LINES)],
        "clip_on": False,
    }


def panels(
    count: int, width: float, height: float, across: int = PANELS, beside: float = BESIDE
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `across` in a row, on one vertical scale, and its panels.

    A panel's size and what is left `beside` them are in inches.
    """
    rows, columns = -(-count // across), min(count, across)
    figure = Figure(figsize=(width * columns + beside, height * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for unused in grid[count:]:
        unused.remove()
    return figure, list(grid[:count])


def legend_beside(figure: Figure, axes: Axes) -> None:
    """The legend of a panel's series at the figure's right, which grows where names are many or long."""
    handles, labels = axes.get_legend_handles_labels()
    names = [folded(label) for label in labels]
    columns = -(-len(names) // ENTRIES)
    widest = max(len(line) for name in names for line in name.split("\n"))
    rows = -(-len(names) // columns)
    lines = max(line_count(labels[start : start + rows]) for start in range(0, len(labels), rows))
    width, height = figure.get_size_inches()
    own = columns * max(BESIDE, 0.5 + 0.07 * widest)
    figure.set_size_inches(width - BESIDE + own, max(height, 0.6 + 0.19 * lines))
    figure.legend(handles, names, loc="outside right center", ncols=columns)


def headline(figure: Figure, text: str) -> None:
    """The figure's title, on as many lines as its width asks for, none of which ends within `k = 100`."""
    whole = text.replace(" = ", "\u00a0=\u00a0")
    figure.suptitle("\n".join(wrap(whole, int(figure.get_figwidth() / LETTER))))


def folded(name: str) -> str:
    """A name on lines of at most `LETTERS` letters."""
    return "\n".join(wrap(name, LETTERS))


def line_count(names: Sequence[str]) -> int:
    """How many lines the names take, folded and one under the other."""
    return sum(folded(name).count("\n") + 1 for name in names)


def percent_axis(axes: Axes, label: str) -> None:
    """Show fractions on the vertical axis as percent, from 0."""
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)


def perplexity_axis(axes: Axes, widest: float) -> None:
    """Scale and ticks of perplexities, horizontally, of which the largest is so many times the smallest."""
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    if widest <= 100:
        axes.xaxis.set_major_locator(
            mpl.ticker.MaxNLocator(5) if widest <= 4 else mpl.ticker.LogLocator(subs=(1, 2, 5))
        )
        axes.xaxis.set_major_formatter(mpl.ticker.ScalarFormatter())


def plain_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Plain numbers as ticks of a logarithmic horizontal axis, at these ascending values, none too close."""
    shown = apart(values)
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())


def apart(values: Sequence[float], ticks: int = TICKS) -> list[float]:
    """Of ascending values those that on a logarithmic axis have room for a tick, of which it has so many."""
    shown: list[float] = []
    for value in values:
        if not shown or (value / shown[-1]) ** ticks > values[-1] / values[0]:
            shown.append(value)
    return shown


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write the figure as SVG and as PNG at 160 dots per inch."""
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=160)
