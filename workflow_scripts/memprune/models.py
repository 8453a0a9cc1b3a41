"""Models: fetched from the Hub, and described in a manifest without being loaded."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import safe_open

from memprune.checkpoint import Matrix, check_vocabulary, describe
from memprune.errors import UserError
from memprune.files import sha256_of, written_whole
from memprune.tokenization import load_tokenizer, tokenizer_fingerprint

FETCHED_FILES = ["*.safetensors", "*.json", "*.model", "*.txt"]  # weights, configuration, tokenizer


@dataclass(frozen=True)
class Manifest:
    """What the workflow knows of a model; matrices are ordered by layer and place in the block."""

    model: str
    folder: str
    files: list[dict]  # name, size in bytes, sha256
    fingerprint: str  # SHA-256 over the files' hashes
    family: str
    dtype: str  # of the prunable matrices in the files
    layers: int
    positions: int
    vocabulary: int
    tokenizer: str  # fingerprint
    matrices: list[Matrix]


def read_manifest(path: str | Path) -> Manifest:
    """The manifest in a JSON file."""
    content = json.loads(Path(path).read_text())
    content["matrices"] = [Matrix(**{**m, "shape": tuple(m["shape"])}) for m in content["matrices"]]
    return Manifest(**content)


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write the manifest as JSON."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def fetch_model(repo: str, revision: str) -> dict[str, str]:
    """Fetch a model's safetensors, configuration and tokenizer into the Hub's cache, unless they are there.

    Returns repo, revision, commit and the local folder. Raises UserError when it cannot be had.
    """
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=FETCHED_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{repo}, revision {revision}: not in the Hub's cache and cannot be fetched; on a machine with "
            f"network: hf download {repo} --revision {revision}, then copy its cache folder ({reason})"
        ) from None
    return {"repo": repo, "revision": revision, "commit": Path(folder).name, "folder": folder}


def resolve_model(name: str, folder: str | Path) -> Manifest:
    """Describe the model in a local folder. Raises UserError, which names the model and what is wrong."""
    folder = Path(folder).absolute()
    try:
        checkpoint = describe(folder)
        tokenizer = load_tokenizer(folder)
        check_vocabulary(len(tokenizer), checkpoint.vocabulary)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None
    paths = [folder / file for file in checkpoint.files]
    files = [{"name": p.name, "size": p.stat().st_size, "sha256": sha256_of(p)} for p in paths]
    return Manifest(
        model=name,
        folder=str(folder),
        files=files,
        fingerprint=hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest(),
        family=checkpoint.family,
        dtype=checkpoint.dtype,
        layers=checkpoint.layers,
        positions=checkpoint.positions,
        vocabulary=checkpoint.vocabulary,
        tokenizer=tokenizer_fingerprint(tokenizer),
        matrices=checkpoint.matrices,
    )


def read_matrix(manifest: Manifest, matrix: Matrix) -> torch.Tensor:
    """One matrix as stored, in its own dtype; the file is mapped, so only its own bytes are read."""
    with safe_open(Path(manifest.folder) / matrix.file, framework="pt") as content:
        weights = content.get_tensor(matrix.name)
    assert tuple(weights.shape) == matrix.shape, (matrix, weights.shape)
    return weights
