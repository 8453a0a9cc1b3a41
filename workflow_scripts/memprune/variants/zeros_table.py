"""The table of a variant's zeros: what its changes have removed of each prunable matrix."""

from collections.abc import Sequence
from pathlib import Path

from memprune.models.manifest import Manifest
from memprune.variants.changes import about_change
from memprune.variants.masks import read_bits


def zeros_table(manifest: Manifest, changes: Sequence[Path]) -> list[dict]:
    """Zeros of every prunable matrix of the model after a chain of changes; of a mask its bits are recounted.

    Rows of matrix, role, layer, weights, zeros, sparsity (zeros / weights). Matrices of which nothing was
    removed have none; of low-rank ones it is what their factors have less.
    """
    remaining: dict[str, int] = {}
    for change in changes:
        about = about_change(change)
        if about.kind == "mask":
            for name in about.shapes:
                read_bits(change, name)
        remaining |= about.remaining
    rows = []
    for m in manifest.matrices:
        zeros = m.weights - remaining.get(m.name, m.weights)
        row = {"matrix": m.name, "role": m.role, "layer": m.layer, "weights": m.weights, "zeros": zeros}
        rows.append({**row, "sparsity": zeros / m.weights})
    return rows
