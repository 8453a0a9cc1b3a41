"""Prune: a criterion ranks the weights, a selection says which of them go, a mask removes them."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

from memprune.methods.asked import Asked
from memprune.methods.selection import Selection
from memprune.models.weights import new_buffer, slices
from memprune.variants.changes import About, write_change
from memprune.variants.floats import without_sign
from memprune.variants.masks import unpack
from memprune.variants.scope import regions_in_scope
from memprune.variants.weights_of_variant import weights_of_variant


def make(asked: Asked, path: Path) -> None:
    """Compute a mask (see `compute_mask`) and write it with what it was made from."""
    packed = compute_mask(asked)
    write_change(about_mask(asked, packed), sorted(packed.items()), path)


def compute_mask(asked: Asked) -> dict[str, np.ndarray]:
    """The bit-packed mask of every matrix with weights in scope; of those out of scope none goes.

    How many are zero, and where, is what the selection's own module says. Raises UserError when nothing is
    in scope.
    """
    selection = Selection(**asked.settings)
    keys = import_module(f"memprune.methods.criteria.{selection.criterion}").keys(asked)
    regions = regions_in_scope(asked.manifest, selection, asked.strategy)
    packed = {region.matrix.name: all_kept(region.matrix.weights) for region in regions}
    import_module(selection.module).drop(packed, regions, keys, asked)
    return packed


def all_kept(weights: int) -> np.ndarray:
    """The bit-packed mask of a matrix of which no weight goes."""
    packed = np.full((weights + 7) // 8, 0xFF, dtype=np.uint8)
    packed[-1] >>= -weights % 8
    return packed


def about_mask(asked: Asked, packed: dict[str, np.ndarray]) -> About:
    """What a mask's file tells of it."""
    manifest = asked.manifest
    in_scope: Counter[str] = Counter()
    for region in regions_in_scope(manifest, Selection(**asked.settings), asked.strategy):
        in_scope[region.matrix.name] += region.weights
    kept = {name: int(np.bitwise_count(bits).sum()) for name, bits in packed.items()}
    return About(
        kind="mask",
        settings=asked.settings,
        level=asked.level,
        fingerprint=manifest.fingerprint,
        shapes={matrix.name: matrix.shape for matrix in manifest.matrices if matrix.name in packed},
        remaining=count_remaining(asked, packed) if asked.before else kept,
        in_scope=in_scope,
        details={"kept": kept},
    )


def count_remaining(asked: Asked, packed: dict[str, np.ndarray]) -> dict[str, int]:
    """How many weights of each masked matrix neither this mask nor a change before it has removed."""
    weights, buffer = weights_of_variant(asked.manifest, asked.before), new_buffer()

    def remaining(name: str, bits: np.ndarray) -> int:
        pieces = slices(weights.tensors[name].size)
        return sum(
            int(np.count_nonzero(without_sign(weights.read(name, piece, buffer)) * unpack(bits, piece)))
            for piece in pieces
        )

    return {name: remaining(name, bits) for name, bits in packed.items()}
