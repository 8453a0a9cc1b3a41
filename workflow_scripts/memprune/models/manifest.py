"""A model's manifest: all that later steps need to know of it, so that none of them loads it to find out."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

from memprune.disk import readable, written_whole
from memprune.models.architecture import Architecture
from memprune.models.outline import Outline
from memprune.store import entries


@dataclass(frozen=True)
class Matrix:
    """A prunable matrix: its tensor's name, file and shape in the checkpoint, its decoder layer and role."""

    name: str
    file: str
    layer: int
    role: str
    shape: tuple[int, int]

    @property
    def weights(self) -> int:
        """How many weights the matrix has."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class Checkpoint:
    """A model folder; `matrices` are ordered by layer and place in the block, `dtype` is theirs.

    `tensor_bytes` is what all tensors that the model computes with take.
    """

    files: list[str]
    dtype: str
    tensor_bytes: int
    architecture: Architecture | Outline  # the latter: transformers computes the model
    matrices: list[Matrix]

    @property
    def vocabulary(self) -> int:
        """Rows of the input embedding: the tokens that the model can be asked about."""
        return self.architecture.vocabulary


@dataclass(frozen=True)
class Manifest(Checkpoint):
    """A checkpoint with its name and place, and with what tells it and its tokenizer from any other."""

    model: str
    folder: str
    hashes: dict[str, str]  # SHA-256 of each file that decides what it is: weights, configuration, tokenizer
    fingerprint: str  # SHA-256 over the hashes of the files with weights
    tokenizer: str  # fingerprint

    @property
    def weights(self) -> dict[Path, str]:
        """The files with weights, with their SHA-256."""
        return {Path(self.folder) / file: self.hashes[file] for file in self.files}


def read_manifest(path: str | Path) -> Manifest:
    """The manifest in a JSON file; raises UserError for one that is not as it was written, or should be."""
    entries.content(path)  # verified before it is read
    return unverified_manifest(path)


def unverified_manifest(path: str | Path) -> Manifest:
    """The same, whatever the store recorded of the file."""
    with readable(path):
        return built(Manifest, json.loads(Path(path).read_text(encoding="utf-8")), "manifest")


def built(kind: object, value: object, place: str) -> object:
    """A JSON value as what a record's field is declared to be.

    Raises TypeError, which names its place, where it is something else.
    """
    if is_dataclass(kind) and isinstance(value, dict):
        kinds = get_type_hints(kind)
        return kind(**{name: built(kinds.get(name), own, name) for name, own in value.items()})
    of, parts = get_origin(kind), get_args(kind)
    if of is UnionType:
        if value is None and NoneType in parts:
            return None
        return built(fitting(parts, value), value, place)
    if of is dict and isinstance(value, dict):
        return {name: built(parts[1], own, f"{place}.{name}") for name, own in value.items()}
    if of is list and isinstance(value, list):
        return [built(parts[0], own, place) for own in value]
    if of is tuple and isinstance(value, list) and len(value) == len(parts):
        return tuple(map(built, parts, value, [place] * len(parts)))
    if type(value) is not kind:
        raise TypeError(f"{place}: found {value!r:.60}")
    return value


def fitting(kinds: tuple, value: object) -> object:
    """Of kinds of values the one whose fields a value has, else the first."""
    records = filter(is_dataclass, kinds if isinstance(value, dict) else ())
    return next((kind for kind in records if {field.name for field in fields(kind)} == set(value)), kinds[0])


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write the manifest as JSON."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def weights_of(manifest: Manifest) -> dict:
    """What magnitudes and masks depend on: the weights, and which of them can be pruned; not the place."""
    return {"fingerprint": manifest.fingerprint, "matrices": [asdict(matrix) for matrix in manifest.matrices]}
