#!/usr/bin/env python3
"""Score one variant of a model for memorization and perplexity."""

import argparse
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from memprune.errors import UserError, run
from memprune.evaluation import memorization_scores, perplexity_scores, write_scores
from memprune.manifest import Manifest, read_manifest
from memprune.preflight import check_positions
from memprune.pruned_model import choose_device, load_pruned


def check_fit(samples: pa.Table, windows: pa.Table, manifest: Manifest) -> None:
    """Raise UserError unless the model has the samples' tokenizer and positions enough."""
    if samples.schema.metadata[b"tokenizer"].decode() != manifest.tokenizer:
        raise UserError(
            "its tokenizer is not the one that drew the samples, the first model's; all models of an "
            "experiment must have one tokenizer"
        )
    longest_window = pc.max(pc.list_value_length(windows["tokens"])).as_py() - 1
    check_positions(samples["tokens"].type.list_size, longest_window, manifest.positions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
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
    samples, windows = pq.read_table(arguments.samples), pq.read_table(arguments.windows)
    torch.set_num_threads(arguments.threads)

    try:
        check_fit(samples, windows, manifest)
        device = choose_device(spec["device"])
        model = load_pruned(manifest.folder, arguments.mask, spec["dtype"], device)
        how = {
            "weights_dtype": manifest.dtype,
            "compute_dtype": spec["dtype"],
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "batch_tokens": str(spec["batch_tokens"]),
        }
        print(f"{spec['model']} {spec['variant']}: {how}", flush=True)
        memorization = memorization_scores(
            model, samples, spec["context_lengths"], spec["suffix"], spec["batch_tokens"]
        )
        perplexity = perplexity_scores(model, windows, spec["batch_tokens"])
    except UserError as error:
        raise UserError(f"models.{spec['model']}, variant {spec['variant']}: {error}") from None
    write_scores(memorization, spec["model"], spec["variant"], how, arguments.memorization)
    write_scores(perplexity, spec["model"], spec["variant"], how, arguments.perplexity)


run(main)
