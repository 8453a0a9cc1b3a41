#!/usr/bin/env python3
"""Measure a variant of a model on tasks of lm-evaluation-harness, item by item, from its scores."""

import argparse
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code

LIBRARIES = ("lm_eval", "jinja2", "numpy", "pyarrow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, nargs="+", required=True, help="as they were prepared")
    parser.add_argument("--output", type=Path, required=True, help="measures by item, written")
    arguments = parse(parser)

    def compute(folder: Path) -> None:
        from memprune.metrics.tasks.task_items import measure_items

        measure_items(arguments.scores, arguments.tasks, folder / "tasks.parquet")

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "scores": entries.content(arguments.scores),
        "tasks": [entries.content(path) for path in arguments.tasks],
        "versions": {library: version(library) for library in LIBRARIES},
    }
    entries.provide("measures", determinants, compute, {"tasks.parquet": arguments.output})


run(main)
