"""A pruned model, ready to score shards: loaded only when the store lacks one, since it needs torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from memprune.device import choose_device, name_of
from memprune.manifest import Manifest
from memprune.pruned_model import PrunedModel, load_pruned
from memprune.residency import choose_block_tokens
from memprune.scoring import score_memorization, score_perplexity


@dataclass(frozen=True)
class Scorer:
    """A model and how it is used; `how` tells that in words, to be kept with the scores."""

    model: PrunedModel
    suffix: int
    batch_tokens: int
    how: dict[str, str]

    def memorization(
        self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Callable[[int], object]
    ) -> dict[str, np.ndarray]:
        """The columns of `score_memorization` for rows of tokens."""
        return score_memorization(
            self.model, tokens, context_lengths, self.suffix, self.batch_tokens, advance
        )

    def perplexity(
        self, tokens: list[np.ndarray], scored: np.ndarray, advance: Callable[[int], object]
    ) -> dict[str, np.ndarray]:
        """The column `nll` of `score_perplexity` for windows of tokens."""
        return {"nll": score_perplexity(self.model, tokens, scored, self.batch_tokens, advance)}


def load_scorer(manifest: Manifest, mask: Path | None, device: str, threads: int, spec: dict) -> Scorer:
    """Load a model with its mask on a device (`cpu` or `cuda`); `spec` has the settings of `evaluation`."""
    torch.set_num_threads(threads)
    place, dtype = choose_device(device), getattr(torch, spec["dtype"])
    block_tokens = choose_block_tokens(manifest, dtype, place, spec)
    how = {
        "weights_dtype": manifest.dtype,
        "compute_dtype": spec["dtype"],
        "device": name_of(place),
        "batch_tokens": str(spec["batch_tokens"]),
        "residency": "streamed" if block_tokens else "resident",
    }
    model = load_pruned(manifest, mask, dtype, place, block_tokens)
    return Scorer(model, spec["suffix"], spec["batch_tokens"], how)
