#!/usr/bin/env python3
"""Score a variant of a model for memorization and perplexity, or put together what its parts have scored."""

import argparse
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.errors import UserError
from memprune.evaluation.receipts import device_of
from memprune.evaluation.tasks import score_tasks, write_scores
from memprune.evaluation.variant import add_arguments, lazy_scorer, variant_named, variant_tasks
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--parts", type=Path, nargs="*", help="receipts of the parts: nothing is scored here")
    parser.add_argument("--memorization", type=Path, required=True, help="scores by sample, written")
    parser.add_argument("--perplexity", type=Path, required=True, help="scores by window, written")
    arguments = parse(parser)
    with variant_named(arguments):
        if arguments.parts:
            device, scorer = device_of(arguments.parts), no_scorer
        else:
            device = device_class(arguments.spec["device"])
            scorer = lazy_scorer(arguments, device)
        tasks = variant_tasks(arguments, device, scorer)
        *memorization, perplexity = score_tasks(tasks, lambda: scorer().how)
    write_scores(memorization, arguments.model, arguments.variant, arguments.memorization)
    write_scores([perplexity], arguments.model, arguments.variant, arguments.perplexity)
    names = [shard.name for task in tasks for shard in task.shards]
    for output in (arguments.memorization, arguments.perplexity):
        entries.record(output, names)


def no_scorer() -> None:
    raise UserError("scored by a part, but no longer in the store; score it again: --forcerun score_shards")


run(main)
