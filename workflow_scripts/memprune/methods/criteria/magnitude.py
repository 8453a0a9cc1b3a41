"""The magnitude criterion: the key of a weight is |weight| as its bits say it.

A float's magnitude orders as the integer of its bits without the sign: 15 bits, or 31 of float32.
"""

from threading import local

import numpy as np

from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.methods.selection_engine import Keys, histograms
from memprune.models.manifest import Manifest, Matrix
from memprune.models.weights import BYTES, EXPONENT, new_buffer
from memprune.variants.changes import load_tensors
from memprune.variants.floats import to_float32, without_sign
from memprune.variants.regions import Region
from memprune.variants.weights_of_variant import Weights, weights_of_variant


def keys(asked: Asked) -> Keys:
    """The magnitudes of a variant's weights; of the dense model they are counted beforehand."""
    counted = load_tensors(asked.inputs["magnitudes"]) if "magnitudes" in asked.inputs else {}
    return magnitudes(asked.manifest, weights_of_variant(asked.manifest, asked.before), counted)


def magnitudes(manifest: Manifest, weights: Weights, counted: dict[str, np.ndarray]) -> Keys:
    """The magnitudes of weights, read from their files."""
    own = local()

    def of(matrix: Matrix, part: slice) -> np.ndarray:
        if not hasattr(own, "buffer"):
            own.buffer = new_buffer()
        return without_sign(weights.read(matrix.name, part, own.buffer))

    return Keys(8 * BYTES[manifest.dtype] - 1, of, lambda bits: to_float32(bits, manifest.dtype), counted)


def count(manifest: Manifest, threads: int) -> dict[str, np.ndarray]:
    """The histogram of (the upper 16 bits of) the magnitudes of every prunable matrix, int64.

    Raises UserError when a matrix has a weight that is not finite.
    """
    keys = magnitudes(manifest, weights_of_variant(manifest, ()), {})
    regions = [Region(matrix) for matrix in manifest.matrices]
    infinite = EXPONENT[manifest.dtype] >> keys.low_bits  # the first bin not finite
    counted = {}
    for matrix, counts in zip(manifest.matrices, histograms(regions, keys, threads), strict=True):
        if counts[infinite:].any():
            raise UserError(
                f"models.{manifest.model}: {matrix.name} has weights that are infinite or not a number; "
                "expected finite weights"
            )
        counted[matrix.name] = counts
    return counted
