"""GPTQ (Frantar et al. 2023): round inputs in turn, and let the later ones make up for the errors.

Layer by layer: what goes into a layer comes from the layers before it as already quantized.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from memprune.methods.asked import Asked
from memprune.methods.hessians import Curvature, settle
from memprune.methods.layers_in_turn import solve_in_turn
from memprune.methods.rounding import Grid, Quantized, Rounding, find_grid, from_codes, to_codes
from memprune.models.manifest import Matrix


def quantized(
    asked: Asked, matrices: Sequence[Matrix], rounding: Rounding, scratch: Path
) -> Iterator[tuple[Matrix, Quantized]]:
    """Some matrices of a variant in codes, in turn."""

    def solve(_: Matrix, weights: torch.Tensor, curvature: Curvature) -> Quantized:
        return solve_matrix(weights, curvature, rounding)

    for matrix, found, _ in solve_in_turn(asked, matrices, solve, scratch):
        yield matrix, found


def solve_matrix(weights: torch.Tensor, curvature: Curvature, rounding: Rounding) -> Quantized:
    """The codes of weights, inputs × outputs, float32, which become what the codes mean.

    A group's grid is found when its first input comes, from weights that make up for the inputs before.
    Zeros stay zeros, and weights of inputs that are always zero become zero.
    """
    held, codes = (weights == 0) | curvature.dead[:, None], torch.empty_like(weights, dtype=torch.uint8)
    grids: list[Grid] = []
    group = min(rounding.group, len(weights))

    def final(i: int) -> torch.Tensor:
        if i % group == 0:
            own = slice(i, i + group)
            grids.append(find_grid(weights[own].masked_fill(held[own], 0), rounding))
        found = to_codes(weights[i].masked_fill(held[i], 0), grids[-1], rounding)
        codes[i] = found
        return from_codes(found, grids[-1], rounding)

    settle(weights.masked_fill_(held, 0), curvature.factor, group, final)
    return Quantized(codes, Grid(*(torch.stack(parts) for parts in zip(*grids, strict=True))))
