"""A variant, ready to score shards: its model is loaded when the first one is scored, for it needs torch."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from memprune.devices import gpus
from memprune.devices.footprint import device_bytes
from memprune.errors import UserError
from memprune.evaluation.columns import suffix_columns, window_columns
from memprune.evaluation.tasks import Advance
from memprune.evaluation.variant import Variant

if TYPE_CHECKING:
    from memprune.devices.placement import Placed
    from memprune.scoring.evidence import Evidence


class Scorer:
    """A variant on a class of device, `cpu` or `cuda`; nothing is loaded before something is scored.

    It computes in `dtype`; None: in that of the variant's settings.
    """

    def __init__(self, variant: Variant, device: str, threads: int, dtype: str | None = None) -> None:
        self.variant, self.device, self.threads = variant, device, threads
        self.dtype = dtype or variant.spec["dtype"]

    @cached_property
    def placed(self) -> "Placed":
        """The variant's model in its place."""
        from memprune.devices.placement import place
        from memprune.scoring.load_model import load_model

        variant = self.variant
        if self.device == "cuda":
            gpus.lease(device_bytes(variant.manifest.architecture, variant.spec))
        spec = {**variant.spec, "dtype": self.dtype}
        longest = max(variant.sample_length, variant.longest_window)
        return place(load_model, variant.manifest, variant.changes, self.device, self.threads, spec, longest)

    def told(self, columns: Mapping[str, pa.Array]) -> pa.Table:
        """Columns that were just scored as a table whose metadata says how that was done, in words."""
        return pa.table(columns).replace_schema_metadata(self.placed.how)

    def evidence(self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Advance) -> "Evidence":
        """What `score_suffixes` gives for rows of tokens."""
        from memprune.scoring.forced_pass import score_suffixes

        suffix = self.variant.spec["suffix"]
        score = partial(score_suffixes, self.placed.model, tokens, context_lengths, suffix)
        return self.placed.within_memory(score, tokens.shape[1], advance)

    def suffixes(self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Advance) -> pa.Table:
        """The same as a table."""
        return self.told(suffix_columns(self.evidence(tokens, context_lengths, advance)))

    def windows(self, tokens: list[np.ndarray], scored: np.ndarray, advance: Advance) -> pa.Table:
        """What `score_windows` gives for windows of tokens."""
        from memprune.scoring.forced_pass import score_windows

        score = partial(score_windows, self.placed.model, tokens, scored)
        return self.told(window_columns(self.placed.within_memory(score, max(map(len, tokens)), advance)))


def cannot_score(*_: object) -> pa.Table:
    """What scores nothing, where all shards should be stored."""
    raise UserError("scored by a part, but no longer in the store; score it again: --forcerun score_shards")
