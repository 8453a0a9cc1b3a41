"""Pruning while a model trains: masks by magnitude, after the gradual schedule of Zhu & Gupta (2017).

Of each prunable matrix by itself the smallest weights go, a few more at each update. A weight once pruned
never returns: it gets no gradient, and neither the optimizer's momentum nor its weight decay moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from memprune.models.families import FAMILIES

# The ends of the prunable matrices' names, the four of each block.
PRUNABLE = tuple(f".{matrix}.weight" for matrix in FAMILIES["gpt_neox"].matrices)
SMALLEST = 2.0**-24  # of the positive numbers of float16


@dataclass(frozen=True)
class Schedule:
    """Masks are updated at step `start` and `updates` times after it, `every` steps apart; then they stay."""

    sparsity: float
    start: int
    every: int
    updates: int

    @property
    def end(self) -> int:
        """The step of the last update."""
        return self.start + self.every * self.updates

    def updates_at(self, step: int) -> bool:
        """Whether the masks are updated before the optimizer's step `step`, counted from 0."""
        return step in range(self.start, self.end + 1, self.every)

    def at(self, step: int) -> float:
        """The sparsity at `step`: formula 1 of Zhu & Gupta (2017, arXiv 1710.01878), from none at first."""
        done = min(max((step - self.start) / (self.every * self.updates), 0.0), 1.0)
        return self.sparsity - self.sparsity * (1 - done) ** 3


@dataclass(frozen=True)
class MaskedWeight:
    """A matrix and its mask: bool in its shape, True = kept."""

    weight: torch.nn.Parameter
    kept: torch.Tensor


def unmasked(model: torch.nn.Module) -> list[MaskedWeight]:
    """The prunable matrices of a GPT-NeoX model, with nothing pruned yet."""
    matrices = [parameter for name, parameter in model.named_parameters() if name.endswith(PRUNABLE)]
    return [MaskedWeight(matrix, torch.ones_like(matrix, dtype=torch.bool)) for matrix in matrices]


def keep_largest(weight: torch.Tensor, kept: torch.Tensor, sparsity: float) -> torch.Tensor:
    """The mask (bool, True = kept) without the round(sparsity × n) weights of smallest magnitude.

    Those that `kept` has pruned already go first; of equal magnitudes the first go, in the order of the flat
    matrix.
    """
    magnitudes = weight.detach().abs().masked_fill(~kept, -1.0).flatten()
    smallest = magnitudes.argsort(stable=True)[: round(sparsity * magnitudes.numel())]
    return torch.ones_like(kept).flatten().index_fill(0, smallest, False).view_as(kept)


def update_masks(masked: Sequence[MaskedWeight], sparsity: float) -> list[MaskedWeight]:
    """The same matrices with masks of `sparsity`, and what is newly pruned set to zero."""
    updated = [MaskedWeight(m.weight, keep_largest(m.weight, m.kept, sparsity)) for m in masked]
    zero_weights(updated)
    return updated


def zero_gradients(masked: Sequence[MaskedWeight]) -> None:
    """Set the gradients of pruned weights to zero, in place."""
    for m in masked:
        m.weight.grad.masked_fill_(~m.kept, 0.0)


@torch.no_grad()
def zero_weights(masked: Sequence[MaskedWeight]) -> None:
    """Set pruned weights to zero, in place."""
    for m in masked:
        m.weight.masked_fill_(~m.kept, 0.0)


@torch.no_grad()
def keep_from_rounding_to_zero(masked: Sequence[MaskedWeight]) -> None:
    """Set kept weights that would be zero in float16 to its smallest number of their sign, in place.

    So a file in float16 has as many zeros as the mask.
    """
    for m in masked:
        vanishes = m.kept & (m.weight.to(torch.float16) == 0)
        smallest = torch.full_like(m.weight, SMALLEST).copysign(m.weight)
        m.weight.copy_(torch.where(vanishes, smallest, m.weight))


def count_zeros(folder: Path) -> tuple[int, int]:
    """How many weights of the prunable matrices in a folder's model.safetensors are zero, and of how many."""
    matrices = [w for name, w in load_file(folder / "model.safetensors").items() if name.endswith(PRUNABLE)]
    return sum(int((w == 0).sum()) for w in matrices), sum(w.numel() for w in matrices)
