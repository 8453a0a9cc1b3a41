"""The sensitivity criterion: what weights do for samples that are to be forgotten, less what for other text.

To first order, a loss changes by W · ∂loss/∂W when a weight W is removed (Molchanov et al. 2017, "Pruning
convolutional neural networks for resource efficient inference"; as |W · ∂loss/∂W| for single weights, SNIP,
Lee et al. 2019). The score of a weight is |W · ∂L/∂W| of the samples minus `others` times that of other text,
in float32, and the weights of the highest scores go.
"""

from threading import local

import numpy as np

from memprune.methods.asked import Asked
from memprune.methods.selection_engine import Keys
from memprune.models.manifest import Matrix
from memprune.models.weights import new_buffer, read, read_headers
from memprune.variants.floats import to_float32
from memprune.variants.weights_of_variant import weights_of_variant

NAMES = ("weights", "fitted", "others")


def keys(asked: Asked) -> Keys:
    """The scores' places in their descending order; weights that are zero go first.

    These have been removed before, so a level counts them, or it does no harm to remove them.
    """
    weights = weights_of_variant(asked.manifest, asked.before)
    gradients = read_headers([asked.inputs["gradients"]])
    share, own = np.float32(asked.settings["others"]), local()

    def of(matrix: Matrix, part: slice) -> np.ndarray:
        if not hasattr(own, "buffers"):
            own.buffers = {name: new_buffer() for name in NAMES}
        bits = weights.read(matrix.name, part, own.buffers["weights"])
        numbers = to_float32(bits, weights.tensors[matrix.name].dtype)

        def change(kind: str) -> np.ndarray:
            gradient = read(gradients[f"{matrix.name}.{kind}"], part, own.buffers[kind])
            return np.abs(numbers * gradient.view(np.float32))

        return np.where(numbers == 0, np.uint32(0), descending(change("fitted") - share * change("others")))

    return Keys(32, of, losses)


def descending(scores: np.ndarray) -> np.ndarray:
    """Integers (uint32) in the descending order of float32 numbers: the highest has the lowest.

    A float's bits order as integers where it is positive, and in reverse where it is negative.
    """
    bits = scores.view(np.uint32)
    return np.where(bits >> 31, bits, bits ^ np.uint32(0x7FFFFFFF))


def losses(keys: np.ndarray) -> np.ndarray:
    """The negatives of the scores that keys stand for, float32: the lowest go. Of weights that are zero 0."""
    bits = np.where(keys >> 31, keys, keys ^ np.uint32(0x7FFFFFFF))
    return np.where(keys == 0, np.float32(0), -bits.view(np.float32))
