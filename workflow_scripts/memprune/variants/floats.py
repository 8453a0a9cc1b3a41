"""Floats as the bits that a checkpoint has of them, and as float32 to compute with."""

import numpy as np

from memprune.models.weights import BITS


def to_float32(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers as float32, exactly, of their bits (unsigned integers) in a dtype as PyTorch names it."""
    if dtype == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits.view(dtype).astype(np.float32, copy=False)


def magnitudes_to_float32(bits: np.ndarray, dtype: str, out: np.ndarray) -> None:
    """Finite numbers without sign as float32, exactly, in `out`; several times as fast as `to_float32`."""
    if dtype == "float32":
        np.copyto(out, bits.view(np.float32))
        return
    shifted = out.view(np.uint32)
    np.copyto(shifted, bits)
    np.left_shift(shifted, 13 if dtype == "float16" else 16, out=shifted)
    if dtype == "float16":
        np.multiply(out, np.float32(2.0**112), out=out)  # its exponents count from -15, float32's from -127


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
