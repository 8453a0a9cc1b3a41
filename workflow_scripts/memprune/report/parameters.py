"""How many parameters a model has."""

from memprune.models.manifest import Manifest
from memprune.models.weights import BYTES


def parameters(manifest: Manifest) -> int:
    """How many numbers a model computes with, taking all of its tensors to be of its matrices' dtype."""
    return manifest.tensor_bytes // BYTES[manifest.dtype]
