#!/usr/bin/env python3
"""Score a variant of a model on other texts than samples and perplexity windows: those of one kind."""

import argparse
import json
from functools import partial
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.evaluate import write_scores
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.text_kinds import KINDS
from memprune.evaluation.texts import score_rows, text_tasks
from memprune.evaluation.variant import Variant, variant_named
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code
from memprune.variants.achieved import achieved, level_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--changes", type=Path, nargs="*", default=[], help="in turn; none: the dense model")
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="evidence by text, written")
    arguments = parse(parser)
    variant = Variant(
        name=arguments.variant,
        manifest=read_manifest(arguments.manifest),
        changes=arguments.changes,
        samples=None,
        windows=None,
        spec=arguments.spec,
        texts=arguments.texts,
    )
    device = device_class(variant.spec["device"])
    with variant_named(arguments.model, arguments.variant):
        scorer = Scorer(variant, device, arguments.threads)
        tasks = text_tasks(variant, arguments.kind, device, partial(score_rows, scorer, arguments.kind))
        scored = score_shards(tasks)
    level, reached = level_of(variant.name, variant.changes), achieved(variant.manifest, variant.changes)
    write_scores(tasks, scored, arguments.model, arguments.variant, level, reached, arguments.output)
    names = [shard.name for task in tasks for shard in task.shards]
    entries.record(arguments.output, names, source_code.digest(Path(__file__), KINDS[arguments.kind].module))


run(main)
