"""Values, the changes that give tensors new weights: their bits in the checkpoint's dtype.

Of each changed tensor the file has a vector of unsigned integers of its dtype's size, the bits of the flat
tensor as stored.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from memprune.errors import UserError
from memprune.models.weights import BITS, Tensor, read, read_header
from memprune.variants.steps import Step

REPLACES = True  # what was there before


def step(path: Path, tensor: Tensor, name: str) -> Step:
    """What puts the new weights into a slice of a tensor's bits. Raises UserError for a damaged file."""
    kind, stored = np.dtype(BITS[tensor.dtype]), read_header(path).get(name)
    if stored is None or (stored.dtype, stored.size) != (f"U{8 * kind.itemsize}", tensor.size):
        found = "none" if stored is None else f"{stored.size} of {stored.dtype}"
        raise UserError(f"{path}: {name}: found {found}, expected {tensor.size} of {kind}")
    values = replace(stored, dtype=tensor.dtype)
    return lambda part, bits: read(values, part, bits)
