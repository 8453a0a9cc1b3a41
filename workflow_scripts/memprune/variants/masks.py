"""Masks, the changes that remove weights: a uint8 vector for each matrix in scope.

Bits are in the order of the flat matrix as stored, lowest bit first, 1 = kept. Of a matrix that is in scope
in part, all other bits are 1. The details have `kept`, how many bits are 1 of each.
"""

import math
from pathlib import Path

import numpy as np

from memprune.disk import readable
from memprune.errors import UserError
from memprune.models.weights import Tensor
from memprune.variants.changes import about_change, read_tensor
from memprune.variants.steps import Step

REPLACES = False  # what was there before


def read_bits(path: str | Path, matrix: str) -> np.ndarray:
    """The bit-packed mask of one matrix, uint8.

    Raises UserError when they are not as many as the matrix has weights, or do not add up to the number in
    the file's metadata.
    """
    about = about_change(path)
    with readable(path):
        weights, expected = math.prod(about.shapes[matrix]), about.details["kept"][matrix]
    bits = read_tensor(path, matrix, np.uint8, (-(-weights // 8),))
    found = int(np.bitwise_count(bits).sum())
    if found != expected or (weights % 8 and bits[-1] >> weights % 8):
        raise UserError(f"{path}: {matrix} keeps {found} weights, expected {expected}")
    return bits


def step(path: Path, tensor: Tensor, name: str) -> Step:
    """What makes zeros of the removed weights in a slice of a tensor's bits."""
    kept = read_bits(path, name)

    def remove(part: slice, bits: np.ndarray) -> None:
        np.multiply(bits, unpack(kept, part), out=bits)

    return remove


def unpack(bits: np.ndarray, part: slice) -> np.ndarray:
    """A slice of a bit-packed flat mask, as bool; it begins at a multiple of eight."""
    count = part.stop - part.start
    return np.unpackbits(bits[part.start // 8 :], count=count, bitorder="little").view(np.bool_)


def read_mask(path: str | Path) -> dict[str, np.ndarray]:
    """The mask in a file: matrix name to bool array in the shape of the weights as stored, True = kept.

    Raises UserError when the bits do not add up to the numbers in the file's metadata.
    """
    return {
        name: unpack(read_bits(path, name), slice(0, math.prod(shape))).reshape(shape)
        for name, shape in about_change(path).shapes.items()
    }
