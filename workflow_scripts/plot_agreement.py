#!/usr/bin/env python3
"""Plot perplexity against the quality of generated text, tasks and what is extracted."""

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
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--perplexity", type=Path, required=True)
    parser.add_argument("--agreement", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)
    files = (arguments.metrics, arguments.perplexity, arguments.agreement)

    def plot() -> "Figure":
        from memprune.figures import plot_agreement
        from memprune.findings.frames import read_csv

        columns = (plot_agreement.METRICS, plot_agreement.COSTS, plot_agreement.AGREEMENT)
        tables = [read_csv(path, own) for path, own in zip(files, columns, strict=True)]
        return plot_agreement.plot(*tables, **arguments.spec)

    content = {"tables": [entries.content(path) for path in files], **arguments.spec}
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
