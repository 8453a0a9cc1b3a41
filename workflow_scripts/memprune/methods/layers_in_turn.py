"""Matrices solved by their curvature, layer by layer: what goes into a layer has met the changes before it.

All matrices of a layer are solved from the inputs that they have in the layer as it was; then the texts go
through it as it is now. One layer's Hessians are in memory at one time, and one inverse.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

import numpy as np
import torch

from memprune.methods.asked import Asked
from memprune.methods.by_input import bits_as_stored, read_by_input
from memprune.methods.curvature_memory import curvature_bytes
from memprune.methods.hessians import Curvature, Hessians, curvature_of
from memprune.methods.layerwise import States, open_source, read_texts, seen_as, with_tensors
from memprune.models.manifest import Matrix
from memprune.scoring.variant_model import Source, read_layer

Result = TypeVar("Result")
Solve = Callable[[Matrix, torch.Tensor, Curvature], Result]


@torch.inference_mode()
def solve_in_turn(
    asked: Asked, matrices: Sequence[Matrix], solve: Solve, scratch: Path
) -> Iterator[tuple[Matrix, Result, np.ndarray]]:
    """Each matrix with what `solve` returns of it, and the bits of the weights that it then has, as stored.

    `solve(matrix, weights, curvature)` changes the weights, float32, inputs × outputs, in place. States of
    the calibration text lie in a file without a name in the folder `scratch` meanwhile.
    """
    source = open_source(asked, curvature_bytes(asked.manifest.architecture))
    tokens = read_texts(asked.inputs["calibration"], asked.manifest)
    last = max(matrix.layer for matrix in matrices)
    with TemporaryFile(dir=scratch) as file:
        states = States(source, tokens, file)
        for number in range(last + 1):
            own, changed = [matrix for matrix in matrices if matrix.layer == number], {}
            for matrix, result, bits in solve_layer(asked, source, states, own, solve) if own else ():
                yield matrix, result, bits
                changed[matrix.name] = bits
            if number < last:
                states.advance(read_layer(with_tensors(source, changed), number))


def solve_layer(
    asked: Asked, source: Source, states: States, matrices: Sequence[Matrix], solve: Solve
) -> Iterator[tuple[Matrix, Result, np.ndarray]]:
    """The same of some matrices of one layer; those of the same inputs, which share a curvature, in a row."""
    by_inputs: dict[str, list[Matrix]] = {}
    for matrix in matrices:
        by_inputs.setdefault(seen_as(matrix.role), []).append(matrix)
    hessians = Hessians(by_inputs, states.texts * states.length)
    states.see(read_layer(source, matrices[0].layer), hessians.see)
    for name, members in by_inputs.items():
        curvature = curvature_of(hessians.take(name), members[0].name)
        for matrix in members:
            weights = read_by_input(source.weights, matrix, asked.manifest).to(source.device)
            result = solve(matrix, weights, curvature)
            yield matrix, result, bits_as_stored(weights, asked.manifest)
