"""Batches where the memory of a device really ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from check_settings import Settings
from finding import Finding, not_here
from tiny_models import tiny_model
from torch.nn import functional

from memprune.config.evaluation import Evaluation
from memprune.devices.batch_size import LARGEST
from memprune.devices.placement import place
from memprune.models.manifest import Manifest
from memprune.models.resolve_model import resolve_model
from memprune.scoring.forced_pass import ignore, score_suffixes
from memprune.scoring.load_model import load_model

LENGTH, SUFFIX, TEXTS = 100, 20, 700
MEMORY, ALLOWED = 40 * 2**20, 1e-4


def check(settings: Settings) -> Iterator[Finding]:
    """A batch's size is found in little memory, and what it gives is what a CPU gives."""
    if settings.device == "cpu":
        yield not_here("", "a CPU has no memory of its own")
        return
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float32", settings.folder / "batches"))
    with limited(MEMORY):
        found, batch_tokens = score(manifest, "cuda")
    expected, _ = score(manifest, "cpu")
    deviation = float(np.abs(found - expected).max())
    yield Finding(
        "",
        f"{batch_tokens} tokens in {MEMORY >> 20} MiB; log-probabilities within {deviation:.1e} of a CPU's",
        f"fewer than {LARGEST} tokens, {ALLOWED:.0e}",
        batch_tokens < LARGEST and deviation <= ALLOWED,
    )


def score(manifest: Manifest, device: str) -> tuple[np.ndarray, int]:
    """The log-probabilities of some random texts, and the tokens of a batch that fitted at the end."""
    samples = np.random.default_rng(0).integers(1, manifest.vocabulary, (TEXTS, LENGTH), dtype=np.int32)
    placed = place(load_model, manifest, (), device, torch.get_num_threads(), Evaluation().settings, LENGTH)
    work = partial(score_suffixes, placed.model, samples, [LENGTH - SUFFIX], SUFFIX)
    return placed.within_memory(work, LENGTH, ignore).log_probability, placed.batch_tokens


@contextmanager
def limited(more: int) -> Iterator[None]:
    """Let this process have so many bytes on the GPU beside what it has."""
    row = torch.ones(1, 16, device="cuda")
    functional.linear(row, row.expand(16, 16), row[0])  # its libraries have their room from now on
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + more) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
