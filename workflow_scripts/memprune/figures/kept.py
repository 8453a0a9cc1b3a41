"""Draw a figure through the store: the same tables, settings and code give the figure that is there."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.store import entries, source_code

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Which decide the figure's bytes; kiwisolver lays it out and Pillow writes the PNG.
LIBRARIES = ("kiwisolver", "matplotlib", "numpy", "pandas", "pillow")


def keep_figure(
    script: Path, content: Mapping, plot: "Callable[[], Figure]", outputs: tuple[Path, Path]
) -> None:
    """Put the figure that `plot` draws at `outputs`, as SVG and as PNG.

    `content` is all that the figure shows: hashes of its tables and the settings, as JSON values. A figure
    that is there is put in place without the libraries that draw.
    """

    def compute(folder: Path) -> None:
        from memprune.figures import style

        style.save(plot(), folder / "figure.svg", folder / "figure.png")

    determinants = {
        "source": source_code.digest(script),
        "versions": {name: version(name) for name in LIBRARIES},
        **content,
    }
    svg, png = outputs
    entries.provide("figure", determinants, compute, {"figure.svg": svg, "figure.png": png})
