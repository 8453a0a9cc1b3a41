"""The Wanda criterion: |weight| · ‖its input over calibration text‖₂ (Sun et al. 2024, equation 1).

It is computed in float32; a number that is not negative orders as the integer of its bits does: 31 bits.
"""

from threading import local

import numpy as np

from memprune.methods.activations import read_activations
from memprune.methods.asked import Asked
from memprune.methods.selection_engine import Keys
from memprune.models.layout import layout_of
from memprune.models.manifest import Matrix
from memprune.models.weights import new_buffer
from memprune.variants.floats import magnitudes_to_float32, without_sign
from memprune.variants.weights_of_variant import weights_of_variant


def keys(asked: Asked) -> Keys:
    """The scores of a variant's weights by the activations that were gathered of it."""
    manifest, own = asked.manifest, local()
    weights = weights_of_variant(manifest, asked.before)
    norms = {name: np.sqrt(sums) for name, sums in read_activations(asked.inputs["activations"]).items()}
    axis = 0 if layout_of(manifest.architecture).input_first else 1  # along which the inputs lie

    def of(matrix: Matrix, part: slice) -> np.ndarray:
        columns = matrix.shape[1]
        first, end = part.start // columns, -(-part.stop // columns)
        start, room = part.start - first * columns, (end - first) * columns
        if not hasattr(own, "scores") or len(own.scores) < room:
            own.scores = np.zeros(room, dtype=np.float32)  # whole rows, of which the slice may be a part
            own.buffer = new_buffer()
        scores = own.scores[start : start + part.stop - part.start]
        bits = without_sign(weights.read(matrix.name, part, own.buffer))
        magnitudes_to_float32(bits, manifest.dtype, scores)
        rows = own.scores[:room].reshape(-1, columns)
        factors = norms[matrix.name]
        rows *= factors[None, :] if axis else factors[first:end, None]
        return scores.view(np.uint32)

    return Keys(31, of, lambda keys: keys.view(np.float32))
