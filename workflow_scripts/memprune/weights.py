"""Weights of a model, read matrix by matrix from its checkpoint."""

from pathlib import Path

import torch
from safetensors import safe_open

from memprune.manifest import Manifest, Matrix


def read_matrix(manifest: Manifest, matrix: Matrix) -> torch.Tensor:
    """One matrix as stored, in its own dtype; the file is mapped, so only its own bytes are read."""
    with safe_open(Path(manifest.folder) / matrix.file, framework="pt") as content:
        weights = content.get_tensor(matrix.name)
    assert tuple(weights.shape) == matrix.shape, (matrix, weights.shape)
    return weights
