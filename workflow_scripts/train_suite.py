#!/usr/bin/env python3
"""Train the tiny-pythia suite on mini-pile."""

import argparse
import json
from pathlib import Path

import torch

from memprune.disk import folder_written_whole
from memprune.embedded import build_mini_pile
from memprune.embedded.train_suite import train_suite
from memprune.jobs.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of the suite")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with folder_written_whole(arguments.output) as folder:
        measured = train_suite(build_mini_pile.build(), folder)
        measured["corpus_sha256"] = build_mini_pile.SHA256
        (folder / "training.json").write_text(json.dumps(measured, indent=1) + "\n")


run(main)
