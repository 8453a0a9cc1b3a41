#!/usr/bin/env python3
"""Score a variant of a model for memorization and perplexity, or put together what its parts have scored."""

import argparse
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.evaluate import write_scores
from memprune.evaluation.options import add_arguments, variant_of
from memprune.evaluation.receipts import device_of
from memprune.evaluation.score_variant import score_variant
from memprune.evaluation.variant import variant_named
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code
from memprune.variants.achieved import achieved, level_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--parts", type=Path, nargs="*", help="receipts of the parts: nothing is scored here")
    parser.add_argument("--memorization", type=Path, required=True, help="evidence by sample, written")
    parser.add_argument("--perplexity", type=Path, required=True, help="evidence by window, written")
    arguments = parse(parser)
    variant = variant_of(arguments)
    with variant_named(arguments.model, arguments.variant):
        device = device_of(arguments.parts) if arguments.parts else device_class(variant.spec["device"])
        found = score_variant(variant, device, arguments.threads, by_parts=bool(arguments.parts))
    level, reached = level_of(variant.name, variant.changes), achieved(variant.manifest, variant.changes)
    for output, own in ((arguments.memorization, slice(0, -1)), (arguments.perplexity, slice(-1, None))):
        tasks, scored = found.tasks[own], found.scored[own]
        write_scores(tasks, scored, arguments.model, arguments.variant, level, reached, output)
        entries.record(output, found.names, source_code.digest(Path(__file__)))


run(main)
