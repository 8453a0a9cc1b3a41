#!/usr/bin/env python3
"""Score one part of a variant's shards into the store, and leave a receipt."""

import argparse
from functools import partial
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.options import add_arguments, variant_of
from memprune.evaluation.receipts import part_of, write_receipt
from memprune.evaluation.score_variant import score_variant
from memprune.evaluation.variant import variant_named
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
        own = partial(part_of, part=arguments.part, parts=arguments.parts)
        found = score_variant(variant, device, arguments.threads, own)
    write_receipt(found.tasks, found.scored, device, arguments.receipt)
    entries.record(arguments.receipt, found.names, source_code.digest(Path(__file__)))


run(main)
