"""A variant's suffixes, screened: by a scorer in a fast type, and by one in float32."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from memprune.corpus.drawn import as_array, filling, read_drawn
from memprune.evaluation.columns import suffix_columns
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.screening import SETTLED, bound_from, calibrating_rows, screen
from memprune.evaluation.shards import passes
from memprune.evaluation.tasks import Advance, tokens_of_pass

if TYPE_CHECKING:
    from memprune.scoring.evidence import Evidence


class ScreenedScorer:
    """The suffixes of a variant in the type `fast`, bfloat16 or tf32, and where needed as `exact` has them.

    Both models stay in memory; TF32 is another way to multiply the numbers of one.
    """

    def __init__(self, exact: Scorer, fast: str) -> None:
        self.exact, self.fast = exact, fast
        self.quick = exact if fast == "tf32" else Scorer(exact.variant, exact.device, exact.threads, fast)

    def suffixes(self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Advance) -> pa.Table:
        """The evidence for rows of tokens, with what became of each row in `screened` and `compute_dtype`."""
        found = screen(
            tokens,
            self.bound,
            lambda rows: self.quickly(rows, context_lengths, advance),
            lambda rows: self.exact.evidence(rows, context_lengths, ignore),
        )
        dtypes = np.where(found.outcome == SETTLED, self.fast, self.exact.dtype)
        own = {"screened": pa.array(found.outcome), "compute_dtype": pa.array(dtypes.astype(object))}
        evidence = self.exact.told({**suffix_columns(found.evidence), **own})
        about = {"screened_in": self.fast, "bound": repr(self.bound)}
        return evidence.replace_schema_metadata({**evidence.schema.metadata, **about})

    @cached_property
    def bound(self) -> float:
        """How far the fast type's margins may be off, in logits: found on some of the variant's samples."""
        variant, spec = self.exact.variant, self.exact.variant.spec
        tokens = as_array(filling(read_drawn(variant.samples))["tokens"])
        tokens = tokens[calibrating_rows(tokens)]
        bounds = []
        for lengths in passes(spec["context_lengths"], spec["anchor"]):
            own = tokens_of_pass(tokens, lengths, spec["suffix"], spec["anchor"])
            bounds.append(
                bound_from(self.quickly(own, lengths, ignore), self.exact.evidence(own, lengths, ignore))
            )
        tqdm.write(f"screening: {self.fast} settles margins beyond {max(bounds):.3g} logits")
        return max(bounds)

    def quickly(self, tokens: np.ndarray, context_lengths: Sequence[int], advance: Advance) -> "Evidence":
        """The evidence in the fast type."""
        with tf32() if self.fast == "tf32" else nullcontext():
            return self.quick.evidence(tokens, context_lengths, advance)


@contextmanager
def tf32() -> Iterator[None]:
    """Let a GPU round the factors of products in float32 to TF32's 10 bits."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def ignore(tokens: int) -> None:
    """Tell nobody how many tokens were scored."""
