"""Compute masks: a criterion ranks the weights, a strategy's selection says where the sparsity holds."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from memprune.manifest import Manifest
from memprune.masks import read_mask
from memprune.scope import Selection, group_matrices, matrices_in_scope


def compute_mask(
    manifest: Manifest,
    statistics: dict[str, np.ndarray],
    selection: Selection,
    level: float,
    strategy: str,
) -> dict[str, np.ndarray]:
    """The bit-packed mask of every matrix in scope: exactly round(level × weights) zeros in each group.

    `statistics` is what the criterion has counted of every matrix, `strategy` the name of the selection for
    the UserError that an empty scope raises.
    """
    criterion = import_module(f"memprune.criteria.{selection.criterion}")
    scope = matrices_in_scope(manifest.matrices, selection, manifest.model, strategy)
    packed = {}
    for group in group_matrices(scope, selection.allocation):
        pruned = round(level * sum(matrix.weights for matrix in group))
        packed |= criterion.prune(manifest, statistics, group, pruned)
    return packed


def mask_statistics(manifest: Manifest, path: str | Path) -> pd.DataFrame:
    """Zeros of every prunable matrix of the model, recounted from the mask's file.

    Columns: matrix, role, layer, weights, zeros, sparsity (zeros / weights). Matrices out of scope have none.
    """
    zeros = {name: int((~kept).sum()) for name, kept in read_mask(path).items()}
    rows = [(m.name, m.role, m.layer, m.weights, zeros.get(m.name, 0)) for m in manifest.matrices]
    table = pd.DataFrame(rows, columns=["matrix", "role", "layer", "weights", "zeros"])
    return table.assign(sparsity=table.zeros / table.weights)
