"""How a pass is cut and run does not decide what is memorized, but for near ties, which the metric counts."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from memprune.metrics import extracted, matched, near_tie
from memprune.metrics.score_files import Rows
from memprune.models.resolve_model import resolve_model
from memprune.scoring.continuations import continue_suffixes
from memprune.scoring.evidence import Evidence
from memprune.scoring.forced_pass import score_suffixes
from memprune.scoring.variant_model import load_variant

TRAINED = Path(__file__).parents[1] / "resources/tiny-pythia/tiny-pythia-1.2m"
CONTEXT, SUFFIX, ROWS, VOCABULARY = 20, 30, 100, 2048
# Batches, threads, rows at a time (a shard's) and tokens for which a streamed model's weights are read once.
USUAL = {"batch_tokens": 4096, "threads": 1, "shard_rows": ROWS, "block_tokens": 0}
OTHERS = {
    "smaller batches": {"batch_tokens": 7 * (CONTEXT + SUFFIX)},
    "one text a batch": {"batch_tokens": 1},
    "two threads": {"threads": 2},
    "smaller shards": {"shard_rows": 13},
    "streamed": {"block_tokens": 2000},
    "all of it": {"batch_tokens": 999, "threads": 2, "shard_rows": 33, "block_tokens": 5000},
}


def scored(texts: np.ndarray, dtype: str, **changed: int) -> Evidence:
    """The evidence on the last tokens of texts, with settings other than the usual ones."""
    settings = USUAL | changed
    before = torch.get_num_threads()
    torch.set_num_threads(settings["threads"])
    try:
        manifest, device = resolve_model("trained", TRAINED), torch.device("cpu")
        model = load_variant(manifest, (), getattr(torch, dtype), device, settings["block_tokens"])
        firsts = range(0, len(texts), size := settings["shard_rows"])
        parts = [
            score_suffixes(model, texts[first : first + size], [CONTEXT], SUFFIX, settings["batch_tokens"])
            for first in firsts
        ]
    finally:
        torch.set_num_threads(before)
    return Evidence(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


@cache
def texts() -> np.ndarray:
    """Random tokens and what a trained model decodes after them, every other with one token changed."""
    chance = np.random.default_rng(0)
    found = chance.integers(1, VOCABULARY, (ROWS, CONTEXT + SUFFIX))
    model = load_variant(resolve_model("trained", TRAINED), (), torch.float32, torch.device("cpu"))
    found[:, CONTEXT:] = continue_suffixes(model, found, SUFFIX, USUAL["batch_tokens"])
    found[1::2, chance.integers(CONTEXT, CONTEXT + SUFFIX)] += 1
    return found % VOCABULARY


def rows(evidence: Evidence, dtype: str) -> Rows:
    return Rows(**vars(evidence), compute_dtype=np.repeat(dtype, len(evidence.rank)))


@cache
def usual(dtype: str) -> Evidence:
    return scored(texts(), dtype)


def test_the_same_settings_give_the_same_bits():
    for dtype in ("float32", "bfloat16"):
        again = scored(texts(), dtype)
        assert all(np.array_equal(getattr(again, name), getattr(usual(dtype), name)) for name in vars(again))


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_memorized_is_the_same_but_for_near_ties(dtype, other):
    one, two = usual(dtype), scored(texts(), dtype, **OTHERS[other])
    unlike = (matched.measure(one) != matched.measure(two)) | (
        extracted.measure(one) != extracted.measure(two)
    )
    counted = [near_tie.measure(rows(evidence, dtype)) for evidence in (one, two)]
    print(f"{dtype}, {other}: {unlike.sum()} of {ROWS} differ, {counted[0].sum()} near ties")
    assert 0 < extracted.measure(one).sum() < ROWS
    for near in counted:
        assert not (unlike & ~near).any()


def test_float32_is_told_from_half_precision_by_near_ties_alone():
    """Which half precision has many of, and float32 hardly any."""
    one = usual("float32")
    assert near_tie.measure(rows(one, "float32")).mean() < 0.02
    for dtype in ("bfloat16", "float16"):
        other = usual(dtype)
        unlike, near = matched.measure(one) != matched.measure(other), near_tie.measure(rows(other, dtype))
        print(f"{dtype}: {unlike.sum()} of {ROWS} differ from float32's, {near.sum()} near ties")
        assert unlike.any()
        assert not (unlike & ~near).any()
