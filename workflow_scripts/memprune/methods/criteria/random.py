"""The random criterion: the key of a weight is a random number of 32 bits, whatever the weight.

Numbers are those of the counter-based generator Philox (Salmon et al. 2011), with a key from the strategy's
seed and the matrix' name: a weight's number depends on these and its place, on no machine, thread or slice.
"""

import hashlib

import numpy as np
from numpy.random import Philox

from memprune.methods.asked import Asked
from memprune.methods.selection_engine import Keys
from memprune.models.manifest import Matrix

STEP = 8  # numbers of 32 bits for each value of the generator's counter: a slice begins at a multiple


def keys(asked: Asked) -> Keys:
    """The random keys of a seed; what goes at one level goes at all higher ones, too."""

    def of(matrix: Matrix, part: slice) -> np.ndarray:
        key = hashlib.sha256(f"{asked.settings['seed']} {matrix.name}".encode()).digest()[:16]
        generator = Philox(key=int.from_bytes(key, "little"), counter=part.start // STEP)
        count = part.stop - part.start
        return generator.random_raw((count + 1) // 2).astype("<u8", copy=False).view("<u4")[:count]

    return Keys(32, of, np.float64)
