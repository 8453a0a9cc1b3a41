"""What of a matrix is in scope: all of it, or the rows or columns of one role, or of some heads.

Heads are seen in the outputs of query, key and value, and in the inputs of the output matrix. Families that
store query, key and value in one matrix have them there head by head (query, key and value of the first head,
then of the second) or side by side (all heads' queries, then keys, then values).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from memprune.models.architecture import Architecture
from memprune.models.layout import layout_of
from memprune.models.manifest import Matrix
from memprune.models.outline import Outline
from memprune.models.roles import FUSED, FUSED_ROLES, MATRIX_GROUPS


@dataclass(frozen=True)
class Region:
    """All of a matrix, or some `lines` of it: rows as stored if `axis` is 0, columns if it is 1."""

    matrix: Matrix
    lines: tuple[int, ...] | None = None
    axis: int = 0

    @property
    def weights(self) -> int:
        """How many weights are in scope."""
        if self.lines is None:
            return self.matrix.weights
        return len(self.lines) * self.matrix.shape[1 - self.axis]

    def inside(self, part: slice) -> np.ndarray | None:
        """Which weights of a slice of the flat matrix are in scope, as bool; None: all are."""
        if self.lines is None:
            return None
        columns = self.matrix.shape[1]
        first, end = part.start // columns, -(-part.stop // columns)
        chosen = np.zeros(self.matrix.shape[self.axis], dtype=np.bool_)
        chosen[list(self.lines)] = True
        rows = chosen[first:end, None] if self.axis == 0 else chosen[None, :]
        flat = np.broadcast_to(rows, (end - first, columns)).ravel()
        return flat[part.start - first * columns : part.stop - first * columns]


def stored_roles(architecture: Architecture) -> list[str]:
    """The roles of a model's matrices, in order."""
    return list(layout_of(architecture).roles)


def roles_to_name(architecture: Architecture) -> list[str]:
    """The roles that a strategy can name in a model: its matrices', and those of a fused one's parts.

    How transformers computes with a fused matrix is not known, nor so what its parts are.
    """
    stored = stored_roles(architecture)
    if isinstance(architecture, Outline):
        return stored
    return [role for role in MATRIX_GROUPS["all"] if stored_role(role, architecture) in stored]


def stored_role(role: str, architecture: Architecture) -> str:
    """The role of the matrix in which a model has the weights of a role."""
    parts_known = not isinstance(architecture, Outline)
    return FUSED if parts_known and role in FUSED_ROLES and FUSED in stored_roles(architecture) else role


def region_of(
    matrix: Matrix, role: str, architecture: Architecture, heads: Collection[int] | None
) -> Region | None:
    """What of a matrix is of a role, and of these heads alone (None: of all); None if nothing is."""
    if heads is None and role == matrix.role:
        return Region(matrix)
    lines = own_lines(role, architecture, heads)
    input_first = layout_of(architecture).input_first
    axis = int(input_first if role != "output" else not input_first)
    return Region(matrix, lines, axis) if lines else None


def own_lines(role: str, architecture: Architecture, heads: Collection[int] | None) -> tuple[int, ...]:
    """The lines of a role that are of these heads alone (None: of all), ascending.

    Where heads share key and value, these are a head's alone only together with all that share them.
    """
    lines = lines_by_head(role, architecture)
    share = architecture.heads // len(lines)
    named = range(architecture.heads) if heads is None else heads
    own = [n for n in range(len(lines)) if {*range(n * share, (n + 1) * share)} <= {*named}]
    return tuple(np.sort(lines[own], axis=None).tolist())


def lines_by_head(role: str, architecture: Architecture) -> np.ndarray:
    """The outputs of each head in a role's matrix, or its inputs in the output matrix: heads × lines."""
    a = architecture
    if stored_role(role, a) != FUSED:
        heads = a.key_heads if role in ("key", "value") else a.heads
        return np.arange(heads * a.head_size).reshape(heads, a.head_size)
    fused = np.arange((a.heads + 2 * a.key_heads) * a.head_size).reshape(-1, a.head_size)
    if layout_of(a).interleaved:
        groups = fused.reshape(a.key_heads, -1, a.head_size)
        parts = groups[:, :-2].reshape(a.heads, a.head_size), groups[:, -2], groups[:, -1]
    else:
        parts = np.split(fused, [a.heads, a.heads + a.key_heads])
    if role != FUSED:
        return parts[FUSED_ROLES.index(role)]
    return np.hstack([part.reshape(a.key_heads, -1) for part in parts])
