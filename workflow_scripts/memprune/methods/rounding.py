"""Rounding to codes of few bits, by group: the grid of a group's weights, and what codes on it mean.

A code means (code - zero) × scale. Symmetric grids have their zero in the middle and as many codes on each
side of it; asymmetric ones reach from a group's smallest weight to its largest, and always over zero. So zero
is exact on all of them.
"""

from typing import NamedTuple

import torch

SIGNED = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}


class Rounding(NamedTuple):
    """To codes of `bits` bits, with a grid for each `group` inputs of an output, in a checkpoint's dtype."""

    bits: int
    group: int
    symmetric: bool
    dtype: torch.dtype

    @property
    def middle(self) -> int:
        """The code that means zero on symmetric grids."""
        return 1 << self.bits - 1

    @property
    def highest(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1


class Grid(NamedTuple):
    """The scales of some groups, numbers of the checkpoint's dtype in float32, and their codes for zero."""

    scale: torch.Tensor
    zero: torch.Tensor


class Quantized(NamedTuple):
    """A matrix in codes (inputs × outputs, uint8), and the grid of each group (groups × outputs, float32)."""

    codes: torch.Tensor
    grid: Grid


def find_grid(weights: torch.Tensor, rounding: Rounding) -> Grid:
    """The grids of groups of weights, … × group × outputs, float32, each as fine as has all of them in reach.

    Both parts of it are … × outputs. Where all weights are zero the scale is 1.
    """
    if rounding.symmetric:
        scale = weights.abs().amax(-2) / (rounding.middle - 1)
        scale = rounded_up(scale, rounding.dtype)
        return Grid(scale, torch.full_like(scale, rounding.middle))
    low, high = weights.amin(-2).clamp_(max=0), weights.amax(-2).clamp_(min=0)
    scale = rounded_up((high - low) / rounding.highest, rounding.dtype)
    return Grid(scale, low.neg_().div_(scale).round_())


def rounded_up(scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Scales, float32, at least 0, as the next numbers of a dtype that are no smaller; 1 in place of 0."""
    rounded = torch.where(scale == 0, 1, scale).to(dtype)
    rounded.view(SIGNED[dtype]).add_(rounded.float() < scale)
    return rounded.float()


def to_codes(weights: torch.Tensor, grid: Grid, rounding: Rounding) -> torch.Tensor:
    """The nearest codes of weights, float32; ties go to even numbers of steps from zero."""
    codes = weights.div(grid.scale).round_().add_(grid.zero)
    return codes.clamp_(int(rounding.symmetric), rounding.highest)


def from_codes(codes: torch.Tensor, grid: Grid, rounding: Rounding) -> torch.Tensor:
    """What codes (float32) mean, rounded to the checkpoint's dtype, float32."""
    return codes.sub(grid.zero).mul_(grid.scale).to(rounding.dtype).float()
