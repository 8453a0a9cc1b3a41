"""What a change of weights has achieved, measured from its file: a level is only what was asked for."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from memprune.models.manifest import Manifest
from memprune.models.weights import BYTES
from memprune.variants.masks import about_mask
from memprune.variants.names import split_variant


@dataclass(frozen=True)
class Achieved:
    """How much of a model a variant lacks.

    `sparsity` is the share of the weights in scope that were removed, `removed` that of all prunable weights.
    `variant_bytes` is what the model's tensors take without the removed weights, and a bit for each weight in
    scope, which says whether it was removed.
    """

    sparsity: float
    removed: float
    variant_bytes: int


def level_of(variant: str, mask: Path | None) -> float:
    """The level of a variant: the number in its name, or what was found of a target, as its mask tells."""
    _, level = split_variant(variant)
    return about_mask(mask)["level"] if isinstance(level, str) else level


def achieved(manifest: Manifest, mask: Path | None) -> Achieved:
    """What a variant has achieved by its mask; None for the dense model."""
    if mask is None:
        return Achieved(0.0, 0.0, manifest.tensor_bytes)
    about = about_mask(mask)
    removed = sum(map(prod, about["shapes"].values())) - sum(about["kept"].values())
    packed = sum(-(-count // 8) for count in about["in_scope"].values())
    return Achieved(
        sparsity=removed / sum(about["in_scope"].values()),
        removed=removed / sum(matrix.weights for matrix in manifest.matrices),
        variant_bytes=manifest.tensor_bytes - removed * BYTES[manifest.dtype] + packed,
    )
