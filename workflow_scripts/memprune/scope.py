"""What a strategy prunes in a model: its layers and matrices, and the groups that share a sparsity."""

import math

from memprune.checkpoint import Matrix
from memprune.config import Strategy
from memprune.errors import UserError


def layers_in_scope(layers: str | list[int], total: int) -> list[int]:
    """The decoder layers that a strategy's `layers` names in a model with `total` layers.

    A quarter is rounded half up, and is one layer at least.
    """
    if layers == "all":
        return list(range(total))
    if isinstance(layers, list):
        return [layer for layer in sorted(set(layers)) if layer < total]
    quarter = max(1, math.floor(total / 4 + 0.5))
    return list(range(quarter)) if layers == "first 25 %" else list(range(total - quarter, total))


def matrices_in_scope(matrices: list[Matrix], model: str, name: str, strategy: Strategy) -> list[Matrix]:
    """Those of a model's matrices that a strategy prunes, in their order. Raises UserError for none."""
    total = matrices[-1].layer + 1
    layers = set(layers_in_scope(strategy.layers, total))
    scope = [m for m in matrices if m.role in strategy.roles and m.layer in layers]
    if not scope:
        roles = list(dict.fromkeys(m.role for m in matrices))
        raise UserError(
            f"strategies.{name}: no matrix in model {model}; looked for {', '.join(strategy.roles)} "
            f"in layers {strategy.layers}; the model has {', '.join(roles)} in {total} layers"
        )
    return scope


def group_matrices(scope: list[Matrix], allocation: str) -> list[list[Matrix]]:
    """The groups of matrices within which the sparsity holds: each matrix, each layer, or all together."""
    groups: dict[object, list[Matrix]] = {}
    for matrix in scope:
        key = {"matrix": matrix.name, "layer": matrix.layer, "global": "all"}[allocation]
        groups.setdefault(key, []).append(matrix)
    return list(groups.values())
