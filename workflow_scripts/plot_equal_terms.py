#!/usr/bin/env python3
"""Plot memorization at equal sparsity, share of weights removed, bytes, or perplexity."""

import argparse
import json
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
    parser.add_argument("--frontier", type=Path, required=True)
    parser.add_argument("--quantity", choices=["sparsity", "removed", "bytes", "perplexity"], required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)

    def plot() -> "Figure":
        from memprune.figures import plot_equal_terms
        from memprune.findings.frames import read_csv

        points = read_csv(arguments.frontier, plot_equal_terms.COLUMNS)
        return plot_equal_terms.plot(points, arguments.quantity, **arguments.spec)

    content = {
        "table": entries.content(arguments.frontier),
        "quantity": arguments.quantity,
        **arguments.spec,
    }
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
