"""Codes, the changes that give matrices quantized weights: (code - zero) × scale, by group.

A group is `group` consecutive weights of one output along the input, the axis `axis` of the matrix as stored;
the last one of an output may be shorter. Codes have `bits` bits: of each matrix NAME the file has

- NAME.codes: uint8, bits × ⌈weights / 8⌉, a plane for each bit, lowest first, packed as masks are;
- NAME.scales: outputs × groups (groups × outputs where the input is the first axis), unsigned integers of
  their bits in the checkpoint's dtype;
- NAME.zeros: uint8 in that shape, the code that means zero; without it that is 2^(bits - 1).

`bits`, `group` and `axis` are the details. What is computed in float32 is rounded to the checkpoint's dtype.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memprune.disk import readable
from memprune.models.weights import BITS, Tensor
from memprune.variants.changes import about_change, has_tensor, read_tensor
from memprune.variants.floats import to_bits, to_float32
from memprune.variants.steps import Step

REPLACES = True  # what was there before


def packed(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes (integers below 2^bits) of a matrix as planes of bits: uint8, bits × ⌈weights / 8⌉."""
    flat = codes.ravel()
    assert flat.max(initial=0) < 1 << bits, (flat.max(), bits)
    return np.stack(
        [np.packbits((flat >> bit & 1).astype(np.uint8), bitorder="little") for bit in range(bits)]
    )


def unpacked(planes: np.ndarray, part: slice) -> np.ndarray:
    """A slice of a flat matrix' codes, uint8; it begins at a multiple of eight."""
    count = part.stop - part.start
    codes = np.zeros(count, dtype=np.uint8)
    for bit, plane in enumerate(planes):
        codes |= np.unpackbits(plane[part.start // 8 :], count=count, bitorder="little") << bit
    return codes


def by_weight(of_groups: np.ndarray, part: slice, shape: Sequence[int], group: int, axis: int) -> np.ndarray:
    """What each weight's group has, for a slice of a flat matrix of a shape."""
    columns = shape[1]
    first, end = part.start // columns, -(-part.stop // columns)
    if axis == 1:
        rows = np.repeat(of_groups[first:end], min(group, columns), axis=1)[:, :columns]
    else:
        rows = of_groups[np.arange(first, end) // group]
    return rows.ravel()[part.start - first * columns : part.stop - first * columns]


def step(path: Path, tensor: Tensor, name: str) -> Step:
    """What puts the quantized weights into a slice of a tensor's bits; raises UserError for damage."""
    about, shape = about_change(path), tensor.shape
    with readable(path):
        bits, group, axis = about.details["bits"], about.details["group"], about.details["axis"]
        groups = tuple(-(-lines // group) if place == axis else lines for place, lines in enumerate(shape))
    planes = read_tensor(path, f"{name}.codes", np.uint8, (bits, -(-tensor.size // 8)))
    scales = to_float32(read_tensor(path, f"{name}.scales", BITS[tensor.dtype], groups), tensor.dtype)
    zeros = f"{name}.zeros"
    zeros = read_tensor(path, zeros, np.uint8, groups) if has_tensor(path, zeros) else None

    def put(part: slice, out: np.ndarray) -> None:
        codes = unpacked(planes, part).astype(np.float32)
        codes -= 1 << bits - 1 if zeros is None else by_weight(zeros, part, tensor.shape, group, axis)
        codes *= by_weight(scales, part, tensor.shape, group, axis)
        out[...] = to_bits(codes, tensor.dtype)

    return put
