"""The magnitude criterion: the key of a weight is |weight| as its bits say it.

A float's magnitude orders as the integer of its bits without the sign: 15 bits, or 31 of float32.
"""

from threading import local

import numpy as np

from memprune.errors import UserError
from memprune.models.manifest import Manifest, Matrix
from memprune.models.weights import BYTES, EXPONENT, new_buffer, read, read_tensors
from memprune.variants.regions import Region
from memprune.variants.selection_engine import Keys, histograms


def keys(manifest: Manifest, seed: int | None) -> Keys:
    """The magnitudes of a model's weights, read from its files; no seed changes them."""
    tensors, own = read_tensors(manifest), local()

    def of(matrix: Matrix, part: slice) -> np.ndarray:
        if not hasattr(own, "buffer"):
            own.buffer = new_buffer()
        bits = read(tensors[matrix.name], part, own.buffer)
        return np.bitwise_and(bits, np.iinfo(bits.dtype).max >> 1, out=bits)

    return Keys(8 * BYTES[manifest.dtype] - 1, of)


def count(manifest: Manifest, threads: int) -> dict[str, np.ndarray]:
    """The histogram of (the upper 16 bits of) the magnitudes of every prunable matrix, int64.

    Raises UserError when a matrix has a weight that is not finite.
    """
    magnitudes = keys(manifest, None)
    regions = [Region(matrix) for matrix in manifest.matrices]
    infinite = EXPONENT[manifest.dtype] >> magnitudes.low_bits  # the first bin not finite
    counted = {}
    for matrix, counts in zip(manifest.matrices, histograms(regions, magnitudes, threads), strict=True):
        if counts[infinite:].any():
            raise UserError(
                f"models.{manifest.model}: {matrix.name} has weights that are infinite or not a number; "
                "expected finite weights"
            )
        counted[matrix.name] = counts
    return counted
