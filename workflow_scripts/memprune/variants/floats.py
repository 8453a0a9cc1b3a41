"""Floats as the bits that a checkpoint has of them, and as float32 to compute with."""

import numpy as np

from memprune.models.weights import BITS


def to_float32(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers as float32, exactly, of their bits (unsigned integers) in a dtype as PyTorch names it."""
    if dtype == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits.view(dtype).astype(np.float32, copy=False)


def to_bits(numbers: np.ndarray, dtype: str) -> np.ndarray:
    """The bits in a dtype of finite float32 numbers, rounded to nearest, ties to even."""
    numbers = np.ascontiguousarray(numbers, dtype=np.float32)
    if dtype == "bfloat16":
        bits = numbers.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return numbers.astype(dtype, copy=False).view(BITS[dtype])


def without_sign(bits: np.ndarray) -> np.ndarray:
    """The bits of the numbers' magnitudes, in place: as integers they order as the magnitudes do."""
    return np.bitwise_and(bits, np.iinfo(bits.dtype).max >> 1, out=bits)
