"""Pruning masks: which weights a strategy removes at a level, and the files that say so.

A mask file is a safetensors file with one uint8 vector per matrix in scope: bits in the order of the flat
matrix as stored, lowest bit first, 1 = kept. Its metadata has one key, `mask`: JSON with the shapes, the
numbers of weights kept, the strategy, the level and the fingerprint of the weights (one key only, since the
order of several differs from run to run, and the same mask is to be the same bytes).
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from memprune import magnitude
from memprune.config import Strategy
from memprune.errors import UserError
from memprune.files import written_whole
from memprune.manifest import Manifest, read_matrix
from memprune.scope import group_matrices, matrices_in_scope


def count_magnitudes(manifest: Manifest) -> dict[str, np.ndarray]:
    """The exact histogram of magnitudes of every prunable matrix (int64, see `magnitude.histogram`).

    Raises UserError when a matrix has a weight that is not finite.
    """
    histograms = {}
    for matrix in manifest.matrices:
        counts = magnitude.histogram(read_matrix(manifest, matrix))
        if not magnitude.is_finite(counts, getattr(torch, manifest.dtype)):
            raise UserError(
                f"models.{manifest.model}: {matrix.name} has weights that are infinite or not a number; "
                "expected finite weights"
            )
        histograms[matrix.name] = counts.numpy()
    return histograms


def compute_mask(
    manifest: Manifest, histograms: dict[str, np.ndarray], name: str, strategy: Strategy, level: float
) -> dict[str, np.ndarray]:
    """The bit-packed mask of every matrix in scope: exactly round(level × weights) zeros in each group.

    Of weights equal to the threshold the first go, in the manifest's order of matrices and the flat order in
    each, so a mask is the same on every machine.
    """
    scope = matrices_in_scope(manifest.matrices, manifest.model, name, strategy)
    packed = {}
    for group in group_matrices(scope, strategy.allocation):
        pruned = round(level * sum(matrix.weights for matrix in group))
        counts = torch.from_numpy(sum(histograms[matrix.name] for matrix in group))
        weights = (read_matrix(manifest, matrix) for matrix in group)
        threshold = magnitude.find_threshold(counts, pruned, weights)
        for matrix in group:
            packed[matrix.name], used = magnitude.keep(read_matrix(manifest, matrix), threshold)
            threshold = replace(threshold, ties=threshold.ties - used)
    return packed


def write_mask(
    packed: dict[str, np.ndarray], manifest: Manifest, name: str, strategy: Strategy, level: float, path: Path
) -> None:
    """Write a mask file, whole or not at all."""
    shapes = {m.name: m.shape for m in manifest.matrices if m.name in packed}
    about = {
        "shapes": shapes,
        "kept": {matrix: int(np.bitwise_count(bits).sum()) for matrix, bits in packed.items()},
        "strategy": {"name": name, **strategy.model_dump(exclude={"levels"})},
        "level": level,
        "fingerprint": manifest.fingerprint,
    }
    with written_whole(path) as temporary:
        save_file(packed, temporary, {"mask": json.dumps(about, sort_keys=True)})


def read_mask(path: str | Path) -> dict[str, torch.Tensor]:
    """The mask in a file: matrix name to bool tensor in the shape of the weights as stored, True = kept.

    Raises UserError when the bits do not add up to the numbers in the file's metadata.
    """
    masks = {}
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["mask"])
        for name, shape in about["shapes"].items():
            bits = np.unpackbits(file.get_tensor(name), count=int(np.prod(shape)), bitorder="little")
            masks[name] = torch.from_numpy(bits.view(np.bool_).reshape(shape))
            if bits.sum() != about["kept"][name]:
                raise UserError(f"{path}: {name} keeps {bits.sum()} weights, expected {about['kept'][name]}")
    return masks


def mask_statistics(manifest: Manifest, path: str | Path) -> pd.DataFrame:
    """Zeros of every prunable matrix of the model, recounted from the mask's file.

    Columns: matrix, role, layer, weights, zeros, sparsity (zeros / weights). Matrices out of scope have none.
    """
    zeros = {name: int((~kept).sum()) for name, kept in read_mask(path).items()}
    rows = [(m.name, m.role, m.layer, m.weights, zeros.get(m.name, 0)) for m in manifest.matrices]
    table = pd.DataFrame(rows, columns=["matrix", "role", "layer", "weights", "zeros"])
    return table.assign(sparsity=table.zeros / table.weights)
