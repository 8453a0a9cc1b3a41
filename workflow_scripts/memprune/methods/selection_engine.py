"""Exact selection: of weights that a criterion ranks by integer keys, the lowest go.

Keys of at most 16 bits are counted exactly in one pass. Of longer ones the upper 16 bits are counted first,
the lower ones only within the one bin that the threshold falls into. So the selection needs no sort and no
copy of the weights or keys.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from memprune.models.manifest import Matrix
from memprune.models.weights import slices
from memprune.variants.regions import Region

UPPER = 16  # bits that are counted in one pass, at most
NONE = np.empty(0, dtype=np.int64)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Keys:
    """What ranks weights: unsigned integers of so many bits, of which the lowest go.

    `of` gives those of a slice of a flat matrix; they are overwritten when the same thread asks again.
    `values` gives the numbers that some keys stand for, in the same order.
    `counted` has what `histograms` gives of whole matrices, by name, as far as that is known.
    """

    bits: int
    of: Callable[[Matrix, slice], np.ndarray]
    values: Callable[[np.ndarray], np.ndarray]
    counted: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def low_bits(self) -> int:
        """How many bits the first pass leaves to the second."""
        return max(self.bits - UPPER, 0)


@dataclass(frozen=True)
class Threshold:
    """Of a region go all keys below `key`, and the first `ties` that equal it."""

    key: int
    ties: int


def drop_lowest(
    packed: Mapping[str, np.ndarray],
    regions: Sequence[Region],
    keys: Keys,
    pruned: int,
    threads: int,
) -> None:
    """Take the `pruned` weights of the lowest keys in some regions together out of their matrices' masks.

    `packed` has each matrix' mask, changed in place: uint8 in the order of the flat matrix, lowest bit first,
    1 = kept. Of keys equal to the threshold the first go, in the order of the regions and the flat order in
    each, so a mask is the same on every machine.
    """
    thresholds = find_thresholds(regions, keys, pruned, threads)
    left = [threshold.ties for threshold in thresholds]

    def keep_slice(number: int, part: slice) -> tuple[np.ndarray, np.ndarray]:
        values, inside = keys.of(regions[number].matrix, part), regions[number].inside(part)
        key, ties = thresholds[number].key, NONE
        kept = values >= key
        if inside is not None:
            kept |= ~inside
        if left[number]:
            equal = values == key if inside is None else (values == key) & inside
            ties = part.start + np.flatnonzero(equal)
        return np.packbits(kept, bitorder="little"), ties

    # Regions may share a byte: only here, in one thread, are masks changed.
    for number, part, (kept, ties) in for_each_slice(regions, keep_slice, threads):
        mask = packed[regions[number].matrix.name]
        mask[part.start // 8 : (part.stop + 7) // 8] &= kept
        drop(mask, ties[: left[number]])
        left[number] -= len(ties[: left[number]])


def find_thresholds(regions: Sequence[Region], keys: Keys, pruned: int, threads: int) -> list[Threshold]:
    """The threshold of each region under which exactly `pruned` weights of all go; one at most has ties."""
    is_known = [region.lines is None and region.matrix.name in keys.counted for region in regions]
    unknown = [region for region, known in zip(regions, is_known, strict=True) if not known]
    fresh = iter(histograms(unknown, keys, threads))
    counts = [
        keys.counted[region.matrix.name] if known else next(fresh)
        for region, known in zip(regions, is_known, strict=True)
    ]
    key, ties = locate(sum(counts), pruned)
    if keys.low_bits:
        counts = histograms(regions, keys, threads, within=key)
        low, ties = locate(sum(counts), ties)
        counts, key = [count[low] for count in counts], (key << keys.low_bits) + low
    else:
        counts = [count[key] for count in counts]
    thresholds = []
    for equal in map(int, counts):
        thresholds.append(Threshold(key + 1, 0) if equal <= ties else Threshold(key, ties))
        ties -= min(equal, ties)
    return thresholds


def histograms(
    regions: Sequence[Region], keys: Keys, threads: int, within: int | None = None
) -> list[np.ndarray]:
    """The histogram of each region over the upper bits of its keys, int64.

    With `within` it is that over the lower bits, of those keys whose upper bits are `within`.
    """
    if not regions:
        return []  # most masks need no more than what is counted: they are spared torch
    import torch  # its bincount takes 16-bit integers and leaves the interpreter to other threads

    torch.set_num_threads(1)
    bins = 2 ** (keys.bits - keys.low_bits if within is None else keys.low_bits)

    def count_slice(number: int, part: slice) -> np.ndarray:
        values, inside = keys.of(regions[number].matrix, part), regions[number].inside(part)
        if inside is not None:
            values = values[inside]
        upper = values >> keys.low_bits
        values = upper if within is None else values[upper == within] & (bins - 1)
        return torch.from_numpy(values.view(f"i{values.itemsize}")).bincount(minlength=bins).numpy()

    sums = [np.zeros(bins, dtype=np.int64) for _ in regions]
    for number, _, counts in for_each_slice(regions, count_slice, threads):
        sums[number] += counts
    return sums


def for_each_slice(
    regions: Sequence[Region], work: Callable[[int, slice], Result], threads: int
) -> Iterator[tuple[int, slice, Result]]:
    """What `work(number, part)` returns for each slice of each region's matrix, in order, with both.

    Several threads work side by side.
    """
    tasks = [
        (number, part) for number, region in enumerate(regions) for part in slices(region.matrix.weights)
    ]
    with ThreadPoolExecutor(threads) as pool:
        for task, result in zip(tasks, pool.map(lambda task: work(*task), tasks), strict=True):
            yield *task, result


def locate(counts: np.ndarray, rank: int) -> tuple[int, int]:
    """The bin that holds the weight of this rank (from 1), and the rank within the bin."""
    cumulative = counts.cumsum()
    bin_ = int(np.searchsorted(cumulative, max(rank, 1)))
    return bin_, rank - int(cumulative[bin_] - counts[bin_])


def drop(packed: np.ndarray, positions: np.ndarray) -> None:
    """Take weights at some positions of the flat matrix out of its mask."""
    np.bitwise_and.at(packed, positions // 8, ~(1 << positions % 8).astype(np.uint8))
