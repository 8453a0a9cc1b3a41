"""What a strategy prunes in a model: its layers and matrices, and the groups that share a sparsity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memprune.errors import UserError
from memprune.models.manifest import Matrix
from memprune.models.roles import MATRIX_GROUPS


@dataclass(frozen=True)
class Selection:
    """What is pruned and how the sparsity is shared out: the settings that a strategy's masks depend on."""

    roles: tuple[str, ...]
    layers: str | tuple[int, ...]  # "all", "first 25 %", "last 25 %", or layers counted from 0
    allocation: str  # where the sparsity holds: "matrix", "layer" or "global"
    criterion: str  # what ranks the weights: a module of `memprune.criteria`


def layers_in_scope(layers: str | tuple[int, ...], total: int) -> list[int]:
    """The decoder layers that a selection's `layers` names in a model with `total` layers.

    A quarter is rounded half up, and is one layer at least; a list stays as it is.
    """
    if not isinstance(layers, str):
        return list(layers)
    if layers == "all":
        return list(range(total))
    quarter = max(1, math.floor(total / 4 + 0.5))
    return list(range(quarter)) if layers == "first 25 %" else list(range(total - quarter, total))


def scope_of(
    selection: Selection, present: Sequence[str], total: int, model: str, strategy: str
) -> tuple[list[str], list[int]]:
    """The roles and the decoder layers that a strategy prunes in a model.

    The model has matrices of the roles `present` in each of `total` layers. Roles that are one of
    `MATRIX_GROUPS` are those of them that the model has. Raises UserError for a role or a layer that is named
    and that the model lacks, and for a group of which it has nothing.
    """
    layers = layers_in_scope(selection.layers, total)
    roles = [role for role in selection.roles if role in present]
    is_group = set(selection.roles) in map(set, MATRIX_GROUPS.values())
    no_roles = [] if is_group else [role for role in selection.roles if role not in present]
    no_layers = [layer for layer in layers if layer >= total]
    if no_roles or no_layers or not roles:
        lacking = ", ".join([*no_roles, *(f"layer {layer}" for layer in no_layers)])
        if not roles or len(no_layers) == len(layers):
            lacking = "matrix"
        where = selection.layers if isinstance(selection.layers, str) else list(selection.layers)
        raise UserError(
            f"strategies.{strategy}: no {lacking} in model {model}; looked for {', '.join(selection.roles)} "
            f"in layers {where}; the model has {', '.join(present)} in {total} layers, counted from 0"
        )
    return roles, layers


def matrices_in_scope(
    matrices: list[Matrix], selection: Selection, model: str, strategy: str
) -> list[Matrix]:
    """Those of a model's matrices that a strategy prunes, in their order.

    Raises UserError for what is named and the model lacks, and for none.
    """
    present = list(dict.fromkeys(matrix.role for matrix in matrices))
    roles, layers = scope_of(selection, present, matrices[-1].layer + 1, model, strategy)
    return [matrix for matrix in matrices if matrix.role in roles and matrix.layer in layers]


def group_matrices(scope: list[Matrix], allocation: str) -> list[list[Matrix]]:
    """The groups of matrices within which the sparsity holds: each matrix, each layer, or all together."""
    groups: dict[object, list[Matrix]] = {}
    for matrix in scope:
        key = {"matrix": matrix.name, "layer": matrix.layer, "global": "all"}[allocation]
        groups.setdefault(key, []).append(matrix)
    return list(groups.values())
