#!/usr/bin/env python3
"""Plot where the zeros of one model's masks lie."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.figures.kept import keep_figure
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--statistics", type=Path, nargs="+", required=True, help="one table per variant")
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)
    variants = {path.stem: path for path in arguments.statistics}

    def plot() -> "Figure":
        from memprune.figures import plot_sparsity
        from memprune.findings.frames import read_csv

        statistics = {variant: read_csv(path, plot_sparsity.COLUMNS) for variant, path in variants.items()}
        return plot_sparsity.plot(statistics, arguments.model)

    content = {
        "model": arguments.model,
        "statistics": [[variant, entries.content(path)] for variant, path in variants.items()],
    }
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
