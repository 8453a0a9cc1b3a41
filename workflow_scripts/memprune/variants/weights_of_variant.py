"""The weights of a variant: those of the checkpoint through its chain of changes, read in slices.

A later change acts on what the earlier ones have made. All that reads weights reads them here, so that a
method may stand after any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.models.weights import BITS, Tensor, new_buffer, read, read_tensors, slices
from memprune.variants import codes, factors, masks, new_values
from memprune.variants.changes import about_change
from memprune.variants.steps import Step

KINDS: Mapping[str, ModuleType] = {"mask": masks, "values": new_values, "codes": codes, "factors": factors}
OPEN = 8  # tensors whose changes are in memory at one time, at most: a few threads' each


@dataclass(frozen=True)
class Weights:
    """A variant's tensors by name; `steps` gives what makes the bits of a slice of one, in turn."""

    tensors: Mapping[str, Tensor]
    steps: Callable[[str], Sequence[Step]]

    def read(self, name: str, part: slice, buffer: np.ndarray) -> np.ndarray:
        """A slice of the flat tensor as unsigned integers of its bits, in the `buffer` (at least as many)."""
        bits = buffer.view(BITS[self.tensors[name].dtype])[: part.stop - part.start]
        for step in self.steps(name):
            step(part, bits)
        return bits

    def bits(self, name: str) -> np.ndarray:
        """All of a tensor as unsigned integers of its bits, in its shape as stored."""
        tensor = self.tensors[name]
        whole, buffer = np.empty(tensor.size, dtype=BITS[tensor.dtype]), new_buffer()
        for part in slices(tensor.size):
            whole[part] = self.read(name, part, buffer)
        return whole.reshape(tensor.shape)


def weights_of_variant(manifest: Manifest, changes: Sequence[Path]) -> Weights:
    """The weights of a model after a chain of changes, none for the dense model.

    Raises UserError for a change of other weights, or of tensors of other names or shapes.
    """
    tensors = read_tensors(manifest)
    abouts = [(path, about_change(path)) for path in changes]
    for path, about in abouts:
        if about.fingerprint != manifest.fingerprint:
            raise UserError(
                f"{path}: found a change of other weights ({about.fingerprint:.12}) than those of "
                f"{manifest.model} ({manifest.fingerprint:.12}); run again"
            )
        for name, shape in about.shapes.items():
            found = tensors[name].shape if name in tensors else None
            if found != shape:
                raise UserError(f"{path}: {name}: found a change of {shape}, the model has {found}")

    @lru_cache(OPEN)
    def steps(name: str) -> tuple[Step, ...]:
        tensor = tensors[name]
        chain: list[Step] = [lambda part, bits: read(tensor, part, bits)]
        for path, about in abouts:
            if name in about.shapes:
                kind = KINDS[about.kind]
                own = kind.step(path, tensor, name)
                chain = [own] if kind.REPLACES else [*chain, own]
        return tuple(chain)

    return Weights(tensors, steps)
