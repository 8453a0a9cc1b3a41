#!/usr/bin/env python3
"""Measure a variant on perturbed prefixes: the configured metrics by sample and share, from its scores."""

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
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, required=True, help="measures by sample and share, written")
    arguments = parse(parser)
    columns = arguments.spec["columns"]

    def compute(folder: Path) -> None:
        from memprune.metrics.measure import measure_samples
        from memprune.metrics.score_files import read_perturbed

        measure_samples(arguments.scores, columns, folder / "perturbed.parquet", read_perturbed)

    metrics = dict.fromkeys(f"memprune.metrics.{name}" for name, _ in columns)
    determinants = {
        "source": source_code.digest(Path(__file__), *metrics),
        "scores": entries.content(arguments.scores),
        "versions": {name: version(name) for name in LIBRARIES},
        **arguments.spec,
    }
    entries.provide("measures", determinants, compute, {"perturbed.parquet": arguments.output})


run(main)
