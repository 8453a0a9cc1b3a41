"""A pruned model, ready to score shards: loaded only when the store lacks one, since it needs torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from memprune.manifest import Manifest
from memprune.pruned_model import choose_device, load_pruned, name_of
from memprune.scoring import score_memorization, score_perplexity


@dataclass(frozen=True)
class Scorer:
    """A model and how it is used; `how` tells that in words, to be kept with the scores."""

    model: PreTrainedModel
    suffix: int
    batch_tokens: int
    how: dict[str, str]

    def memorization(
        self, tokens: np.ndarray, context_length: int, advance: Callable[[int], object]
    ) -> dict[str, np.ndarray]:
        """The columns of `score_memorization` for rows of tokens."""
        return score_memorization(self.model, tokens, context_length, self.suffix, self.batch_tokens, advance)

    def perplexity(
        self, tokens: list[np.ndarray], scored: np.ndarray, advance: Callable[[int], object]
    ) -> dict[str, np.ndarray]:
        """The column `nll` of `score_perplexity` for windows of tokens."""
        return {"nll": score_perplexity(self.model, tokens, scored, self.batch_tokens, advance)}


def load_scorer(manifest: Manifest, mask: Path | None, device: str, threads: int, spec: dict) -> Scorer:
    """Load a model with its mask on a device (`cpu` or `cuda`); `spec` has dtype, suffix and batch_tokens."""
    torch.set_num_threads(threads)
    model = load_pruned(manifest.folder, mask, spec["dtype"], choose_device(device))
    how = {
        "weights_dtype": manifest.dtype,
        "compute_dtype": spec["dtype"],
        "device": name_of(model.device),
        "batch_tokens": str(spec["batch_tokens"]),
    }
    return Scorer(model, spec["suffix"], spec["batch_tokens"], how)
