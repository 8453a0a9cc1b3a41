#!/usr/bin/env python3
"""Write the findings in words, from the tables."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code

LIBRARIES = ("numpy", "pandas")  # which decide the sentences' numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="told by their names")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)

    def compute(folder: Path) -> None:
        from memprune.findings.frames import read_csv
        from memprune.findings.write_findings import findings

        tables = {path.stem: read_csv(path) for path in arguments.tables}
        (folder / "findings.md").write_text(findings(tables=tables, **arguments.spec))

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "tables": {path.stem: entries.content(path) for path in arguments.tables},
        "versions": {name: version(name) for name in LIBRARIES},
        **arguments.spec,
    }
    entries.provide("findings", determinants, compute, {"findings.md": arguments.output})


run(main)
