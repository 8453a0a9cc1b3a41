#!/usr/bin/env python3
"""Fetch a model from the Hugging Face Hub into its cache and record where it lies."""

import argparse
import json
from pathlib import Path

from memprune.disk import written_whole
from memprune.jobs.script import run
from memprune.models.fetch_model import fetch_model
from memprune.store import entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    fetched = fetch_model(arguments.repo, arguments.revision)
    with written_whole(arguments.output) as temporary:
        temporary.write_text(json.dumps(fetched, indent=1) + "\n")
    entries.record(arguments.output, [])


run(main)
