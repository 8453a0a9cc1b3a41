#!/usr/bin/env python3
"""Score a variant of a model for memorization and perplexity, or put together what its parts have scored."""

import argparse
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.evaluate import write_scores
from memprune.evaluation.options import add_arguments, variant_of
from memprune.evaluation.receipts import device_of
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.scorer import Scorer, cannot_score
from memprune.evaluation.variant import variant_named, variant_tasks
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
        scorer = Scorer(variant, device, arguments.threads)
        how_scored = (cannot_score, cannot_score) if arguments.parts else (scorer.suffixes, scorer.windows)
        tasks = variant_tasks(variant, device, *how_scored)
        scored = score_shards(tasks, scorer.how)
    level, reached = level_of(variant.name, variant.changes), achieved(variant.manifest, variant.changes)
    names = [shard.name for task in tasks for shard in task.shards]
    for output, own in ((arguments.memorization, slice(0, -1)), (arguments.perplexity, slice(-1, None))):
        write_scores(tasks[own], scored[own], arguments.model, arguments.variant, level, reached, output)
        entries.record(output, names, source_code.digest(Path(__file__)))


run(main)
