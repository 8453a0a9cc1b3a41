"""Factors, the changes that give matrices low-rank weights: left × right.

Of each matrix NAME, rows × columns as stored, the file has NAME.left (rows × rank) and NAME.right (rank ×
columns), unsigned integers of their numbers' bits in the checkpoint's dtype. The product is computed in
float32 and rounded to that dtype.
"""

from pathlib import Path

import numpy as np

from memprune.disk import readable
from memprune.models.weights import BITS, Tensor
from memprune.variants.changes import about_change, read_tensor
from memprune.variants.floats import to_bits, to_float32
from memprune.variants.steps import Step

REPLACES = True  # what was there before


def step(path: Path, tensor: Tensor, name: str) -> Step:
    """What puts the low-rank weights into a slice of a tensor's bits. Raises UserError for a damaged file."""
    rows, columns = tensor.shape
    bits = BITS[tensor.dtype]
    with readable(path):
        rank = about_change(path).remaining[name] // (rows + columns)
    left, right = (
        to_float32(read_tensor(path, f"{name}.{side}", bits, shape), tensor.dtype)
        for side, shape in (("left", (rows, rank)), ("right", (rank, columns)))
    )

    def put(part: slice, out: np.ndarray) -> None:
        first, end = part.start // columns, -(-part.stop // columns)
        rows = (left[first:end] @ right).ravel()
        out[...] = to_bits(rows[part.start - first * columns : part.stop - first * columns], tensor.dtype)

    return put
