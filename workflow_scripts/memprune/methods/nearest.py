"""Round to nearest: each weight by itself."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.nn import functional

from memprune.methods.asked import Asked
from memprune.methods.by_input import read_by_input
from memprune.methods.rounding import Grid, Quantized, Rounding, find_grid, to_codes
from memprune.models.manifest import Matrix
from memprune.variants.weights_of_variant import weights_of_variant


def quantized(
    asked: Asked, matrices: Sequence[Matrix], rounding: Rounding, scratch: Path
) -> Iterator[tuple[Matrix, Quantized]]:
    """Some matrices of a variant in codes, in turn."""
    torch.set_num_threads(asked.threads)
    weights = weights_of_variant(asked.manifest, asked.before)
    for matrix in matrices:
        yield matrix, quantize_matrix(read_by_input(weights, matrix, asked.manifest), rounding)


def quantize_matrix(weights: torch.Tensor, rounding: Rounding) -> Quantized:
    """The nearest codes of weights, inputs × outputs, float32."""
    inputs = len(weights)
    group = min(rounding.group, inputs)
    # Zeros that fill the last group up change no grid: all reach over zero.
    filled = functional.pad(weights, (0, 0, 0, -inputs % group)).unflatten(0, (-1, group))
    grid = find_grid(filled, rounding)
    codes = to_codes(filled, Grid(grid.scale[:, None], grid.zero[:, None]), rounding)
    return Quantized(codes.flatten(0, 1)[:inputs].to(torch.uint8), grid)
