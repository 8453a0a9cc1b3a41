"""Semi-structured sparsity, n:m: of every m weights along the input n stay, whatever their row.

NVIDIA's sparse tensor cores multiply 2:4 (Mishra et al. 2021). Groups are counted along the inputs that are
in scope.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.methods.by_output import drop_by_output
from memprune.methods.selection import Selection, n_of_m
from memprune.methods.selection_engine import Keys
from memprune.models.architecture import Architecture
from memprune.models.layout import layout_of
from memprune.models.shapes import matrix_shapes
from memprune.variants.regions import Region, own_lines, stored_role
from memprune.variants.scope import scope_of


def drop(packed: Mapping[str, np.ndarray], regions: Sequence[Region], keys: Keys, asked: Asked) -> None:
    """Take the m - n lowest of each group out of the masks."""
    selection = Selection(**asked.settings)
    check_groups(selection, asked.manifest.architecture, asked.manifest.model, asked.strategy)
    kept, size = n_of_m(selection.pattern)
    input_first = layout_of(asked.manifest.architecture).input_first

    def choose(values: np.ndarray) -> np.ndarray:
        return highest_of_groups(values, kept, size)

    for region in regions:
        drop_by_output(packed, region, input_first, keys, choose, asked.threads)


def highest_of_groups(values: np.ndarray, count: int, size: int) -> np.ndarray:
    """Which `count` of every `size` values along a row are the highest of theirs; of equal ones the last."""
    places = np.ascontiguousarray(values.reshape(-1, size).T)  # place in the group × groups
    higher = np.zeros(places.shape, dtype=np.uint8)  # how many of its group stay before each
    for first, second in combinations(range(size), 2):
        stays_before = places[first] > places[second]
        higher[second] += stays_before
        higher[first] += ~stays_before
    return (higher < count).T.reshape(values.shape)


def check_groups(selection: Selection, architecture: Architecture, model: str, strategy: str) -> None:
    """Raise UserError where a row's weights in scope are no whole number of groups."""
    a, shapes = architecture, matrix_shapes(architecture)
    _, size = n_of_m(selection.pattern)
    roles, layers = scope_of(selection, a, model, strategy)
    for role in roles:
        for layer in layers:
            inputs = shapes[stored_role(role, a)][1]
            if role == "output" and selection.heads:
                inputs = len(own_lines(role, a, selection.heads_of(layer)))
            if inputs % size:
                raise UserError(
                    f"strategies.{strategy}.pattern: found {selection.pattern}, but {role} of model {model} "
                    f"has {inputs} inputs in scope, which is no multiple of {size}; leave {role} out, or the "
                    "pattern"
                )
