"""Which weights a chain of changes has removed: zeros that a later method must leave zero."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from memprune.models.manifest import Manifest
from memprune.variants.changes import About, about_change
from memprune.variants.floats import without_sign
from memprune.variants.weights_of_variant import Weights, weights_of_variant


def removed_weights(manifest: Manifest, changes: Sequence[Path]) -> dict[str, np.ndarray]:
    """The weights that changes have removed and that are zero since, of matrices with any: bool, as stored.

    They are the zeros after the last change that removed weights of a matrix, as far as they are zero now. A
    weight that was rounded to zero by few bits alone is not among them.
    """
    abouts = [about_change(path) for path in changes]

    @cache
    def after(count: int) -> Weights:
        return weights_of_variant(manifest, changes[:count])

    def zeros(name: str, count: int) -> np.ndarray:
        return without_sign(after(count).bits(name)) == 0

    found = {}
    for matrix in manifest.matrices:
        pruning = [
            n for n, about in enumerate(abouts, start=1) if removes(about, matrix.name, matrix.weights)
        ]
        if pruning:
            found[matrix.name] = zeros(matrix.name, pruning[-1]) & zeros(matrix.name, len(changes))
    return found


def removes(about: About, name: str, weights: int) -> bool:
    """Whether a change leaves weights of a tensor out as zeros, its own or earlier ones'."""
    return about.kind in ("mask", "values") and about.remaining.get(name, weights) < weights
