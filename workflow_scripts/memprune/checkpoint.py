"""What a model folder says of itself without being loaded: its configuration and its tensors' headers."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from memprune.architecture import Architecture, read_architecture
from memprune.errors import UserError
from memprune.families import FAMILIES, Part, find_matrices, find_parts
from memprune.manifest import Checkpoint, Matrix
from memprune.weights import DTYPES, Tensor, read_headers


def describe(folder: str | Path) -> Checkpoint:
    """Describe a model folder. Raises UserError, which says what is wrong with it."""
    config = read_config(folder)
    files = find_files(Path(folder))
    tensors = read_headers(files)
    parts = find_parts(config.get("model_type", ""), tensors)
    architecture = read_architecture(config)
    matrices = [
        Matrix(name, tensors[name].file.name, layer, role, tensors[name].shape)
        for name, layer, role in find_matrices(architecture.family, parts)
    ]
    dtypes = sorted({tensors[matrix.name].dtype for matrix in matrices})
    others = {tensors[name].dtype for name in parts.values()} - set(DTYPES.values())
    if len(dtypes) > 1 or others:
        found = ", ".join([*dtypes, *sorted(others)])
        raise UserError(f"weights: found {found}; allowed: one of {', '.join(DTYPES.values())}")
    check_shapes(architecture, {part: tensors[name] for part, name in parts.items()})
    return Checkpoint(
        files=[file.name for file in files],
        dtype=dtypes[0],
        vocabulary=embedding_rows(parts, tensors),
        architecture=architecture,
        matrices=matrices,
    )


def embedding_rows(parts: dict[Part, str], tensors: dict[str, Tensor]) -> int:
    """Rows of the input embedding: the vocabulary that the model can be asked about."""
    embedding = Part(None, "embedding", "weight")
    if embedding not in parts:
        raise UserError("weights: no input embedding")
    return tensors[parts[embedding]].shape[0]


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


def find_files(folder: Path) -> list[Path]:
    """A folder's safetensors files; raises UserError for none and for one that is damaged."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        found = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise UserError(f"{folder}: no safetensors file; found {found}")
    for file in files:
        try:
            with safe_open(file, framework="numpy"):
                pass
        except SafetensorError as error:
            raise UserError(f"{file}: not a safetensors file: {error}") from None
    return files


def check_shapes(architecture: Architecture, tensors: dict[Part, Tensor]) -> None:
    """Raise UserError unless the checkpoint has the matrices that its configuration asks for."""
    for part, shape in expected_shapes(architecture).items():
        found = tensors[part].shape if part in tensors else None
        if found != shape:
            where = "" if part.layer is None else f" of layer {part.layer}"
            has = list(found) if found else "none"
            raise UserError(f"{part.name}{where}: found {has}, config.json asks for {list(shape)}")
    has_head = Part(None, "head", "weight") in tensors
    if not has_head and not architecture.tied:
        raise UserError("no head, and config.json does not tie it to the embedding (tie_word_embeddings)")


def expected_shapes(architecture: Architecture) -> dict[Part, tuple[int, int]]:
    """The shapes of all matrices in the blocks, as stored."""
    a = architecture
    queries, keys = a.heads * a.head_size, a.key_heads * a.head_size
    shapes = {
        "query_key_value": (queries + 2 * keys, a.hidden),
        "query": (queries, a.hidden),
        "key": (keys, a.hidden),
        "value": (keys, a.hidden),
        "output": (a.hidden, queries),
        "up": (a.intermediate, a.hidden),
        "gate": (a.intermediate, a.hidden),
        "down": (a.hidden, a.intermediate),
    }
    transposed = a.family == "gpt2"
    return {
        Part(layer, role, "weight"): shapes[role][::-1] if transposed else shapes[role]
        for layer in range(a.layers)
        for role in FAMILIES[a.family].matrices.values()
    }


def input_files(folder: str | Path) -> list[Path]:
    """All files of a model."""
    return sorted(
        p for p in Path(folder).iterdir() if p.suffix in {".safetensors", ".json", ".txt", ".model"}
    )


def missing_files(folder: str | Path) -> list[str]:
    """What a folder lacks."""
    return [] if (Path(folder) / "config.json").exists() else ["config.json"]
