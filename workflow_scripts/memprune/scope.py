"""What a strategy prunes in a model: its layers and matrices, and the groups that share a sparsity."""

import math
from dataclasses import dataclass

from memprune.errors import UserError
from memprune.manifest import Matrix

MATRIX_GROUPS = {
    "all": ("query_key_value", "query", "key", "value", "output", "up", "gate", "down"),
    "attention": ("query_key_value", "query", "key", "value", "output"),
    "mlp": ("up", "gate", "down"),
}


@dataclass(frozen=True)
class Selection:
    """What is pruned and how the sparsity is shared out: the settings that a strategy's masks depend on."""

    roles: tuple[str, ...]
    layers: str | tuple[int, ...]  # "all", "first 25 %", "last 25 %", or layers counted from 0
    allocation: str  # where the sparsity holds: "matrix", "layer" or "global"
    criterion: str  # what ranks the weights: a module of `memprune.criteria`


def layers_in_scope(layers: str | tuple[int, ...], total: int) -> list[int]:
    """The decoder layers that a selection's `layers` names in a model with `total` layers.

    A quarter is rounded half up, and is one layer at least.
    """
    if layers == "all":
        return list(range(total))
    if not isinstance(layers, str):
        return [layer for layer in layers if layer < total]
    quarter = max(1, math.floor(total / 4 + 0.5))
    return list(range(quarter)) if layers == "first 25 %" else list(range(total - quarter, total))


def matrices_in_scope(
    matrices: list[Matrix], selection: Selection, model: str, strategy: str
) -> list[Matrix]:
    """Those of a model's matrices that a strategy prunes, in their order.

    Raises UserError for none, which names the strategy and the model.
    """
    total = matrices[-1].layer + 1
    layers = set(layers_in_scope(selection.layers, total))
    scope = [m for m in matrices if m.role in selection.roles and m.layer in layers]
    if not scope:
        present = list(dict.fromkeys(m.role for m in matrices))
        where = selection.layers if isinstance(selection.layers, str) else list(selection.layers)
        raise UserError(
            f"strategies.{strategy}: no matrix in model {model}; looked for {', '.join(selection.roles)} "
            f"in layers {where}; the model has {', '.join(present)} in {total} layers"
        )
    return scope


def group_matrices(scope: list[Matrix], allocation: str) -> list[list[Matrix]]:
    """The groups of matrices within which the sparsity holds: each matrix, each layer, or all together."""
    groups: dict[object, list[Matrix]] = {}
    for matrix in scope:
        key = {"matrix": matrix.name, "layer": matrix.layer, "global": "all"}[allocation]
        groups.setdefault(key, []).append(matrix)
    return list(groups.values())
