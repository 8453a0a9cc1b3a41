"""Compute masks: a criterion ranks the weights, a strategy's selection says where the sparsity holds."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

from memprune.models.manifest import Manifest
from memprune.store.fingerprints import unchanged
from memprune.variants.masks import about_mask, read_bits, write_mask
from memprune.variants.scope import Selection, group_regions, regions_in_scope
from memprune.variants.selection_engine import drop_lowest


def compute_mask(
    manifest: Manifest,
    counted: dict[str, np.ndarray],
    selection: Selection,
    level: float,
    strategy: str,
    threads: int,
) -> dict[str, np.ndarray]:
    """The bit-packed mask of every matrix with weights in scope; of those out of scope none goes.

    Each group has exactly round(level × weights in scope) zeros. `counted` is what the criterion has counted
    of every matrix beforehand, if it does; `strategy` the name of the selection for the UserError that an
    empty scope raises.
    """
    keys = import_module(f"memprune.variants.criteria.{selection.criterion}").keys(manifest, selection.seed)
    regions = regions_in_scope(manifest, selection, strategy)
    packed = {region.matrix.name: all_kept(region.matrix.weights) for region in regions}
    for group in group_regions(regions, selection.allocation):
        pruned = round(level * sum(region.weights for region in group))
        drop_lowest(packed, group, keys, counted, pruned, threads)
    return packed


def make_mask(
    manifest: Manifest,
    counted: dict[str, np.ndarray],
    selection: Selection,
    level: float,
    strategy: str,
    threads: int,
    path: Path,
) -> None:
    """Compute a mask (see `compute_mask`) and write it with what it was made from.

    Raises UserError when the weights' files are not those of the manifest.
    """
    with unchanged(manifest.weights):
        packed = compute_mask(manifest, counted, selection, level, strategy, threads)
    shapes = {matrix.name: matrix.shape for matrix in manifest.matrices}
    write_mask(packed, shapes, described(manifest, selection, level, strategy), path)


def all_kept(weights: int) -> np.ndarray:
    """The bit-packed mask of a matrix of which no weight goes."""
    packed = np.full((weights + 7) // 8, 0xFF, dtype=np.uint8)
    packed[-1] >>= -weights % 8
    return packed


def described(manifest: Manifest, selection: Selection, level: float, strategy: str) -> dict:
    """What a mask's file tells of it, as JSON values; `in_scope` has each matrix' weights in scope."""
    in_scope: Counter[str] = Counter()
    for region in regions_in_scope(manifest, selection, strategy):
        in_scope[region.matrix.name] += region.weights
    return {
        "selection": selection.settings,
        "level": level,
        "fingerprint": manifest.fingerprint,
        "in_scope": in_scope,
    }


def mask_statistics(manifest: Manifest, path: str | Path) -> list[dict]:
    """Zeros of every prunable matrix of the model, recounted from the mask's file.

    Rows of matrix, role, layer, weights, zeros, sparsity (zeros / weights). Matrices out of scope have none.
    """
    kept = {name: int(np.bitwise_count(read_bits(path, name)).sum()) for name in about_mask(path)["kept"]}
    rows = []
    for m in manifest.matrices:
        zeros = m.weights - kept.get(m.name, m.weights)
        row = {"matrix": m.name, "role": m.role, "layer": m.layer, "weights": m.weights, "zeros": zeros}
        rows.append({**row, "sparsity": zeros / m.weights})
    return rows
