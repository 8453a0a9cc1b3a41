#!/usr/bin/env python3
"""Plot memorization against model size."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from memprune.figures.kept import keep_figure
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, nargs="+", required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)
    manifests = [read_manifest(path) for path in arguments.manifests]
    weights = {m.model: sum(matrix.weights for matrix in m.matrices) for m in manifests}
    strategies = arguments.spec["strategies"]

    def plot() -> "Figure":
        from memprune.figures import plot_model_size
        from memprune.findings.frames import read_csv

        return plot_model_size.plot(
            read_csv(arguments.memorization, plot_model_size.COLUMNS), weights, strategies
        )

    content = {"table": entries.content(arguments.memorization), "weights": weights, "strategies": strategies}
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
