"""What a chain of changes has achieved, measured from its files: a level is only what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from memprune.models.manifest import Manifest
from memprune.models.weights import BYTES
from memprune.variants.changes import About, about_change
from memprune.variants.names import split_variant


@dataclass(frozen=True)
class Achieved:
    """How much of a model a variant lacks.

    `sparsity` is the share of the weights in scope that were removed, `removed` that of all prunable weights.
    `variant_bytes` is what the model's tensors take as they are after its changes: without removed weights,
    and with a bit for each weight in scope, which says whether it was removed; with them where that takes
    less.
    """

    sparsity: float
    removed: float
    variant_bytes: int


def level_of(variant: str, changes: Sequence[Path]) -> float:
    """The level of a variant: the number in its name, or what was found of a target, as its file tells."""
    _, level = split_variant(variant)
    return about_change(changes[-1]).level if isinstance(level, str) else level


def achieved(manifest: Manifest, changes: Sequence[Path]) -> Achieved:
    """What a variant has achieved by its chain of changes, none for the dense model."""
    abouts, left = [about_change(change) for change in changes], {}
    for about in abouts:
        left |= {name: left_by(about, name, left.get(name), manifest) for name in about.shapes}
    sizes = {name: prod(shape) for about in abouts for name, shape in about.shapes.items()}
    removed = sum(sizes[name] - own.remaining for name, own in left.items())
    in_scope = sum(own.in_scope for own in left.values())
    return Achieved(
        sparsity=removed / in_scope if in_scope else 0.0,
        removed=removed / sum(matrix.weights for matrix in manifest.matrices),
        variant_bytes=manifest.tensor_bytes
        - sum(sizes.values()) * BYTES[manifest.dtype]
        + sum(own.bytes_of(sizes[name]) for name, own in left.items()),
    )


@dataclass(frozen=True)
class Left:
    """What a chain of changes has left of a tensor: so many numbers of so many bits, and bytes beside."""

    remaining: int
    bits: int
    beside: int
    in_scope: int  # weights among which some were removed
    mapped: int  # of these, those with a bit that says whether they were

    def bytes_of(self, size: int) -> int:
        """What the tensor of that size takes, without removed weights or with them, whichever is less."""
        without = -(-self.remaining * self.bits // 8) + -(-self.mapped // 8)
        whole = -(-size * self.bits // 8)
        return self.beside + (min(without, whole) if self.mapped else without)


def left_by(about: About, name: str, before: Left | None, manifest: Manifest) -> Left:
    """What a change leaves of one of its tensors, of which those before it left `before`."""
    stored = (before.bits, before.beside) if before else (8 * BYTES[manifest.dtype], 0)
    bits, beside = about.storage.get(name, stored)
    own, kept = about.in_scope.get(name, 0), before.mapped if before else 0
    return Left(
        remaining=about.remaining[name],
        bits=bits,
        beside=beside,
        in_scope=max(own, before.in_scope if before else 0),
        mapped=0 if about.kind == "factors" else max(own, kept),
    )
