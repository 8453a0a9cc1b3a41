"""A pruned model, ready to score shards: loaded only when the store lacks one, since it needs torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from memprune.devices.batch_size import find_batch_tokens, is_out_of_memory, remember, within_memory
from memprune.devices.choice import choose_device, name_of
from memprune.devices.footprint import BATCH_TOKENS
from memprune.devices.residency import choose_block_tokens, free_on_gpu
from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.scoring.forced_pass import score_memorization, score_perplexity
from memprune.scoring.pruned_model import PrunedModel, load_pruned

Advance = Callable[[int], object]


@dataclass
class Scorer:
    """A model and how it is used; `batch_tokens` become fewer when the device's memory ends.

    `kind` is what they are remembered by, None where they were given.
    """

    model: PrunedModel
    suffix: int
    batch_tokens: int
    kind: Mapping | None
    about: Mapping[str, str]

    @property
    def how(self) -> dict[str, str]:
        """How the last shard was scored, in words, to be kept with its scores."""
        return {**self.about, "batch_tokens": str(self.batch_tokens)}

    def memorization(
        self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Advance
    ) -> dict[str, np.ndarray]:
        """The columns of `score_memorization` for rows of tokens."""
        return self.score(
            lambda *how: score_memorization(self.model, tokens, context_lengths, self.suffix, *how),
            tokens.shape[1],
            advance,
        )

    def perplexity(
        self, tokens: list[np.ndarray], scored: np.ndarray, advance: Advance
    ) -> dict[str, np.ndarray]:
        """The column `nll` of `score_perplexity` for windows of tokens."""
        return self.score(
            lambda *how: {"nll": score_perplexity(self.model, tokens, scored, *how)},
            max(map(len, tokens)),
            advance,
        )

    def score(self, score: Callable, longest: int, advance: Advance) -> dict[str, np.ndarray]:
        """What `score(batch_tokens, advance)` gives for one shard, in smaller batches if these do not fit."""
        done = 0

        def attempt(batch_tokens: int) -> dict[str, np.ndarray]:
            nonlocal done
            advance(-done)  # of an attempt that failed
            done = 0
            return score(batch_tokens, count)

        def count(tokens: int) -> None:
            nonlocal done
            done += tokens
            advance(tokens)

        scores, fitted = within_memory(attempt, self.batch_tokens, longest)
        if fitted != self.batch_tokens and self.kind is not None:
            remember(self.kind, fitted)
        self.batch_tokens = fitted
        return scores


def load_scorer(
    manifest: Manifest, mask: Path | None, device: str, threads: int, spec: dict, longest: int
) -> Scorer:
    """Load a model with its mask on a device (`cpu` or `cuda`); `spec` has the settings of `evaluation`.

    `longest` is the length of the longest text that is to be scored, in tokens. Raises UserError when the
    model does not fit the device.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    # Before the weights come: less where somebody else computes.
    free = None if device == "cpu" else free_on_gpu(place)
    model = load_model(manifest, mask, place, spec)
    about = {
        "weights_dtype": manifest.dtype,
        "compute_dtype": spec["dtype"],
        "device": name_of(place),
        "residency": "streamed" if model.block_tokens else "resident",
    }
    given = spec["batch_tokens"] or (BATCH_TOKENS if device == "cpu" else None)
    if given:
        return Scorer(model, spec["suffix"], given, None, about)
    kind = {
        "architecture": asdict(manifest.architecture),
        "vocabulary": manifest.vocabulary,
        **about,
        "free GiB": int(free // 2**30),
        "longest": longest,
    }
    return Scorer(model, spec["suffix"], find_batch_tokens(kind, model, longest), kind, about)


def load_model(manifest: Manifest, mask: Path | None, device: torch.device, spec: dict) -> PrunedModel:
    """The model, resident or streamed as `spec` says; with `auto` also streamed when the device fills up."""
    dtype = getattr(torch, spec["dtype"])
    load = partial(load_pruned, manifest, mask, dtype, device)
    try:
        return load(choose_block_tokens(manifest, dtype, device, spec))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    if spec["residency"] != "auto":
        raise UserError(
            "evaluation.residency: found resident, but the weights do not fit the device; "
            "allowed: auto, streamed; or try dtype: bfloat16"
        )
    print("residency: the weights do not fit the device after all, so they are streamed", flush=True)
    return load(choose_block_tokens(manifest, dtype, device, {**spec, "residency": "streamed"}))
