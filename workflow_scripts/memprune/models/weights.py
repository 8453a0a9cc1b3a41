"""The tensors of a checkpoint as they lie in its files, read in slices.

Files are read and not mapped: what was read leaves no page behind in a job's memory.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from memprune.disk import UNREADABLE
from memprune.errors import UserError
from memprune.models.manifest import Manifest

SLICE = 2**20  # elements looked at at one time: a few MB, and Python's part in it is small
LONGEST_HEADER = 100_000_000  # bytes, as safetensors itself has it
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
BITS = {"float32": np.uint32, "float16": np.uint16, "bfloat16": np.uint16}
EXPONENT = {"float32": 0x7F800000, "float16": 0x7C00, "bfloat16": 0x7F80}  # all its bits: inf or nan
BYTES = {dtype: np.dtype(bits).itemsize for dtype, bits in BITS.items()}


@dataclass(frozen=True)
class Tensor:
    """A tensor in a safetensors file: its dtype as PyTorch names it, its shape, and its first byte."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """How many elements the tensor has."""
        return int(np.prod(self.shape))


def read_headers(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of some safetensors files by name. Other dtypes than floats keep the file's name for it.

    Raises UserError for a name that two files have, and for a header that is none.
    """
    tensors = {}
    for path in files:
        for name, tensor in read_header(path).items():
            if name in tensors:
                raise UserError(f"{name}: found twice, in {tensors[name].file.name} and in {path.name}")
            tensors[name] = tensor
    return tensors


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises UserError when its header is damaged or too long."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > LONGEST_HEADER:
                raise ValueError(f"a header of {size} bytes, allowed: at most {LONGEST_HEADER}")
            header = json.loads(file.read(size), object_pairs_hook=each_key_once)
        if not isinstance(header, dict):
            raise TypeError(f"its header is {type(header).__name__}, expected an object")
        return {
            name: Tensor(
                path,
                DTYPES.get(about["dtype"], about["dtype"]),
                tuple(about["shape"]),
                8 + size + about["data_offsets"][0],
            )
            for name, about in header.items()
            if name != "__metadata__"
        }
    except UNREADABLE as error:
        raise UserError(f"{path}: not a safetensors file: {' '.join(str(error).split())[:160]}") from None


def each_key_once(pairs: list[tuple[str, object]]) -> dict:
    """An object of JSON; raises ValueError for a key that it has twice, of which readers take either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)} stands twice in its header")
    return found


def read_tensors(manifest: Manifest) -> dict[str, Tensor]:
    """All tensors of a model by name."""
    return read_headers(Path(manifest.folder) / file for file in manifest.files)


def slices(size: int) -> Iterator[slice]:
    """A flat tensor of so many elements cut into slices of `SLICE`; each begins at a multiple of eight."""
    for start in range(0, size, SLICE):
        yield slice(start, min(start + SLICE, size))


def read(tensor: Tensor, part: slice, buffer: np.ndarray) -> np.ndarray:
    """A slice of the flat tensor as unsigned integers of its bits, in the `buffer` (at least as many).

    Raises UserError where the file ends before it.
    """
    values = buffer.view(BITS[tensor.dtype])[: part.stop - part.start]
    with tensor.file.open("rb", buffering=0) as file:
        file.seek(tensor.offset + part.start * values.itemsize)
        count = file.readinto(values)
    if count != values.nbytes:
        raise UserError(f"{tensor.file}: cut off; found {count} of {values.nbytes} bytes of a tensor")
    return values


def new_buffer() -> np.ndarray:
    """Room for a slice of any dtype."""
    return np.empty(SLICE, dtype=np.uint32)
