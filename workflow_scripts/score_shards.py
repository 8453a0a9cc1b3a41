#!/usr/bin/env python3
"""Score one part of a variant's shards into the store, and leave a receipt."""

import argparse
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.options import add_arguments, variant_of
from memprune.evaluation.receipts import part_of, write_receipt
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.variant import variant_named, variant_tasks
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--part", type=int, required=True, help="which one, counted from 0")
    parser.add_argument("--parts", type=int, required=True, help="how many there are")
    parser.add_argument("--receipt", type=Path, required=True, help="what was scored, and how; written")
    arguments = parse(parser)
    variant = variant_of(arguments)
    with variant_named(arguments.model, arguments.variant):
        device = device_class(variant.spec["device"])
        scorer = Scorer(variant, device, arguments.threads)
        tasks = variant_tasks(variant, device, scorer.suffixes, scorer.windows)
        tasks = part_of(tasks, arguments.part, arguments.parts)
        scored = score_shards(tasks, scorer.how)
    names = write_receipt(tasks, scored, device, arguments.receipt)
    entries.record(arguments.receipt, names, source_code.digest(Path(__file__)))


run(main)
