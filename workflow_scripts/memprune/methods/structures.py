"""Structured sparsity: whole heads, neurons or layers go, those with the lowest mean over their weights.

A head has its rows of query, key and value, and its columns of the output matrix; heads that share key and
value are one structure together. A neuron has its rows of up and gate, and its column of down. A layer has
all its matrices. Of each only what is in scope counts and goes; biases stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.methods.selection import Selection
from memprune.methods.selection_engine import Keys, for_each_slice
from memprune.models.architecture import Architecture
from memprune.models.layout import layout_of
from memprune.models.manifest import Manifest, Matrix
from memprune.models.roles import MLP
from memprune.variants.computed_here import check_decoder
from memprune.variants.regions import Region, lines_by_head, own_lines, stored_role
from memprune.variants.scope import scope_of


@dataclass(frozen=True)
class Share:
    """What each structure of a layer has of a matrix: `lines`, structures × lines.

    They are rows as stored if `axis` is 0, columns if it is 1.
    """

    matrix: Matrix
    lines: np.ndarray
    axis: int

    @property
    def weights(self) -> int:
        """How many weights of the matrix each structure has."""
        return self.lines.shape[1] * self.matrix.shape[1 - self.axis]


def drop(packed: Mapping[str, np.ndarray], regions: Sequence[Region], keys: Keys, asked: Asked) -> None:
    """Take exactly round(level × structures) out of the masks, of each layer or of all layers together.

    Those with the lowest mean value go, of equal ones the first.
    """
    selection = Selection(**asked.settings)
    shares = shares_of_layers(asked.manifest, selection, asked.strategy)
    scores = {layer: score(own, keys, asked.threads) for layer, own in shares.items()}
    alone = [[layer] for layer in scores] if selection.allocation == "layer" else [list(scores)]
    for layers in alone:
        together = np.concatenate([scores[layer] for layer in layers])
        goes = np.zeros(len(together), dtype=np.bool_)
        goes[np.argsort(together, kind="stable")[: round(asked.level * len(together))]] = True
        ends = np.cumsum([len(scores[layer]) for layer in layers])
        for layer, own in zip(layers, np.split(goes, ends[:-1]), strict=True):
            print(f"layer {layer}: {own.sum()} of {len(own)} {selection.pattern} are removed", flush=True)
            for share in shares[layer]:
                drop_lines(packed[share.matrix.name], share, own, asked.threads)


def shares_of_layers(manifest: Manifest, selection: Selection, strategy: str) -> dict[int, list[Share]]:
    """What the structures in scope have of each matrix in scope, by layer.

    Raises UserError where none is whole in scope.
    """
    a = manifest.architecture
    check_decoder(a, manifest.model, f"strategies.{strategy}.pattern", selection.pattern)
    roles, layers = scope_of(selection, a, manifest.model, strategy)
    shares: dict[int, list[Share]] = {}
    for matrix in manifest.matrices:
        for role in roles:
            if matrix.layer in layers and stored_role(role, a) == matrix.role:
                lines = lines_of(role, selection, a, matrix.layer)
                if lines.size:
                    shares.setdefault(matrix.layer, []).append(Share(matrix, lines, axis_of(role, a)))
    if not shares:
        raise UserError(
            f"strategies.{strategy}.heads: found no head that shares its key and value with named heads "
            f"alone in model {manifest.model}; name all {a.heads // a.key_heads} that share them"
        )
    return shares


def lines_of(role: str, selection: Selection, architecture: Architecture, layer: int) -> np.ndarray:
    """The lines of a role that each structure of a layer has, structures × lines."""
    a = architecture
    if selection.pattern == "layers":
        return np.array([own_lines(role, a, None) if role not in MLP else range(a.intermediate)])
    if selection.pattern == "neurons":
        return np.arange(a.intermediate)[:, None]
    lines, share = lines_by_head(role, a).reshape(a.key_heads, -1), a.heads // a.key_heads
    named = selection.heads_of(layer)
    if named is None:
        return lines
    return lines[[{*range(n * share, (n + 1) * share)} <= named for n in range(a.key_heads)]]


def axis_of(role: str, architecture: Architecture) -> int:
    """Along which axis, as stored, a role's lines lie: outputs, or inputs of what reads heads or neurons."""
    input_first = layout_of(architecture).input_first
    return int(input_first if role not in ("output", "down") else not input_first)


def score(shares: Sequence[Share], keys: Keys, threads: int) -> np.ndarray:
    """The mean value of the weights of each of a layer's structures, float64."""
    sums = [sums_of_lines(share, keys, threads)[share.lines].sum(axis=1) for share in shares]
    return np.sum(sums, axis=0) / sum(share.weights for share in shares)


def sums_of_lines(share: Share, keys: Keys, threads: int) -> np.ndarray:
    """The sums of the values of each of a matrix' lines, float64."""
    matrix, sums = share.matrix, np.zeros(share.matrix.shape[share.axis])
    columns = matrix.shape[1]

    def sum_slice(_: int, part: slice) -> np.ndarray:
        first, end = part.start // columns, -(-part.stop // columns)
        rows = np.zeros((end - first) * columns, dtype=np.float32)
        start = part.start - first * columns
        rows[start : start + part.stop - part.start] = keys.values(keys.of(matrix, part))
        return rows.reshape(-1, columns).sum(axis=1 - share.axis, dtype=np.float64)

    for _, part, own in for_each_slice([Region(matrix)], sum_slice, threads):
        first = 0 if share.axis else part.start // columns
        sums[first : first + len(own)] += own
    return sums


def drop_lines(mask: np.ndarray, share: Share, goes: np.ndarray, threads: int) -> None:
    """Take the lines of those structures that go out of a matrix' mask."""
    if not goes.any():
        return
    gone = Region(share.matrix, tuple(share.lines[goes].ravel().tolist()), share.axis)

    def keep_slice(_: int, part: slice) -> np.ndarray:
        return np.packbits(~gone.inside(part), bitorder="little")

    for _, part, kept in for_each_slice([gone], keep_slice, threads):
        mask[part.start // 8 : (part.stop + 7) // 8] &= kept
