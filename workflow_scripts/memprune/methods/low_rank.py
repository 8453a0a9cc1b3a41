"""Low rank: each matrix in scope becomes a product of two, by a truncated singular value decomposition.

Of W (outputs × inputs) the product of rank r with the least error, weighted by how large each input is, is
U Uᵀ W, where U are the first r left singular vectors of W · diag(s), and s is the root of each input's sum of
squares on calibration text. Where no s is 0 that is (W · diag(s))ᵣ · diag(s)⁻¹, as ASVD has it (Yuan et al.
2023, arXiv 2312.05821, whose scales are powers of mean magnitudes). Without weighting s is 1, and the product
is the truncated decomposition of W itself. An input that was always 0 counts for nothing in U, and nothing is
divided by its s.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from memprune.methods.activations import read_activations
from memprune.methods.asked import Asked
from memprune.methods.ranks import rank_at
from memprune.models.layout import layout_of
from memprune.models.weights import BYTES
from memprune.variants.changes import About, write_change
from memprune.variants.floats import to_bits, to_float32
from memprune.variants.scope import Scope, matrices_in_scope
from memprune.variants.weights_of_variant import weights_of_variant


def make(asked: Asked, path: Path) -> None:
    """Write the factors of every matrix in scope, one matrix in memory at a time.

    The level is the share of the scope's parameters that is removed at least: see `rank_at`. Raises UserError
    for one that leaves no rank, and for a part of a fused matrix.
    """
    manifest, settings = asked.manifest, asked.settings
    matrices = matrices_in_scope(manifest, Scope(**settings["scope"]), asked.strategy)
    ranks = {m.name: rank_at(asked.level, m.shape, asked.strategy) for m in matrices}
    about = About(
        kind="factors",
        settings=settings,
        level=asked.level,
        fingerprint=manifest.fingerprint,
        shapes={m.name: m.shape for m in matrices},
        remaining={m.name: ranks[m.name] * sum(m.shape) for m in matrices},
        storage={m.name: (8 * BYTES[manifest.dtype], 0) for m in matrices},
        in_scope={m.name: m.weights for m in matrices},
    )
    write_change(about, factors(asked, ranks), path)


def factors(asked: Asked, ranks: dict[str, int]) -> Iterator[tuple[str, np.ndarray]]:
    """The two factors of each matrix, as stored, by the names that their file has: bits in its dtype."""
    dtype, weights = asked.manifest.dtype, weights_of_variant(asked.manifest, asked.before)
    input_first = layout_of(asked.manifest.architecture).input_first
    sums = read_activations(asked.inputs["activations"]) if "activations" in asked.inputs else None
    torch.set_num_threads(asked.threads)
    for name, rank in ranks.items():
        matrix = torch.from_numpy(to_float32(weights.bits(name), dtype))
        scales = None if sums is None else torch.from_numpy(sums[name]).sqrt()
        left, right = factored(matrix.T if input_first else matrix, rank, scales)
        left, right = (right.T, left.T) if input_first else (left, right)
        yield f"{name}.left", to_bits(left.numpy(), dtype)
        yield f"{name}.right", to_bits(right.numpy(), dtype)


def factored(
    matrix: torch.Tensor, rank: int, scales: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of a matrix, outputs × rank and rank × inputs, with errors weighted by inputs' scales.

    The matrix and its factors are float32. Each rank's two vectors are of one length, so that float16 holds
    them.
    """
    weighted = matrix if scales is None else matrix * scales
    left = torch.linalg.svd(weighted, full_matrices=False).U[:, :rank]
    right = left.T @ matrix
    lengths = torch.linalg.vector_norm(right, dim=1)
    balance = torch.where(lengths > 0, lengths, 1).sqrt()
    return left * balance, right / balance[:, None]
