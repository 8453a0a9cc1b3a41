"""OWL: layers with more outliers are pruned less (Yin et al. 2024, sections 3.2 and 3.3).

A layer's outliers are the weights whose |W| · ‖X‖ exceeds M times the layer's mean. Their shares, scaled to
lie within λ of each other's middle, are what a layer keeps more or less than the level says.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.methods.criteria import wanda
from memprune.methods.rows import drop_in_rows
from memprune.methods.selection import Selection
from memprune.methods.selection_engine import Keys, for_each_slice
from memprune.variants.regions import Region
from memprune.variants.scope import regions_in_scope

M, LAMBDA = 5, 0.08  # the paper's, for LLaMA and OPT


def drop(packed: Mapping[str, np.ndarray], regions: Sequence[Region], keys: Keys, asked: Asked) -> None:
    """Take exactly round(its layer's level × weights of the row in scope) of each row out of the masks."""
    levels = layer_levels(asked)
    for region in regions:
        drop_in_rows(packed, region, keys, levels[region.matrix.layer], asked)


def layer_levels(asked: Asked) -> dict[int, float]:
    """The sparsity of each decoder layer in scope; their mean is the level.

    Raises UserError where one would be below 0 or above 1.
    """
    regions = regions_in_scope(asked.manifest, Selection(**asked.settings), asked.strategy)
    scores = wanda.keys(asked)
    layers = sorted({region.matrix.layer for region in regions})
    shares = {}
    for layer in layers:
        own = [region for region in regions if region.matrix.layer == layer]
        shares[layer] = outlier_share(own, scores, asked.threads)
    levels = dict(zip(layers, rescaled(np.array(list(shares.values())), asked.level), strict=True))
    for layer, level in levels.items():
        print(f"layer {layer}: {100 * shares[layer]:.3f} % outliers, sparsity {level:.4f}", flush=True)
    if min(levels.values()) < 0 or max(levels.values()) > 1:
        raise UserError(
            f"strategies.{asked.strategy}: at level {asked.level} allocation owl asks for sparsities from "
            f"{min(levels.values()):.3f} to {max(levels.values()):.3f}; allowed: a level for which they are "
            f"within 0 and 1, as {2 * LAMBDA} to {1 - 2 * LAMBDA} always is"
        )
    return levels


def rescaled(shares: np.ndarray, level: float) -> list[float]:
    """The sparsity of each layer by its share of outliers: 1 - level is the mean of what layers keep."""
    spread = np.ptp(shares)
    kept = 2 * LAMBDA * (shares - shares.min()) / spread if spread else np.zeros(len(shares))
    return (level + kept.mean() - kept).tolist()


def outlier_share(regions: Sequence[Region], scores: Keys, threads: int) -> float:
    """Which share of some regions' scores exceed M times their mean."""

    def inside(number: int, part: slice) -> np.ndarray:
        values, chosen = scores.of(regions[number].matrix, part), regions[number].inside(part)
        return scores.values(values if chosen is None else values[chosen])

    def total(number: int, part: slice) -> float:
        return inside(number, part).sum(dtype=np.float64)

    def count(number: int, part: slice) -> int:
        return np.count_nonzero(inside(number, part) > threshold)

    weights = sum(region.weights for region in regions)
    threshold = M * sum(own for *_, own in for_each_slice(regions, total, threads)) / weights
    return sum(own for *_, own in for_each_slice(regions, count, threads)) / weights
