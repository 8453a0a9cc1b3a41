"""Models of families of the decoder, described as if it had them not: so that transformers computes them."""

from pathlib import Path

from memprune.models.checkpoint import checkpoint_of
from memprune.models.manifest import Manifest
from memprune.models.model_files import weight_files
from memprune.models.read_outline import read_outline
from memprune.models.resolve_model import built_by_transformers, resolve_model
from memprune.models.weights import read_headers


def outlined(folder: Path) -> Manifest:
    """The manifest of a model that transformers computes, whatever its type."""
    files = weight_files(folder)
    tensors = read_headers(files)
    outline, found = read_outline(folder, tensors, {})
    checkpoint = built_by_transformers(checkpoint_of(outline, files, tensors, found), folder)
    return Manifest(**vars(resolve_model("tiny", folder)) | vars(checkpoint))
