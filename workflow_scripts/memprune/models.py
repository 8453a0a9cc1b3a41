"""Models: fetched from the Hub, and described in a manifest without being loaded."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import SafetensorError, safe_open

from memprune.errors import UserError
from memprune.families import find_matrices
from memprune.files import sha256_of, written_whole
from memprune.tokenization import load_tokenizer, tokenizer_fingerprint

DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
FETCHED_FILES = ["*.safetensors", "*.json", "*.model", "*.txt"]  # weights, configuration, tokenizer


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


def read_config(folder: str | Path) -> dict:
    """The model's config.json; raises UserError when the folder or the file is missing, or not JSON."""
    path = Path(folder) / "config.json"
    if not path.parent.is_dir():
        raise UserError(f"{folder}: no such folder, expected one with safetensors, config.json and tokenizer")
    if not path.is_file():
        raise UserError(f"{folder}: no config.json")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from None


def positions_of(config: dict) -> int:
    """The longest text, in tokens, that the model's configuration allows."""
    for key in ("max_position_embeddings", "n_positions"):
        if key in config:
            return int(config[key])
    raise UserError("config.json: no max_position_embeddings and no n_positions")


def read_headers(folder: Path) -> dict[str, tuple[str, str, tuple[int, ...]]]:
    """Every tensor of a folder's safetensors: name to (file, dtype, shape). Raises UserError for none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        found = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise UserError(f"{folder}: no safetensors file; found {found}")
    tensors = {}
    for file in files:
        try:
            with safe_open(file, framework="numpy") as content:
                for name in content.keys():  # noqa: SIM118
                    part = content.get_slice(name)
                    tensors[name] = (file.name, part.get_dtype(), tuple(part.get_shape()))
        except SafetensorError as error:
            raise UserError(f"{file}: not a safetensors file: {error}") from None
    return tensors


def embedding_rows(tensors: dict[str, tuple[str, str, tuple[int, ...]]]) -> int:
    """Rows of the input embedding: the vocabulary that the model can be asked about."""
    endings = ("embed_in.weight", "wte.weight", "embed_tokens.weight")
    for name, (_, _, shape) in tensors.items():
        if name.endswith(endings):
            return shape[0]
    raise UserError(f"no input embedding; looked for: {', '.join(endings)}")


def resolve_model(name: str, folder: str | Path) -> Manifest:
    """Describe the model in a local folder. Raises UserError, which names the model and what is wrong."""
    folder = Path(folder).absolute()
    try:
        config = read_config(folder)
        tensors = read_headers(folder)
        family = config.get("model_type", "")
        found = find_matrices(family, {tensor: shape for tensor, (_, _, shape) in tensors.items()})
        matrices = [Matrix(t, tensors[t][0], layer, role, tensors[t][2]) for t, layer, role in found]
        dtypes = sorted({tensors[m.name][1] for m in matrices})
        if len(dtypes) > 1 or dtypes[0] not in DTYPES:
            raise UserError(f"weights: found {', '.join(dtypes)}; allowed: one of {', '.join(DTYPES)}")
        vocabulary = embedding_rows(tensors)
        tokenizer = load_tokenizer(folder)
        if len(tokenizer) > vocabulary:
            raise UserError(
                f"the tokenizer has {len(tokenizer)} tokens, the model's embedding {vocabulary} rows; "
                "the tokenizer must not have more"
            )
        positions = positions_of(config)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None
    paths = sorted({folder / file for file, _, _ in tensors.values()})
    files = [{"name": p.name, "size": p.stat().st_size, "sha256": sha256_of(p)} for p in paths]
    return Manifest(
        model=name,
        folder=str(folder),
        files=files,
        fingerprint=hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest(),
        family=family,
        dtype=DTYPES[dtypes[0]],
        layers=matrices[-1].layer + 1,
        positions=positions,
        vocabulary=vocabulary,
        tokenizer=tokenizer_fingerprint(tokenizer),
        matrices=matrices,
    )
