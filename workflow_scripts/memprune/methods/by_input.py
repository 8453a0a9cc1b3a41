"""Matrices as methods solve for their weights: float32, inputs × outputs, however they are stored."""

import numpy as np
import torch

from memprune.errors import UserError
from memprune.models.layout import layout_of
from memprune.models.manifest import Manifest, Matrix
from memprune.variants.floats import to_bits, to_float32
from memprune.variants.weights_of_variant import Weights


def is_input_first(manifest: Manifest) -> bool:
    """Whether a model's matrices are stored input × output."""
    return layout_of(manifest.architecture).input_first


def inputs_of(matrix: Matrix, manifest: Manifest) -> int:
    """How many inputs a matrix has."""
    return matrix.shape[0 if is_input_first(manifest) else 1]


def read_by_input(weights: Weights, matrix: Matrix, manifest: Manifest) -> torch.Tensor:
    """The weights of a matrix of a variant, float32, inputs × outputs.

    Raises UserError when one is not finite.
    """
    stored = torch.from_numpy(to_float32(weights.bits(matrix.name), manifest.dtype))
    if not stored.isfinite().all():
        raise UserError(
            f"models.{manifest.model}: {matrix.name} has weights that are infinite or not a number; expected "
            "finite weights"
        )
    return stored if is_input_first(manifest) else stored.t().contiguous()


def as_stored(by_input: torch.Tensor, manifest: Manifest) -> np.ndarray:
    """What has inputs (or groups of them) × outputs as the model's matrices are stored."""
    return (by_input if is_input_first(manifest) else by_input.t()).contiguous().cpu().numpy()


def bits_as_stored(by_input: torch.Tensor, manifest: Manifest) -> np.ndarray:
    """Weights, float32, inputs × outputs, as their bits in the checkpoint's dtype, as matrices are stored."""
    return to_bits(as_stored(by_input, manifest), manifest.dtype)
