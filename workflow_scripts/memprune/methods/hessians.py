"""The second-order view of a linear map: how its output's squared error depends on its weights.

For inputs x (rows of X) the error of changed weights is quadratic with the Hessian H = 2/n · Σ x xᵀ, the same
for all outputs. A change of one weight is made up for by those of the inputs after it: by how much is in
the rows of the upper Cholesky factor U of H⁻¹ = Uᵀ U (Frantar et al. 2023).
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import torch

from memprune.errors import UserError

BLOCK = 128  # inputs whose errors reach later ones as one product
DAMPENING = 0.01  # of the mean of the Hessian's diagonal, added to it


class Hessians:
    """The Hessians of some linear maps of a layer, summed up from inputs as `run_layer` shows them."""

    def __init__(self, names: Collection[str], rows: int) -> None:
        """Of the maps of these names, over so many rows of inputs in all."""
        self.rows, self.sums = rows, dict.fromkeys(names)

    def see(self, name: str, inputs: torch.Tensor) -> None:
        """Add inputs of a map, rows × inputs, float32, in any number of calls."""
        if name not in self.sums:
            return
        if self.sums[name] is None:
            self.sums[name] = inputs.new_zeros(inputs.shape[1], inputs.shape[1])
        self.sums[name].addmm_(inputs.t(), inputs, alpha=2 / self.rows)

    def take(self, name: str) -> torch.Tensor:
        """The Hessian of a map, inputs × inputs, which is not kept here any longer."""
        return self.sums.pop(name)


class Curvature(NamedTuple):
    """What a Hessian says: the upper Cholesky factor of its inverse, and which inputs were always zero."""

    factor: torch.Tensor
    dead: torch.Tensor


def curvature_of(hessian: torch.Tensor, where: str) -> Curvature:
    """The curvature of a Hessian, float32, inputs × inputs, which is overwritten.

    As published, dead inputs have 1 on the diagonal, and then 1 % of the diagonal's mean is added to it.
    Raises UserError, which says `where`, when there is no inverse.
    """
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    diagonal += DAMPENING * diagonal.mean()
    try:
        torch.linalg.cholesky(hessian, out=hessian)
        torch.cholesky_inverse(hessian, out=hessian)
        torch.linalg.cholesky(hessian, upper=True, out=hessian)
    except torch.linalg.LinAlgError:
        raise UserError(
            f"calibration: found text on which what goes into {where} has no inverse Hessian; allowed: text "
            "on which hidden states are finite, and more of it"
        ) from None
    return Curvature(hessian, dead)


def settle(
    weights: torch.Tensor, factor: torch.Tensor, ahead: int, final: Callable[[int], torch.Tensor]
) -> None:
    """Give weights, inputs × outputs, their final values in place, one input after the other.

    `final(i)` says those of input `i` (a vector over outputs) and may look at its weights and at all of the
    next multiple of `ahead` inputs, as errors of earlier inputs have left them. The error of each goes to
    the inputs after it: in blocks, which gives the same as going one by one (Frantar et al. 2023).
    """
    for start, end in blocks(len(weights), ahead):
        block, own = weights[start:end], factor[start:end, start:end].contiguous()
        errors = torch.empty_like(block)
        for i, row in enumerate(own):
            value = final(start + i)
            torch.div(block[i] - value, row[i], out=errors[i])
            block[i] = value
            block[i + 1 :].addmm_(row[i + 1 :, None], errors[i : i + 1], alpha=-1)
        weights[end:].addmm_(factor[start:end, end:].t(), errors, alpha=-1)


def blocks(inputs: int, ahead: int) -> list[tuple[int, int]]:
    """Blocks of at most `BLOCK` inputs, the first and the end of each.

    A block has some multiples of `ahead` inputs whole, or lies within one.
    """
    whole = ahead * max(1, BLOCK // ahead)
    starts = [i for first in range(0, inputs, whole) for i in range(first, min(first + whole, inputs), BLOCK)]
    return list(zip(starts, [*starts[1:], inputs], strict=True))
