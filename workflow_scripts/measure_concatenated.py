#!/usr/bin/env python3
"""Measure a variant on concatenated text: the negative log-likelihood of each window, from its score file."""

import argparse
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code

LIBRARIES = ("numpy", "pyarrow")  # which decide the measures' bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="measures by window, written")
    arguments = parse(parser)

    def compute(folder: Path) -> None:
        from memprune.metrics.measure import measure_windows

        measure_windows(arguments.scores, folder / "concatenated.parquet")

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "scores": entries.content(arguments.scores),
        "versions": {name: version(name) for name in LIBRARIES},
    }
    entries.provide("measures", determinants, compute, {"concatenated.parquet": arguments.output})


run(main)
