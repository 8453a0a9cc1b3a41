"""What all figures share: fonts, colours that colour-blind readers can tell apart, and how they are saved."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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

# Okabe and Ito's palette, black kept for the dense model.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PERCENT = mpl.ticker.FuncFormatter(lambda fraction, _: f"{100 * fraction:.3g} %")
DENSE = {"color": "black", "marker": "*", "markersize": 9, "clip_on": False}
BAND = {"color": "black", "alpha": 0.08, "linewidth": 0, "label": "dense, 95 %"}


def looks(names: Sequence[str]) -> dict[str, dict]:
    """A colour and a marker for each name, the same in every figure; markers at 0 are drawn whole."""
    return {
        name: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "clip_on": False}
        for i, name in enumerate(names)
    }


def percent_axis(axes: Axes, label: str) -> None:
    """Show fractions on the vertical axis as percent, from 0."""
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)


def plain_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Ticks at exactly these values of a logarithmic horizontal axis, as plain numbers."""
    axes.set_xticks(list(values), [f"{value:g}" for value in values])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write the figure as SVG and as PNG at 160 dots per inch."""
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=160)
