"""The magnitude criterion: exact histograms of |weight|, and the pruning of all weights up to a threshold.

A float's magnitude orders as the integer of its bits without the sign. In 16 bits that is 32,768 values,
counted exactly in one pass. Of float32's 31 bits the upper 16 are counted first (65,536 bins); the lower 15
only within the one bin that a threshold falls into. So the selection is exact and needs no sort and no
copy of the weights.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from memprune.errors import UserError
from memprune.manifest import Manifest, Matrix
from memprune.weights import read_matrix

SLICE = 2**22  # weights looked at at one time: all that selection needs of memory beyond the mask's bits
BITS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
}
LOW_BITS = {torch.float16: 0, torch.bfloat16: 0, torch.float32: 15}
BINS = {torch.float16: 2**15, torch.bfloat16: 2**15, torch.float32: 2**16}
FIRST_NON_FINITE = {
    dtype: int(torch.tensor(torch.inf, dtype=dtype).view(BITS[dtype])) >> LOW_BITS[dtype] for dtype in BITS
}


@dataclass(frozen=True)
class Threshold:
    """All magnitudes (as integers of their bits) below `magnitude` go, and the first `ties` that equal it."""

    magnitude: int
    ties: int


def count(manifest: Manifest) -> dict[str, np.ndarray]:
    """The exact histogram of magnitudes of every prunable matrix (int64, see `histogram`).

    Raises UserError when a matrix has a weight that is not finite.
    """
    histograms = {}
    for matrix in manifest.matrices:
        counts = histogram(read_matrix(manifest, matrix))
        if not is_finite(counts, getattr(torch, manifest.dtype)):
            raise UserError(
                f"models.{manifest.model}: {matrix.name} has weights that are infinite or not a number; "
                "expected finite weights"
            )
        histograms[matrix.name] = counts.numpy()
    return histograms


def prune(
    manifest: Manifest, histograms: dict[str, np.ndarray], group: list[Matrix], pruned: int
) -> dict[str, np.ndarray]:
    """The bit-packed masks of a group of matrices, of which the `pruned` smallest weights go.

    Of weights equal to the threshold the first go, in the manifest's order of matrices and the flat order in
    each, so a mask is the same on every machine.
    """
    counts = torch.from_numpy(sum(histograms[matrix.name] for matrix in group))
    threshold = find_threshold(counts, pruned, (read_matrix(manifest, matrix) for matrix in group))
    packed = {}
    for matrix in group:
        packed[matrix.name], used = keep(read_matrix(manifest, matrix), threshold)
        threshold = replace(threshold, ties=threshold.ties - used)
    return packed


def magnitudes(weights: torch.Tensor) -> Iterator[torch.Tensor]:
    """The magnitudes of a matrix in flat order, as integers of their bits, in slices of int32."""
    flat = weights.reshape(-1).view(BITS[weights.dtype])
    mask = torch.iinfo(flat.dtype).max
    for piece in flat.split(SLICE):
        yield (piece & mask).to(torch.int32)


def histogram(weights: torch.Tensor) -> torch.Tensor:
    """How many weights fall into each bin of (upper bits of) magnitude: int64, `BINS` entries."""
    low, bins = LOW_BITS[weights.dtype], BINS[weights.dtype]
    counts = torch.zeros(bins, dtype=torch.int64)
    for piece in magnitudes(weights):
        counts += torch.bincount(piece >> low, minlength=bins)
    return counts


def is_finite(counts: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether no weight in a histogram is infinite or not a number."""
    return not counts[FIRST_NON_FINITE[dtype] :].any()


def find_threshold(counts: torch.Tensor, pruned: int, group: Iterable[torch.Tensor]) -> Threshold:
    """The threshold under which exactly `pruned` weights of a group go, ties included.

    `counts` is the group's histogram (the sum over its matrices). `group` gives the group's matrices; it is
    read only in float32, to count the lower bits within one bin.
    """
    bin_, before = locate(counts, pruned)
    if len(counts) == 2**15:
        return Threshold(bin_, pruned - before)
    low_counts = torch.zeros(2**15, dtype=torch.int64)
    for weights in group:
        for piece in magnitudes(weights):
            low_counts += torch.bincount(piece[(piece >> 15) == bin_] & 0x7FFF, minlength=2**15)
    low, low_before = locate(low_counts, pruned - before)
    return Threshold((bin_ << 15) + low, pruned - before - low_before)


def locate(counts: torch.Tensor, rank: int) -> tuple[int, int]:
    """The bin that holds the weight of this rank (from 1), and how many weights lie in the bins before it."""
    cumulative = counts.cumsum(0)
    bin_ = int(torch.searchsorted(cumulative, max(rank, 1)))
    return bin_, int(cumulative[bin_] - counts[bin_])


def keep(weights: torch.Tensor, threshold: Threshold) -> tuple[np.ndarray, int]:
    """The bit-packed mask of one matrix (1 = kept), and how many ties it has used.

    The mask is uint8 in the order of the flat matrix, lowest bit first. Ties go in flat order.
    """
    packed, used = [], 0
    for piece in magnitudes(weights):
        kept = piece >= threshold.magnitude
        if used < threshold.ties:
            tied = torch.nonzero(piece == threshold.magnitude)[: threshold.ties - used, 0]
            kept[tied] = False
            used += len(tied)
        packed.append(np.packbits(kept.numpy(), bitorder="little"))
    return np.concatenate(packed), used
