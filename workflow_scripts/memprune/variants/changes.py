"""Change files: what a strategy does to a model's weights at a level.

A change is a safetensors file of a kind, which says how its tensors become weights: see the module of each
kind. Its metadata has one key, `change`: what `About` tells, as JSON (one key only, since the order of
several differs from run to run, and the same change is to be the same bytes).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from memprune.disk import readable

Kind = Literal["mask", "values", "codes", "factors"]
DTYPES = {np.dtype("uint8"): "U8", np.dtype("uint16"): "U16", np.dtype("uint32"): "U32"}
DTYPES |= {np.dtype("float16"): "F16", np.dtype("float32"): "F32"}


@dataclass(frozen=True)
class About:
    """What a change's file tells of it; the dictionaries are by the names of the model's tensors.

    `remaining` are the numbers that are left of a tensor, after this change and all that it stands after.
    `storage` says how those are stored that a change has made anew: the bits of each number, and the bytes
    beside (of scales, say). `in_scope` are the weights of a matrix among which this change removes some.
    `details` are the kind's own.
    """

    kind: Kind
    settings: Mapping  # of the strategy, as JSON values
    level: float
    fingerprint: str  # of the weights that it was made for
    shapes: Mapping[str, tuple[int, ...]]  # as stored, of all tensors that it changes
    remaining: Mapping[str, int]
    storage: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    in_scope: Mapping[str, int] = field(default_factory=dict)
    details: Mapping = field(default_factory=dict)


def write_change(about: About, tensors: Iterable[tuple[str, np.ndarray]], path: Path) -> None:
    """Write a change: its tensors (uint8, uint16, uint32, float16 or float32), and what it is.

    What is known of a tensor only once it is made may be filled into the dictionaries of `about` as it comes.
    """
    write_tensors(tensors, path, lambda: {"change": json.dumps(vars(about), sort_keys=True)})


def write_tensors(
    tensors: Iterable[tuple[str, np.ndarray]], path: Path, metadata: Callable[[], dict[str, str]] = dict
) -> None:
    """Write a safetensors file of tensors of these dtypes, with the metadata that there are at its end.

    One tensor is in memory at a time: they go to the disk as they come, and the header before them.
    """
    spooled = path.with_name(f"{path.name}.spooled")
    header: dict = {}
    with spooled.open("wb") as file:
        for name, tensor in tensors:
            start = file.tell()
            file.write(np.ascontiguousarray(tensor).data)
            offsets = [start, file.tell()]
            header[name] = {
                "dtype": DTYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": offsets,
            }
    header["__metadata__"] = metadata()
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    with path.open("wb") as file, spooled.open("rb") as body:
        file.write(len(content).to_bytes(8, "little") + content)
        shutil.copyfileobj(body, file, 2**22)
    spooled.unlink()


def load_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """All tensors of a safetensors file, by name. Raises UserError for a damaged file."""
    with readable(path):
        return load_file(path)


def about_change(path: str | Path) -> About:
    """What a change's file tells of it. Raises UserError for a file that is none, or damaged."""
    with readable(path), safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["change"])
        if about["kind"] not in get_args(Kind):
            raise ValueError(f"found a change of kind {about['kind']}, allowed: {', '.join(get_args(Kind))}")
        shapes = {name: tuple(shape) for name, shape in about["shapes"].items()}
        return About(**{**about, "shapes": shapes})


def read_tensor(path: str | Path, name: str, dtype: str | type, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of a change's file. Raises UserError unless it is there, of this dtype and shape."""
    with readable(path), safe_open(path, framework="numpy") as file:
        tensor = file.get_tensor(name)
        if tensor.dtype != dtype or tensor.shape != shape:
            raise ValueError(
                f"{name}: found {tensor.dtype} {list(tensor.shape)}, expected {np.dtype(dtype)} {list(shape)}"
            )
    return tensor


def has_tensor(path: str | Path, name: str) -> bool:
    """Whether a change's file has a tensor."""
    with readable(path), safe_open(path, framework="numpy") as file:
        return name in set(file.keys())


def change_digest(path: str | Path) -> str:
    """The SHA-256 of a change's kind, details and tensors: the same weights made, the same digest.

    It is blind to the settings and the level that they were made by.
    """
    about, content = about_change(path), hashlib.sha256()
    content.update(json.dumps([about.kind, about.details], sort_keys=True).encode())
    with readable(path), safe_open(path, framework="numpy") as file:
        for name in sorted(file.keys()):
            content.update(name.encode() + b"\0")
            content.update(np.ascontiguousarray(file.get_tensor(name)).data)
    return content.hexdigest()
