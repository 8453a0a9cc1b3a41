"""How many parameters a model has."""

from memprune.models.manifest import Manifest
from memprune.models.weights import BYTES


def parameters(manifest: Manifest) -> int:
    """How many numbers the model computes with, if all tensors are of its matrices' dtype, as they mostly are."""
    return manifest.tensor_bytes // BYTES[manifest.dtype]
