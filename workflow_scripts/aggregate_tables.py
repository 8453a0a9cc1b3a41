#!/usr/bin/env python3
"""Aggregate the measures of all variants into the tables."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code

# Which decide the tables' bytes; tabulate writes Markdown, Jinja2 the paper's layout in LaTeX.
TEXTS = ("generation", "membership", "concatenated", "tasks", "perturbed")
LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "statsmodels", "tabulate", "Jinja2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization", type=Path, nargs="+", required=True)
    parser.add_argument("--perplexity", type=Path, nargs="+", required=True)
    for kind in TEXTS:
        parser.add_argument(f"--{kind}", type=Path, nargs="+", default=[])
    parser.add_argument("--features", type=Path, required=True, help="of samples")
    parser.add_argument("--samples", type=Path, help="known sequences")
    parser.add_argument("--dense", type=Path, nargs="+", default=[], help="scores with published ones")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="tables, told by their names")
    arguments = parse(parser)
    texts = {kind: getattr(arguments, kind) for kind in TEXTS}
    known = arguments.samples, arguments.dense
    measured = {"memorization": arguments.memorization, "perplexity": arguments.perplexity, **texts}

    def compute(folder: Path) -> None:
        from memprune.findings.aggregate_tables import write_tables

        measures = arguments.memorization, arguments.perplexity
        about = {"text_files": texts, "features": arguments.features, "known": known}
        write_tables(*measures, **arguments.spec, folder=folder, **about)

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "measures": {kind: entries.contents(files) for kind, files in measured.items()},
        "features": entries.content(arguments.features),
        "versions": {name: version(name) for name in LIBRARIES},
        **arguments.spec,
    }
    if arguments.samples:
        read = [arguments.samples, *arguments.dense]
        determinants["known"] = [entries.content(path) for path in read]
    entries.provide("tables", determinants, compute, {path.name: path for path in arguments.output})


run(main)
