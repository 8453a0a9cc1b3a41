"""A variant's tasks, made from its files: what the scripts that score it have in common."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq

from memprune.devices import gpus
from memprune.devices.footprint import device_bytes
from memprune.errors import UserError
from memprune.evaluation.fit import check_positions, check_tokenizer
from memprune.evaluation.tasks import Task, memorization_tasks, perplexity_task
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code
from memprune.variants.masks import mask_digest

if TYPE_CHECKING:
    from memprune.evaluation.scorer import Scorer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say which variant is scored on what, and how."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--mask", type=Path, help="left out: the dense model")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--windows", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)


def lazy_scorer(arguments: argparse.Namespace, device: str) -> "Callable[[], Scorer]":
    """What gives the variant's scorer on a device (`cpu` or `cuda`), loaded when it is first asked for."""

    @cache
    def scorer() -> "Scorer":
        from memprune.evaluation.scorer import (
            load_scorer,  # late: where all shards are stored, nothing needs torch
        )

        spec, manifest = arguments.spec, read_manifest(arguments.manifest)
        if device == "cuda":
            gpus.lease(device_bytes(manifest, spec))
        longest = max(sample_length(arguments.samples), longest_window(arguments.windows))
        return load_scorer(manifest, arguments.mask, device, arguments.threads, spec, longest)

    return scorer


def sample_length(samples: Path) -> int:
    """Tokens of each sample."""
    return pq.read_schema(samples).field("tokens").type.list_size


def longest_window(windows: Path) -> int:
    """Tokens of the longest perplexity window, its context included."""
    return pc.max(pc.list_value_length(pq.read_table(windows)["tokens"])).as_py()


def variant_tasks(arguments: argparse.Namespace, device: str, scorer: "Callable[[], Scorer]") -> list[Task]:
    """The tasks of a variant: memorization by context length and split, then perplexity.

    `device` is the class of device that scores are for, `cpu` or `cuda`; `scorer` is called when a shard is
    computed. Raises UserError when samples do not fit the model.
    """
    spec, manifest = arguments.spec, read_manifest(arguments.manifest)
    for path in filter(None, (arguments.mask, arguments.samples, arguments.windows)):
        entries.content(path)  # verified before it is read
    samples, windows = pq.read_table(arguments.samples), pq.read_table(arguments.windows)
    determinants = {
        "source": source_code.digest("memprune.evaluation.scorer"),
        "weights": manifest.fingerprint,
        "architecture": asdict(manifest.architecture),
        "mask": mask_digest(arguments.mask) if arguments.mask else None,
        "dtype": spec["dtype"],
        "batch_tokens": spec["batch_tokens"],
        "device": device,
        "torch": version("torch"),
    }
    check_tokenizer(samples.schema.metadata[b"tokenizer"].decode(), manifest.tokenizer)
    check_positions(
        sample_length(arguments.samples),
        longest_window(arguments.windows) - 1,
        manifest.architecture.positions,
    )
    tasks = memorization_tasks(
        samples,
        spec["context_lengths"],
        spec["suffix"],
        spec["anchor"],
        determinants,
        lambda *rows: scorer().memorization(*rows),
    )
    return [*tasks, perplexity_task(windows, determinants, lambda *rows: scorer().perplexity(*rows))]


@contextmanager
def variant_named(arguments: argparse.Namespace) -> Iterator[None]:
    """Name the model and the variant in a UserError."""
    try:
        yield
    except UserError as error:
        raise UserError(f"models.{arguments.model}, variant {arguments.variant}: {error}") from None
