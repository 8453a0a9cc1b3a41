"""SparseGPT (Frantar and Alistarh 2023): remove weights, and let those of later inputs make up for them.

Of each block of 128 inputs those weights go whose removal costs least, by w² / U_jj² with the factor U of the
inverse Hessian; with a pattern n:m those of each m inputs of an output. Layer by layer: what goes into a
layer comes from the layers before it as already pruned. The change is of kind `values`.

Of each region in scope exactly round(level × weights) become zero: first what is zero already, and what
inputs have that are always zero on the calibration text (all of it, even where that is more); the rest is
shared out among the blocks by how many weights they have left.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import torch

from memprune.methods.asked import Asked
from memprune.methods.by_input import is_input_first
from memprune.methods.hessians import BLOCK, Curvature, settle
from memprune.methods.layers_in_turn import solve_in_turn
from memprune.methods.selection import Selection, n_of_m
from memprune.models.manifest import Matrix
from memprune.variants.changes import About, write_change
from memprune.variants.floats import without_sign
from memprune.variants.regions import Region
from memprune.variants.scope import regions_in_scope


def make(asked: Asked, path: Path) -> None:
    """Prune the regions in scope and write the new weights of their matrices.

    Raises UserError when nothing is in scope.
    """
    selection = Selection(**asked.settings)
    regions: dict[str, list[Region]] = {}
    for region in regions_in_scope(asked.manifest, selection, asked.strategy):
        assert region.lines is None or region.axis == is_input_first(asked.manifest), region  # outputs
        regions.setdefault(region.matrix.name, []).append(region)
    about = About(
        kind="values",
        settings=asked.settings,
        level=asked.level,
        fingerprint=asked.manifest.fingerprint,
        shapes={name: own[0].matrix.shape for name, own in regions.items()},
        remaining={},
        in_scope={name: sum(region.weights for region in own) for name, own in regions.items()},
    )
    write_change(about, tensors(asked, selection, regions, about.remaining, path.parent), path)


def tensors(
    asked: Asked,
    selection: Selection,
    regions: Mapping[str, Sequence[Region]],
    remaining: dict[str, int],
    scratch: Path,
) -> Iterator[tuple[str, np.ndarray]]:
    """The new weights of each matrix with regions in scope; `remaining` gets how many are not zero."""
    levels = levels_of_layers(asked, selection.allocation)

    def solve(matrix: Matrix, weights: torch.Tensor, curvature: Curvature) -> None:
        level = levels.get(matrix.layer, asked.level)
        for region in regions[matrix.name]:
            own = weights if region.lines is None else weights[:, region.lines]
            prune_matrix(own, curvature, round(level * region.weights), selection.pattern)
            if region.lines is not None:
                weights[:, region.lines] = own

    matrices = [own[0].matrix for own in regions.values()]
    for matrix, _, bits in solve_in_turn(asked, matrices, solve, scratch):
        yield matrix.name, bits.ravel()
        remaining[matrix.name] = int(np.count_nonzero(without_sign(bits.copy())))


def levels_of_layers(asked: Asked, allocation: str) -> Mapping[int, float]:
    """The sparsity of each layer that has one of its own."""
    if allocation != "owl":
        return {}
    return import_module("memprune.methods.owl").layer_levels(asked)


def prune_matrix(
    weights: torch.Tensor, curvature: Curvature, pruned: int, pattern: str | None = None
) -> None:
    """Remove `pruned` of some weights, inputs × outputs, float32, and change the others, all in place.

    With a pattern n:m it is those beyond n of each m inputs of an output, however many are asked for.
    """
    removed = (weights == 0) | curvature.dead[:, None]
    weights.masked_fill_(removed, 0)
    diagonal = curvature.factor.diagonal()[:, None]
    kept, ahead = n_of_m(pattern) if pattern else (None, BLOCK)
    quotas = share_out(removed, pruned)

    def final(i: int) -> torch.Tensor:
        if i % ahead == 0:
            own = slice(i, i + ahead)
            costs = (weights[own] / diagonal[own]).square_()
            if kept is None:
                removed[own] |= lowest(costs.masked_fill_(removed[own], torch.inf), quotas[i // ahead])
            else:
                order = costs.masked_fill_(removed[own], -1).argsort(dim=0, stable=True)
                removed[own].scatter_(0, order[: ahead - kept], True)
        return weights[i].masked_fill(removed[i], 0)

    settle(weights, curvature.factor, ahead, final)


def share_out(removed: torch.Tensor, pruned: int) -> list[int]:
    """How many more weights go of each block of inputs, in proportion to those that it has left."""
    left = [int((~block).sum()) for block in removed.split(BLOCK)]
    more = max(0, pruned - int(removed.sum()))
    ends = [round(more * end / max(1, sum(left))) for end in accumulate(left, initial=0)]
    return [end - start for start, end in pairwise(ends)]


def lowest(costs: torch.Tensor, count: int) -> torch.Tensor:
    """Which are the `count` lowest costs, as bool; of equal ones the first in flat order."""
    if count == 0:
        return torch.zeros_like(costs, dtype=torch.bool)
    flat = costs.flatten()
    threshold = flat.kthvalue(count).values
    chosen = flat < threshold
    ties = (flat == threshold).nonzero().flatten()
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen.view_as(costs)
