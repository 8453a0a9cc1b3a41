"""What a model folder says of itself without being loaded: its configuration and its tensors' headers."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from memprune.errors import UserError
from memprune.families import find_matrices
from memprune.manifest import Checkpoint, Matrix

DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def describe(folder: str | Path) -> Checkpoint:
    """Describe a model folder. Raises UserError, which says what is wrong with it."""
    config = read_config(folder)
    tensors = read_headers(Path(folder))
    found = find_matrices(
        config.get("model_type", ""), {name: shape for name, (_, _, shape) in tensors.items()}
    )
    matrices = [Matrix(name, tensors[name][0], layer, role, tensors[name][2]) for name, layer, role in found]
    dtypes = sorted({tensors[m.name][1] for m in matrices})
    if len(dtypes) > 1 or dtypes[0] not in DTYPES:
        raise UserError(f"weights: found {', '.join(dtypes)}; allowed: one of {', '.join(DTYPES)}")
    return Checkpoint(
        files=sorted({file for file, _, _ in tensors.values()}),
        family=config["model_type"],
        dtype=DTYPES[dtypes[0]],
        layers=matrices[-1].layer + 1,
        positions=positions_of(config),
        vocabulary=embedding_rows(tensors),
        matrices=matrices,
    )


def check_vocabulary(tokens: int, rows: int) -> None:
    """Raise UserError when a tokenizer with `tokens` tokens does not fit an embedding with `rows` rows."""
    if tokens > rows:
        raise UserError(
            f"the tokenizer has {tokens} tokens, the model's embedding {rows} rows; "
            "the tokenizer must not have more"
        )


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
