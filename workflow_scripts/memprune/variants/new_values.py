"""Values, the changes that give tensors new weights: their bits in the checkpoint's dtype.

Of each changed tensor the file has a vector of unsigned integers of its dtype's size, the bits of the flat
tensor as stored.
"""

from pathlib import Path

import numpy as np

from memprune.models.weights import BITS, Tensor, read_headers
from memprune.variants.steps import Step

REPLACES = True  # what was there before


def step(path: Path, tensor: Tensor, name: str) -> Step:
    """What puts the new weights into a slice of a tensor's bits."""
    stored = read_headers([path])[name]
    itemsize = np.dtype(BITS[tensor.dtype]).itemsize
    assert stored.size == tensor.size, (stored, tensor)

    def put(part: slice, bits: np.ndarray) -> None:
        with path.open("rb", buffering=0) as file:
            file.seek(stored.offset + part.start * itemsize)
            assert file.readinto(bits) == bits.nbytes, (path, name, part)

    return put
