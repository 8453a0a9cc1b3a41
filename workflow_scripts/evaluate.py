#!/usr/bin/env python3
"""Score a variant of a model for memorization and perplexity, or put together what its parts have scored."""

import argparse
from pathlib import Path

from memprune import store
from memprune.arguments import parse
from memprune.device import device_class
from memprune.errors import UserError, run
from memprune.evaluation import score_tasks, write_scores
from memprune.parts import device_of
from memprune.variant_tasks import add_arguments, lazy_scorer, variant_named, variant_tasks


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
        store.record(output, names)


def no_scorer() -> None:
    raise UserError("scored by a part, but no longer in the store; score it again: --forcerun score_shards")


run(main)
