"""What of a model a strategy changes: its layers, matrices and heads."""

import math
from dataclasses import asdict, dataclass

from memprune.errors import UserError
from memprune.models.architecture import Architecture
from memprune.models.manifest import Manifest, Matrix
from memprune.models.roles import MATRIX_GROUPS
from memprune.variants.computed_here import check_decoder
from memprune.variants.regions import Region, own_lines, region_of, roles_to_name, stored_role, stored_roles


@dataclass(frozen=True)
class Scope:
    """Which weights of a model a strategy changes."""

    roles: tuple[str, ...]
    layers: str | tuple[int, ...]  # "all", "first 25 %", "last 25 %", or layers counted from 0
    heads: tuple[tuple[int, int], ...] = ()  # layer and head, counted from 0; none: whole matrices

    @property
    def settings(self) -> dict:
        """The same as JSON values, without what does not apply."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def heads_of(self, layer: int) -> set[int] | None:
        """The heads that are named of a layer; None where none of any is."""
        return {head for own, head in self.heads if own == layer} if self.heads else None


def layers_in_scope(scope: Scope, total: int) -> list[int]:
    """The decoder layers that a selection names in a model with `total` layers.

    A quarter is rounded half up, and is one layer at least; a list stays as it is.
    """
    if scope.heads:
        return sorted({layer for layer, _ in scope.heads})
    if not isinstance(scope.layers, str):
        return list(scope.layers)
    if scope.layers == "all":
        return list(range(total))
    quarter = max(1, math.floor(total / 4 + 0.5))
    return list(range(quarter)) if scope.layers == "first 25 %" else list(range(total - quarter, total))


def scope_of(
    scope: Scope, architecture: Architecture, model: str, strategy: str
) -> tuple[list[str], list[int]]:
    """The roles and the decoder layers that a strategy prunes in a model.

    Roles that are one of `MATRIX_GROUPS` are those of them that the model's matrices have. Raises UserError
    for a role, a layer or a head that is named and that the model lacks, and when nothing is in scope.
    """
    check_heads(scope, architecture, model, strategy)
    total, layers = architecture.layers, layers_in_scope(scope, architecture.layers)
    is_group = set(scope.roles) in map(set, MATRIX_GROUPS.values())
    to_name = roles_to_name(architecture)
    present = stored_roles(architecture) if is_group else to_name
    roles = [role for role in scope.roles if role in present]
    no_roles = [] if is_group else [role for role in scope.roles if role not in present]
    no_layers = [layer for layer in layers if layer >= total]
    if no_roles or no_layers or not roles:
        lacking = ", ".join([*no_roles, *(f"layer {layer}" for layer in no_layers)])
        if not roles or len(no_layers) == len(layers):
            lacking = "matrix"
        where = scope.layers if isinstance(scope.layers, str) else list(scope.layers)
        raise UserError(
            f"strategies.{strategy}: no {lacking} in model {model}; looked for {', '.join(scope.roles)} "
            f"in layers {where}; the model has {', '.join(to_name)} in {total} layers, counted from 0"
        )
    if scope.heads and not any(
        own_lines(role, architecture, scope.heads_of(layer)) for role in roles for layer in layers
    ):
        raise UserError(
            f"strategies.{strategy}.heads: found heads of model {model} that share {' and '.join(roles)} "
            f"with others; name all {architecture.heads // architecture.key_heads} that share them"
        )
    return roles, layers


def check_heads(scope: Scope, architecture: Architecture, model: str, strategy: str) -> None:
    """Raise UserError for a head that the model lacks."""
    a = architecture
    if scope.heads:
        check_decoder(a, model, f"strategies.{strategy}.heads", "heads")
    for layer, head in scope.heads:
        if layer >= a.layers or head >= a.heads:
            raise UserError(
                f"strategies.{strategy}.heads: found [{layer}, {head}], allowed in model {model}: "
                f"layers 0 to {a.layers - 1}, heads 0 to {a.heads - 1}"
            )


def regions_in_scope(manifest: Manifest, scope: Scope, strategy: str) -> list[Region]:
    """What a strategy prunes of a model's matrices, in their order, and in each in the order of roles.

    Raises UserError for what is named and the model lacks, and for none.
    """
    a = manifest.architecture
    roles, layers = scope_of(scope, a, manifest.model, strategy)
    regions = [
        region_of(matrix, role, a, scope.heads_of(matrix.layer))
        for matrix in manifest.matrices
        if matrix.layer in layers
        for role in roles
        if stored_role(role, a) == matrix.role
    ]
    return [region for region in regions if region is not None]


def matrices_in_scope(manifest: Manifest, scope: Scope, strategy: str) -> list[Matrix]:
    """The matrices of a scope, for methods that change no part of one; raises UserError as `check_whole`."""
    check_whole(scope, manifest.architecture, manifest.model, strategy)
    return [region.matrix for region in regions_in_scope(manifest, scope, strategy)]


def check_whole(scope: Scope, architecture: Architecture, model: str, strategy: str) -> None:
    """Raise UserError where a scope has a part of a matrix that is stored fused, or lacks what it names."""
    for role in scope_of(scope, architecture, model, strategy)[0]:
        if (stored := stored_role(role, architecture)) != role:
            raise UserError(
                f"strategies.{strategy}.matrices: found {role}, which model {model} stores within {stored}; "
                f"allowed: {', '.join(stored_roles(architecture))}"
            )
