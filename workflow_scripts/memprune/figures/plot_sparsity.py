"""Where a strategy's zeros lie: sparsity by layer and matrix, a panel per strategy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from memprune.figures.style import PERCENT, folded, headline, panels

COLUMNS = ("layer", "role", "sparsity")
ACROSS = 6  # panels in a row


def plot(statistics: Mapping[str, pd.DataFrame], model: str) -> Figure:
    """A heat map for each variant; `statistics` maps variant names to tables of zeros, in order."""
    tables = {
        variant: rows.pivot_table(index="layer", columns="role", values="sparsity", sort=False)
        for variant, rows in statistics.items()
    }
    first = next(iter(tables.values()))
    figure, all_axes = panels(len(tables), 2.1, 1.6 + 0.32 * len(first), across=ACROSS, beside=1.2)
    highest = max(table.to_numpy().max() for table in tables.values())
    for axes, (variant, table) in zip(all_axes, tables.items(), strict=True):
        image = axes.imshow(table, vmin=0, vmax=highest, cmap="cividis", aspect="auto")
        axes.set_xticks(
            range(table.shape[1]), [role.replace("_", " ") for role in table.columns], rotation=40, ha="right"
        )
        axes.set_yticks(range(table.shape[0]), table.index)
        axes.set_title(folded(variant))
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if table.size <= 400:
            annotate(axes, table.to_numpy(), highest)
    for axes in all_axes[::ACROSS]:
        axes.set_ylabel("decoder layer")
    figure.colorbar(image, ax=all_axes, label="share of weights pruned", shrink=0.9, format=PERCENT)
    headline(figure, f"Sparsity by layer and matrix: {model}")
    return figure


def annotate(axes, values: np.ndarray, highest: float) -> None:
    """Write each cell's percentage into it, in a colour that stands out."""
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > 0.6 * highest else "white"
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=7)
