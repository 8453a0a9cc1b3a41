#!/usr/bin/env python3
"""Train the tiny-pythia suite on mini-pile."""

import argparse
import json
import shutil
from pathlib import Path

import torch

from memprune.embedded import build_mini_pile
from memprune.embedded.train_suite import train_suite
from memprune.jobs.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of the suite")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    temporary = arguments.output.with_name(f".{arguments.output.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    measured = train_suite(build_mini_pile.build(), temporary)
    measured["corpus_sha256"] = build_mini_pile.SHA256
    (temporary / "training.json").write_text(json.dumps(measured, indent=1) + "\n")
    shutil.rmtree(arguments.output, ignore_errors=True)
    temporary.rename(arguments.output)


run(main)
