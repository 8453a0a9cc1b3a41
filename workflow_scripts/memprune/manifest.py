"""A model's manifest: all that later steps need to know of it, so that none of them loads it to find out."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from memprune.checkpoint import Checkpoint, Matrix
from memprune.files import written_whole


@dataclass(frozen=True)
class Manifest(Checkpoint):
    """A checkpoint with its name and place, and with what tells it and its tokenizer from any other."""

    model: str
    folder: str
    hashes: dict[str, str]  # of each file with weights, SHA-256
    fingerprint: str  # SHA-256 over the files' hashes
    tokenizer: str  # fingerprint


def read_manifest(path: str | Path) -> Manifest:
    """The manifest in a JSON file."""
    content = json.loads(Path(path).read_text())
    content["matrices"] = [Matrix(**{**m, "shape": tuple(m["shape"])}) for m in content["matrices"]]
    return Manifest(**content)


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write the manifest as JSON."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def read_matrix(manifest: Manifest, matrix: Matrix) -> torch.Tensor:
    """One matrix as stored, in its own dtype; the file is mapped, so only its own bytes are read."""
    with safe_open(Path(manifest.folder) / matrix.file, framework="pt") as content:
        weights = content.get_tensor(matrix.name)
    assert tuple(weights.shape) == matrix.shape, (matrix, weights.shape)
    return weights
