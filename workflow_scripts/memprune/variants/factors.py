"""Factors, the changes that give matrices low-rank weights: left × right.

Of each matrix NAME, rows × columns as stored, the file has NAME.left (rows × rank) and NAME.right (rank ×
columns), unsigned integers of their numbers' bits in the checkpoint's dtype. The product is computed in
float32 and rounded to that dtype.
"""

from pathlib import Path

import numpy as np
from safetensors import safe_open

from memprune.models.weights import Tensor
from memprune.variants.floats import to_bits, to_float32
from memprune.variants.steps import Step

REPLACES = True  # what was there before


def step(path: Path, tensor: Tensor, name: str) -> Step:
    """What puts the low-rank weights into a slice of a tensor's bits."""
    with safe_open(path, framework="numpy") as file:
        left, right = (
            to_float32(file.get_tensor(f"{name}.{side}"), tensor.dtype) for side in ("left", "right")
        )
    columns = tensor.shape[1]

    def put(part: slice, out: np.ndarray) -> None:
        first, end = part.start // columns, -(-part.stop // columns)
        rows = (left[first:end] @ right).ravel()
        out[...] = to_bits(rows[part.start - first * columns : part.stop - first * columns], tensor.dtype)

    return put
