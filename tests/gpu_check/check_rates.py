"""Rates: tokens and operations a second of a larger shape, and its memory beside what the plan foresees."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import torch
from check_settings import Settings
from finding import Finding, not_here
from random_checkpoint import random_checkpoint, random_texts
from timing import timed

from memprune.config.evaluation import Evaluation
from memprune.devices.footprint import layer_bytes, working_bytes
from memprune.devices.placement import Placed, place
from memprune.evaluation.screened_scorer import tf32
from memprune.models.manifest import Manifest
from memprune.planning.operations import scoring_operations
from memprune.planning.sizes import ModelSize
from memprune.scoring.forced_pass import ignore, score_suffixes
from memprune.scoring.load_model import load_model

LENGTHS, SUFFIX = (50, 500), 50
TYPES = ("float32", "bfloat16", "float16", "tf32")


def check(settings: Settings) -> Iterator[Finding]:
    """Each type of the computation at a short and a long context; nothing of it is judged."""
    manifest = random_checkpoint(settings)
    for kind in TYPES:
        if kind == "tf32" and not settings.has_tf32:
            yield not_here(kind, "this device does not multiply in TF32")
            continue
        with tf32() if kind == "tf32" else nullcontext():
            yield from rates(manifest, kind, settings)


def rates(manifest: Manifest, kind: str, settings: Settings) -> Iterator[Finding]:
    """One type of the computation."""
    precision = "float32" if kind == "tf32" else kind
    product = product_rate(getattr(torch, precision), settings)
    asked = Evaluation(precision=precision, residency="resident", batch_tokens=settings.batch_tokens)
    longest, threads = max(LENGTHS) + SUFFIX, torch.get_num_threads()
    placed = place(load_model, manifest, (), settings.device, threads, asked.settings, longest)
    if settings.device == "cuda":
        torch.cuda.reset_peak_memory_stats()  # batches that were too large took more
    for k in LENGTHS:
        tokens, operations = scoring_rates(manifest, placed, k, settings)
        yield Finding(
            f"{kind}, k = {k}",
            f"Pythia-{settings.shape}'s shape: {tokens:,.0f} tokens/s, {operations / 1e12:.3g} TFLOP/s, "
            f"{100 * operations / product:.0f} % of a product's {product / 1e12:.3g}; "
            f"{memory(manifest, placed, settings)}",
            "not judged",
            True,
        )


def product_rate(dtype: torch.dtype, settings: Settings) -> float:
    """Operations a second of a product of two square matrices."""
    size = settings.square
    square = torch.randn(size, size, device=settings.device).to(dtype)
    return 2 * size**3 / timed(lambda: square @ square, settings)[1]


def scoring_rates(manifest: Manifest, placed: Placed, k: int, settings: Settings) -> tuple[float, float]:
    """Tokens and operations a second of one full batch of texts."""
    length = k + SUFFIX
    texts = random_texts(manifest, max(1, placed.batch_tokens // length), length)
    work = partial(score_suffixes, placed.model, texts, [k], SUFFIX)
    _, seconds = timed(lambda: placed.within_memory(work, length, ignore), settings)
    operations = scoring_operations(ModelSize(manifest.architecture, 0), length, SUFFIX)
    return texts.size / seconds, len(texts) * operations / seconds


def memory(manifest: Manifest, placed: Placed, settings: Settings) -> str:
    """The tokens of a batch, the peak of the device's memory so far, and what the plan foresees, in words."""
    itemsize, batch = placed.model.dtype.itemsize, placed.batch_tokens
    weights = sum(layer_bytes(manifest.architecture, itemsize))
    planned = weights + working_bytes(manifest.architecture, batch, itemsize)
    told = f"batches of {batch} tokens, planned {planned / 1e9:.2f} GB"
    if settings.device == "cpu":
        return told
    return f"{told}, peak {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"
