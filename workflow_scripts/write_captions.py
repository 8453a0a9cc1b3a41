#!/usr/bin/env python3
"""Write how to read each table as the captions that `snakemake --report` shows."""

import argparse
from pathlib import Path

from memprune.disk import written_whole
from memprune.findings.how_to_read import HOW_TO_READ
from memprune.jobs.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    for table, sentence in HOW_TO_READ.items():
        with written_whole(arguments.output / f"{table}.rst") as temporary:
            temporary.write_text(sentence.replace("`", "``") + "\n")


run(main)
