"""Quantize: matrices in codes of few bits, as an algorithm finds them."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from math import prod
from pathlib import Path

import numpy as np
import torch

from memprune.methods.asked import Asked
from memprune.methods.by_input import as_stored, inputs_of, is_input_first
from memprune.methods.rounding import Rounding
from memprune.models.manifest import Matrix
from memprune.models.weights import BYTES
from memprune.variants.changes import About, about_change, write_change
from memprune.variants.codes import packed
from memprune.variants.floats import to_bits
from memprune.variants.scope import Scope, matrices_in_scope


def make(asked: Asked, path: Path) -> None:
    """Quantize the matrices in scope to as many bits as the level says, and write their codes.

    Zeros stay zeros. Raises UserError when nothing is in scope, or a part of a matrix.
    """
    rounding = Rounding(
        bits=int(asked.level),
        group=asked.settings["group"],
        symmetric=asked.settings["symmetric"],
        dtype=getattr(torch, asked.manifest.dtype),
    )
    matrices = matrices_in_scope(asked.manifest, Scope(**asked.settings["scope"]), asked.strategy)
    write_change(about_codes(asked, matrices, rounding), tensors(asked, matrices, rounding, path), path)


def tensors(
    asked: Asked, matrices: Sequence[Matrix], rounding: Rounding, path: Path
) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of the change's file, as `memprune.variants.codes` has them."""
    algorithm = import_module(f"memprune.methods.{asked.settings['algorithm']}")
    manifest = asked.manifest
    for matrix, found in algorithm.quantized(asked, matrices, rounding, path.parent):
        yield f"{matrix.name}.codes", packed(as_stored(found.codes, manifest), rounding.bits)
        yield f"{matrix.name}.scales", to_bits(as_stored(found.grid.scale, manifest), manifest.dtype)
        if not rounding.symmetric:
            yield f"{matrix.name}.zeros", as_stored(found.grid.zero.to(torch.uint8), manifest)


def about_codes(asked: Asked, matrices: Sequence[Matrix], rounding: Rounding) -> About:
    """What the file of codes tells of them."""
    beside = BYTES[asked.manifest.dtype] + (not rounding.symmetric)  # bytes of a group's scale and zero

    def groups(matrix: Matrix) -> int:
        inputs = inputs_of(matrix, asked.manifest)
        return matrix.weights // inputs * -(-inputs // rounding.group)

    return About(
        kind="codes",
        settings=asked.settings,
        level=asked.level,
        fingerprint=asked.manifest.fingerprint,
        shapes={matrix.name: matrix.shape for matrix in matrices},
        remaining=remaining_before(asked, matrices),
        storage={matrix.name: (rounding.bits, groups(matrix) * beside) for matrix in matrices},
        details={
            "bits": rounding.bits,
            "group": rounding.group,
            "axis": 0 if is_input_first(asked.manifest) else 1,
        },
    )


def remaining_before(asked: Asked, matrices: Sequence[Matrix]) -> dict[str, int]:
    """How many weights of each matrix the changes before have left: of factors all of their product."""
    left = {matrix.name: matrix.weights for matrix in matrices}
    for change in asked.before:
        about = about_change(change)
        is_product = about.kind == "factors"
        left |= {name: prod(about.shapes[name]) for name in about.shapes} if is_product else about.remaining
    return {matrix.name: left[matrix.name] for matrix in matrices}
