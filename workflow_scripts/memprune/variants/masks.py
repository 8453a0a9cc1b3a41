"""Mask files: which weights a strategy removes at a level.

A mask file is a safetensors file with one uint8 vector per matrix in scope: bits in the order of the flat
matrix as stored, lowest bit first, 1 = kept. Of a matrix that is in scope in part, all other bits are 1. The
metadata has one key, `mask`: JSON with the shapes, the numbers of weights kept and in scope, the selection,
the level and the fingerprint of the weights (one key only, since the order of several differs from run to
run, and the same mask is to be the same bytes).
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from memprune.errors import UserError


def write_mask(
    packed: dict[str, np.ndarray], shapes: dict[str, tuple[int, int]], about: dict, path: Path
) -> None:
    """Write the bit-packed matrices of a mask with their shapes, and `about` (JSON values) as metadata."""
    kept = {matrix: int(np.bitwise_count(bits).sum()) for matrix, bits in packed.items()}
    metadata = {**about, "shapes": {matrix: shapes[matrix] for matrix in packed}, "kept": kept}
    save_file(packed, path, {"mask": json.dumps(metadata, sort_keys=True)})


def about_mask(path: str | Path) -> dict:
    """What a mask's file says: by matrix shapes, weights kept and in scope; selection, level, fingerprint."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["mask"])


def read_bits(path: str | Path, matrix: str) -> np.ndarray:
    """The bit-packed mask of one matrix, uint8.

    Raises UserError when the bits do not add up to the number in the file's metadata.
    """
    with safe_open(path, framework="numpy") as file:
        expected = json.loads(file.metadata()["mask"])["kept"][matrix]
        bits = file.get_tensor(matrix)
    found = int(np.bitwise_count(bits).sum())
    if found != expected:
        raise UserError(f"{path}: {matrix} keeps {found} weights, expected {expected}")
    return bits


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
        for name, shape in about_mask(path)["shapes"].items()
    }


def mask_digest(path: str | Path) -> str:
    """The SHA-256 of a mask's matrices, blind to its metadata: the same weights removed, the same digest."""
    content = hashlib.sha256()
    with safe_open(path, framework="numpy") as file:
        for name in sorted(file.keys()):
            content.update(name.encode() + b"\0")
            content.update(file.get_tensor(name))
    return content.hexdigest()
