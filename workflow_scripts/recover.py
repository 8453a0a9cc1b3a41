#!/usr/bin/env python3
"""Bring the folder of a crashed workflow back: no lock, half file or unreadable record is left in it."""

import argparse
from pathlib import Path

from memprune.jobs.recover import recover
from memprune.jobs.script import run
from memprune.store import entries


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    removed = recover(Path("results"), entries.folder())
    print(f"removed: {', '.join(f'{count} {kind}' for kind, count in removed.items())}")
    print("What is finished stays. Run snakemake again: it makes what is missing, stale or damaged.")


run(main)
