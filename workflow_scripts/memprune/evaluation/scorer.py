"""A variant, ready to score shards: its model is loaded when the first one is scored, for it needs torch."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from memprune.devices import gpus
from memprune.devices.footprint import device_bytes
from memprune.errors import UserError
from memprune.evaluation.columns import suffix_columns, window_columns
from memprune.evaluation.tasks import Advance, Columns
from memprune.evaluation.variant import Variant

if TYPE_CHECKING:
    from memprune.devices.placement import Placed


class Scorer:
    """A variant on a class of device, `cpu` or `cuda`; nothing is loaded before something is scored."""

    def __init__(self, variant: Variant, device: str, threads: int) -> None:
        self.variant, self.device, self.threads = variant, device, threads

    @cached_property
    def placed(self) -> "Placed":
        """The variant's model in its place."""
        from memprune.devices.placement import place

        variant = self.variant
        if self.device == "cuda":
            gpus.lease(device_bytes(variant.manifest.architecture, variant.spec))
        longest = max(variant.sample_length, variant.longest_window)
        return place(variant.manifest, variant.changes, self.device, self.threads, variant.spec, longest)

    def how(self) -> Mapping[str, str]:
        """How the last shard was scored, in words, to be kept with its evidence."""
        return self.placed.how

    def suffixes(self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Advance) -> Columns:
        """The columns of `score_suffixes` for rows of tokens."""
        from memprune.scoring.forced_pass import score_suffixes

        score = partial(
            score_suffixes, self.placed.model, tokens, context_lengths, self.variant.spec["suffix"]
        )
        return suffix_columns(self.placed.within_memory(score, tokens.shape[1], advance))

    def windows(self, tokens: list[np.ndarray], scored: np.ndarray, advance: Advance) -> Columns:
        """The column of `score_windows` for windows of tokens."""
        from memprune.scoring.forced_pass import score_windows

        score = partial(score_windows, self.placed.model, tokens, scored)
        return window_columns(self.placed.within_memory(score, max(map(len, tokens)), advance))


def cannot_score(*_: object) -> Columns:
    """What scores nothing, where all shards should be stored."""
    raise UserError("scored by a part, but no longer in the store; score it again: --forcerun score_shards")
