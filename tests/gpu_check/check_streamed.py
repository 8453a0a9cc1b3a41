"""Streamed weights: the same bits as resident ones, from pinned memory, and how fast."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from check_settings import Settings
from finding import Finding, not_here
from random_checkpoint import random_checkpoint, random_texts
from timing import timed
from tiny_models import ALLOWED

from memprune.models.manifest import Manifest
from memprune.scoring.evidence import Evidence
from memprune.scoring.forced_pass import score_suffixes
from memprune.scoring.read_tensor import buffer_for
from memprune.scoring.variant_model import load_variant

WINDOW, SUFFIX, BATCH_TOKENS = 550, 50, 8192
COPIED = 2**28  # bytes


def check(settings: Settings) -> Iterator[Finding]:
    """Each dtype, and copies to the device."""
    manifest = random_checkpoint(settings)
    for dtype in ALLOWED:
        yield compare(manifest, dtype, settings)
    if settings.device == "cpu":
        yield not_here("copies", "there is no device to copy to")
        return
    pinned, pageable = (copy_rate(pinned, settings) for pinned in (True, False))
    yield Finding(
        "copies",
        f"to the device {pinned / 1e9:.1f} GB/s from pinned memory, {pageable / 1e9:.1f} GB/s from other",
        "not judged",
        True,
    )


def compare(manifest: Manifest, dtype: str, settings: Settings) -> Finding:
    """The same texts by a resident and by a streamed model, through whose layers they go as one block."""
    device, texts = torch.device(settings.device), random_texts(manifest, settings.texts, WINDOW)
    evidence, rates = [], []
    for block_tokens in (0, texts.size):
        model = load_variant(manifest, (), getattr(torch, dtype), device, block_tokens)
        score = partial(score_suffixes, model, texts, [WINDOW - SUFFIX], SUFFIX, BATCH_TOKENS)
        found, seconds = timed(score, settings)
        evidence.append(found)
        rates.append(texts.size / seconds)
        del model, score  # before the next one comes
    same = equal(*evidence)
    pinned = torch.from_numpy(buffer_for(device)).is_pinned()
    return Finding(
        dtype,
        f"{'the same bits' if same else 'other bits'}, through {'pinned' if pinned else 'other'} memory; "
        f"Pythia-{settings.shape}'s shape, k = {WINDOW - SUFFIX}: {rates[1]:,.0f} tokens/s streamed, "
        f"{rates[0]:,.0f} resident ({100 * rates[1] / rates[0]:.0f} %)",
        "the same bits" + ("" if settings.device == "cpu" else ", pinned"),
        same and pinned == (settings.device == "cuda"),
    )


def equal(one: Evidence, other: Evidence) -> bool:
    """Whether two pieces of evidence are the same to the bit."""
    return all(np.array_equal(values, getattr(other, name)) for name, values in vars(one).items())


def copy_rate(pinned: bool, settings: Settings) -> float:
    """Bytes a second from the host's memory to the device."""
    host = torch.ones(COPIED, dtype=torch.uint8, pin_memory=pinned)
    device = torch.empty(COPIED, dtype=torch.uint8, device=settings.device)
    return COPIED / timed(lambda: device.copy_(host), settings)[1]
