"""The magnitude criterion: exact histograms of |weight|, and the pruning of all weights up to a threshold.

A float's magnitude orders as the integer of its bits without the sign. In 16 bits that is 32,768 values,
counted exactly in one pass. Of float32's 31 bits the upper 16 are counted first (65,536 bins); the lower 15
only within the one bin that a threshold falls into. So the selection is exact and needs no sort and no
copy of the weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.models.weights import Tensor, for_each_slice, read_tensors, slices

LOW_BITS = {"float16": 0, "bfloat16": 0, "float32": 15}
BINS = {"float16": 2**15, "bfloat16": 2**15, "float32": 2**16}
NONE = np.empty(0, dtype=np.int64)
INFINITE = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000 >> 15}  # the first bin not finite


@dataclass(frozen=True)
class Threshold:
    """Of a matrix go all magnitudes (as integers) below `magnitude`, and the first `ties` that equal it."""

    magnitude: int
    ties: int


def count(manifest: Manifest, threads: int) -> dict[str, np.ndarray]:
    """The exact histogram of magnitudes of every prunable matrix: int64, `BINS` of its dtype.

    Raises UserError when a matrix has a weight that is not finite.
    """
    tensors = read_tensors(manifest)
    histograms = histograms_of({matrix.name: tensors[matrix.name] for matrix in manifest.matrices}, threads)
    for name, counts in histograms.items():
        if counts[INFINITE[manifest.dtype] :].any():
            raise UserError(
                f"models.{manifest.model}: {name} has weights that are infinite or not a number; "
                "expected finite weights"
            )
    return histograms


def histograms_of(tensors: dict[str, Tensor], threads: int) -> dict[str, np.ndarray]:
    """The histogram over (the upper bits of) the magnitudes of each tensor: int64, `BINS` of its dtype."""
    import torch  # its bincount takes 16-bit integers and leaves the interpreter to other threads

    torch.set_num_threads(1)

    def count_slice(tensor: Tensor, part: slice, bits: np.ndarray) -> np.ndarray:
        values = magnitudes(bits) >> LOW_BITS[tensor.dtype]
        signed = torch.from_numpy(values.view(f"i{values.itemsize}"))
        return signed.bincount(minlength=BINS[tensor.dtype]).numpy()

    return sums_by_tensor(tensors, count_slice, threads)


def prune(
    tensors: dict[str, Tensor], histograms: dict[str, np.ndarray], pruned: int, threads: int
) -> dict[str, np.ndarray]:
    """The bit-packed masks (1 = kept) of tensors of which the `pruned` smallest magnitudes go together.

    Masks are uint8 in the order of the flat tensor, lowest bit first. Of weights equal to the threshold the
    first go, in the order of the tensors and the flat order in each, so a mask is the same on every machine.
    """
    thresholds = find_thresholds(tensors, histograms, pruned, threads)
    packed = {name: np.empty((tensor.size + 7) // 8, dtype=np.uint8) for name, tensor in tensors.items()}
    names = {tensor: name for name, tensor in tensors.items()}

    def keep_slice(tensor: Tensor, part: slice, bits: np.ndarray) -> tuple[str, np.ndarray]:
        name, values = names[tensor], magnitudes(bits)
        kept = np.packbits(values >= thresholds[name].magnitude, bitorder="little")
        packed[name][part.start // 8 : (part.stop + 7) // 8] = kept
        ties = np.flatnonzero(values == thresholds[name].magnitude) if left[name] else NONE
        return name, part.start + ties

    left = {name: threshold.ties for name, threshold in thresholds.items()}
    for name, ties in for_each_slice(tensors.values(), keep_slice, threads):
        if left[name]:
            drop(packed[name], ties[: left[name]])
            left[name] -= len(ties[: left[name]])
    return packed


def find_thresholds(
    tensors: dict[str, Tensor], histograms: dict[str, np.ndarray], pruned: int, threads: int
) -> dict[str, Threshold]:
    """The threshold of each tensor under which exactly `pruned` weights of all go; one at most has ties."""
    counts = {name: histograms[name] for name in tensors}
    bin_, ties = locate(sum(counts.values()), pruned)
    magnitude, low_bits = bin_, LOW_BITS[next(iter(tensors.values())).dtype]
    if low_bits:
        counts = low_histograms(tensors, magnitude, low_bits, threads)
        bin_, ties = locate(sum(counts.values()), ties)
        magnitude = (magnitude << low_bits) + bin_
    thresholds = {}
    for name in tensors:
        equal = int(counts[name][bin_])
        thresholds[name] = Threshold(magnitude + 1, 0) if equal <= ties else Threshold(magnitude, ties)
        ties -= min(equal, ties)
    return thresholds


def low_histograms(
    tensors: dict[str, Tensor], bin_: int, low_bits: int, threads: int
) -> dict[str, np.ndarray]:
    """The histogram over the lower bits of those magnitudes of each tensor whose upper bits are `bin_`."""

    def count_slice(tensor: Tensor, part: slice, bits: np.ndarray) -> np.ndarray:
        values = magnitudes(bits)
        inside = values[(values >> low_bits) == bin_] & (2**low_bits - 1)
        return np.bincount(inside, minlength=2**low_bits)

    return sums_by_tensor(tensors, count_slice, threads)


def sums_by_tensor(tensors: dict[str, Tensor], count_slice: Callable, threads: int) -> dict[str, np.ndarray]:
    """The sum of what `count_slice` counts in the slices of each tensor."""
    sums: dict[str, np.ndarray] = {}
    names = (name for name, tensor in tensors.items() for _ in slices(tensor))
    for name, counts in zip(names, for_each_slice(tensors.values(), count_slice, threads), strict=True):
        sums[name] = sums[name] + counts if name in sums else counts
    return sums


def locate(counts: np.ndarray, rank: int) -> tuple[int, int]:
    """The bin that holds the weight of this rank (from 1), and the rank within the bin."""
    cumulative = counts.cumsum()
    bin_ = int(np.searchsorted(cumulative, max(rank, 1)))
    return bin_, rank - int(cumulative[bin_] - counts[bin_])


def drop(packed: np.ndarray, positions: np.ndarray) -> None:
    """Take weights at some positions of the flat matrix out of its mask."""
    np.bitwise_and.at(packed, positions // 8, ~(1 << positions % 8).astype(np.uint8))


def magnitudes(bits: np.ndarray) -> np.ndarray:
    """The magnitudes of floats given by their bits, in place: the integers without the sign."""
    return np.bitwise_and(bits, np.iinfo(bits.dtype).max >> 1, out=bits)
