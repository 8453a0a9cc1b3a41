#!/usr/bin/env python3
"""Score one variant of a model for memorization and perplexity."""

import argparse
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from memprune import sources, store
from memprune.device import device_class
from memprune.errors import UserError, run
from memprune.evaluation import memorization_tasks, perplexity_task, score_tasks, write_scores
from memprune.fit import check_positions, check_tokenizer
from memprune.manifest import read_manifest
from memprune.masks import mask_digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--mask", type=Path, help="left out: the dense model")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--windows", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--memorization", type=Path, required=True, help="scores by sample, written")
    parser.add_argument("--perplexity", type=Path, required=True, help="scores by window, written")
    arguments = parser.parse_args()
    spec, manifest = arguments.spec, read_manifest(arguments.manifest)
    for path in filter(None, (arguments.mask, arguments.samples, arguments.windows)):
        store.content(path)  # verified before it is read
    samples, windows = pq.read_table(arguments.samples), pq.read_table(arguments.windows)
    device = device_class(spec["device"])

    @cache
    def scorer():
        from memprune.scorer import load_scorer  # late: where all shards are stored, nothing needs torch

        return load_scorer(manifest, arguments.mask, device, arguments.threads, spec)

    determinants = {
        "source": sources.digest("memprune.scorer"),
        "weights": manifest.fingerprint,
        "architecture": asdict(manifest.architecture),
        "mask": mask_digest(arguments.mask) if arguments.mask else None,
        "dtype": spec["dtype"],
        "batch_tokens": spec["batch_tokens"],
        "device": device,
        "torch": version("torch"),
    }
    try:
        check_tokenizer(samples.schema.metadata[b"tokenizer"].decode(), manifest.tokenizer)
        longest_window = pc.max(pc.list_value_length(windows["tokens"])).as_py() - 1
        check_positions(samples["tokens"].type.list_size, longest_window, manifest.architecture.positions)
        tasks = memorization_tasks(
            samples,
            spec["context_lengths"],
            spec["suffix"],
            spec["anchor"],
            determinants,
            lambda *rows: scorer().memorization(*rows),
        )
        tasks.append(perplexity_task(windows, determinants, lambda *rows: scorer().perplexity(*rows)))
        *memorization, perplexity = score_tasks(tasks, lambda: scorer().how)
    except UserError as error:
        raise UserError(f"models.{arguments.model}, variant {arguments.variant}: {error}") from None
    write_scores(memorization, arguments.model, arguments.variant, arguments.memorization)
    write_scores([perplexity], arguments.model, arguments.variant, arguments.perplexity)
    names = [shard.name for task in tasks for shard in task.shards]
    for output in (arguments.memorization, arguments.perplexity):
        store.record(output, names)


run(main)
