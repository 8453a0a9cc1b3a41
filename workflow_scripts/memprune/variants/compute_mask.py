"""Compute masks: a criterion ranks the weights, a strategy's selection says where the sparsity holds."""

from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np

from memprune.models.manifest import Manifest
from memprune.models.weights import read_tensors
from memprune.store.fingerprints import unchanged
from memprune.variants.masks import about_mask, read_bits, write_mask
from memprune.variants.scope import Selection, group_matrices, matrices_in_scope


def compute_mask(
    manifest: Manifest,
    statistics: dict[str, np.ndarray],
    selection: Selection,
    level: float,
    strategy: str,
    threads: int,
) -> dict[str, np.ndarray]:
    """The bit-packed mask of every matrix in scope: exactly round(level × weights) zeros in each group.

    `statistics` is what the criterion has counted of every matrix, `strategy` the name of the selection for
    the UserError that an empty scope raises.
    """
    criterion = import_module(f"memprune.variants.criteria.{selection.criterion}")
    scope = matrices_in_scope(manifest.matrices, selection, manifest.model, strategy)
    tensors, packed = read_tensors(manifest), {}
    for group in group_matrices(scope, selection.allocation):
        pruned = round(level * sum(matrix.weights for matrix in group))
        together = {matrix.name: tensors[matrix.name] for matrix in group}
        packed |= criterion.prune(together, statistics, pruned, threads)
    return packed


def make_mask(
    manifest: Manifest,
    statistics: dict[str, np.ndarray],
    selection: Selection,
    level: float,
    strategy: str,
    threads: int,
    path: Path,
) -> None:
    """Compute a mask (see `compute_mask`) and write it with what it was made from.

    Raises UserError when the weights' files are not those of the manifest.
    """
    with unchanged(manifest.weights):
        packed = compute_mask(manifest, statistics, selection, level, strategy, threads)
    shapes = {matrix.name: matrix.shape for matrix in manifest.matrices}
    about = {"selection": asdict(selection), "level": level, "fingerprint": manifest.fingerprint}
    write_mask(packed, shapes, about, path)


def mask_statistics(manifest: Manifest, path: str | Path) -> list[dict]:
    """Zeros of every prunable matrix of the model, recounted from the mask's file.

    Rows of matrix, role, layer, weights, zeros, sparsity (zeros / weights). Matrices out of scope have none.
    """
    kept = {name: int(np.bitwise_count(read_bits(path, name)).sum()) for name in about_mask(path)["kept"]}
    rows = []
    for m in manifest.matrices:
        zeros = m.weights - kept.get(m.name, m.weights)
        row = {"matrix": m.name, "role": m.role, "layer": m.layer, "weights": m.weights, "zeros": zeros}
        rows.append({**row, "sparsity": zeros / m.weights})
    return rows
