#!/usr/bin/env python3
"""Plot what the ablation of each attention head costs."""

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
    parser.add_argument("--memorization", type=Path, required=True)
    parser.add_argument("--perplexity", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)

    def plot() -> "Figure":
        from memprune.figures import plot_heads
        from memprune.findings.frames import read_csv

        memorization = read_csv(arguments.memorization, plot_heads.MEMORIZATION)
        perplexity = read_csv(arguments.perplexity, plot_heads.PERPLEXITY)
        return plot_heads.plot(memorization, perplexity, **arguments.spec)

    content = {
        "tables": [entries.content(arguments.memorization), entries.content(arguments.perplexity)],
        **arguments.spec,
    }
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
