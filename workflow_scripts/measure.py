#!/usr/bin/env python3
"""Measure a variant of a model: the configured metrics, from its score files."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code

LIBRARIES = ("numpy", "pyarrow")  # which decide the measures' bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization-scores", type=Path, required=True)
    parser.add_argument("--perplexity-scores", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--memorization", type=Path, required=True, help="measures by sample, written")
    parser.add_argument("--perplexity", type=Path, required=True, help="measures by window, written")
    arguments = parse(parser)
    columns = arguments.spec["columns"]

    def compute(folder: Path) -> None:
        from memprune.metrics.measure import measure_samples, measure_windows

        measure_samples(arguments.memorization_scores, columns, folder / "memorization.parquet")
        measure_windows(arguments.perplexity_scores, folder / "perplexity.parquet")

    metrics = dict.fromkeys(f"memprune.metrics.{name}" for name, _ in columns)
    scores = (arguments.memorization_scores, arguments.perplexity_scores)
    determinants = {
        "source": source_code.digest(Path(__file__), *metrics),
        "scores": [entries.content(path) for path in scores],
        "versions": {name: version(name) for name in LIBRARIES},
        **arguments.spec,
    }
    outputs = {"memorization.parquet": arguments.memorization, "perplexity.parquet": arguments.perplexity}
    entries.provide("measures", determinants, compute, outputs)


run(main)
