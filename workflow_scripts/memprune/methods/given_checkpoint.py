"""Checkpoint: weights that were made elsewhere, by another tool or in training, in place of the model's."""

from pathlib import Path

import numpy as np

from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.models.alike import check_alike, tensors_of
from memprune.models.manifest import Manifest, read_manifest
from memprune.models.weights import BYTES, EXPONENT
from memprune.store.fingerprints import unchanged
from memprune.variants.changes import About, write_change
from memprune.variants.floats import without_sign
from memprune.variants.weights_of_variant import Weights, weights_of_variant


def make(asked: Asked, path: Path) -> None:
    """Write the tensors of the input `checkpoint` (a manifest) that are not as the model has them.

    Of matrices, weights that are 0 count as removed. Raises UserError for a checkpoint that is no other state
    of the model, or has weights that are not finite.
    """
    manifest = asked.manifest
    checkpoint = read_manifest(asked.inputs["checkpoint"])
    check_same_model(checkpoint, manifest, f"strategies.{asked.strategy}.checkpoints")
    with unchanged(checkpoint.weights):
        weights = weights_of_variant(checkpoint, ())
        changed = tensors_that_differ(weights, weights_of_variant(manifest, asked.before), manifest)
        matrices = {matrix.name for matrix in manifest.matrices}
        sizes = {name: weights.tensors[name].size for name in changed}
        remaining = sizes | {
            name: count_left(weights.bits(name), name, checkpoint) for name in changed if name in matrices
        }
        about = About(
            kind="values",
            settings=asked.settings,
            level=asked.level,
            fingerprint=manifest.fingerprint,
            shapes={name: weights.tensors[name].shape for name in changed},
            remaining=remaining,
            storage=dict.fromkeys(changed, (8 * BYTES[manifest.dtype], 0)),
            in_scope={name: size for name, size in sizes.items() if remaining[name] < size},
        )
        write_change(about, ((name, weights.bits(name).ravel()) for name in changed), path)


def check_same_model(checkpoint: Manifest, manifest: Manifest, key: str) -> None:
    """Raise UserError unless a checkpoint is the model with other weights, read by the same tokenizer."""
    try:
        check_alike(checkpoint, checkpoint.folder, manifest, manifest.folder)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    if checkpoint.tokenizer != manifest.tokenizer:
        raise UserError(
            f"{key}: {checkpoint.folder}: found another tokenizer, allowed: that of model {manifest.model}"
        )


def tensors_that_differ(weights: Weights, before: Weights, manifest: Manifest) -> list[str]:
    """The names of the tensors whose bits are not those that were there before."""
    names = tensors_of(manifest, manifest.folder)
    return [name for name in names if not np.array_equal(weights.bits(name), before.bits(name))]


def count_left(bits: np.ndarray, name: str, checkpoint: Manifest) -> int:
    """How many weights of a matrix are not 0; `bits` are overwritten.

    Raises UserError for those that are infinite or not a number.
    """
    magnitudes = without_sign(bits)
    if magnitudes.max() >= EXPONENT[checkpoint.dtype]:
        raise UserError(
            f"{checkpoint.folder}: {name} has weights that are infinite or not a number; expected finite "
            "weights"
        )
    return int(np.count_nonzero(magnitudes))
