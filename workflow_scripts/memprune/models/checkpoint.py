"""What a model folder says of itself without being loaded: its configuration and its tensors' headers."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from safetensors import SafetensorError, safe_open

from memprune.errors import UserError
from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.manifest import Checkpoint, Matrix
from memprune.models.model_config import read_architecture
from memprune.models.model_files import check_pointer, read_config, weight_files
from memprune.models.outline import Outline
from memprune.models.read_outline import read_outline
from memprune.models.shapes import EMBEDDING, HEAD, shapes_of
from memprune.models.tensor_names import Part, find_matrices, find_parts
from memprune.models.weights import BYTES, DTYPES, Tensor, read_headers

LARGEST_BYTES = 8  # of an element of any other dtype, of tensors that only transformers computes with


def describe(folder: str | Path, roles: Mapping[str, str | None] | None = None) -> Checkpoint:
    """Describe a model folder, of a family of the decoder of ours or of any other type that transformers has.

    `roles` are for the latter alone (see `memprune.models.role_names`). Raises UserError, which says what is
    wrong with it.
    """
    config = read_config(folder)
    if is_known(config) and roles:
        raise UserError(f"roles: found {next(iter(roles))}, allowed: none for a {config['model_type']} model")
    files = weight_files(folder)
    for file in files:
        check_file(file)
    tensors = read_headers(files)
    if is_known(config):
        return describe_known(read_architecture(config), files, tensors)
    outline, found = read_outline(folder, tensors, roles or {})
    return checkpoint_of(outline, files, tensors, found)


def is_known(config: dict) -> bool:
    """Whether a configuration is of a family of the decoder of ours, or of no type that there can be."""
    name = config.get("model_type")
    return not isinstance(name, str) or name in FAMILIES


def describe_known(
    architecture: Architecture, files: Sequence[Path], tensors: dict[str, Tensor]
) -> Checkpoint:
    """Describe the checkpoint of a decoder of ours."""
    parts = find_parts(architecture.family, tensors)
    check_shapes(architecture, {part: tensors[name] for part, name in parts.items()}, parts)
    computing = {name: tensors[name] for name in parts.values()}
    return checkpoint_of(architecture, files, computing, find_matrices(architecture.family, parts))


def checkpoint_of(
    architecture: Architecture | Outline,
    files: Sequence[Path],
    tensors: Mapping[str, Tensor],
    found: Sequence[tuple[str, int, str]],
) -> Checkpoint:
    """A checkpoint of the tensors that a model computes with, and of the matrices found among them."""
    matrices = [
        Matrix(name, tensors[name].file.name, layer, role, tensors[name].shape) for name, layer, role in found
    ]
    dtypes = sorted({tensors[matrix.name].dtype for matrix in matrices})
    others = {tensor.dtype for tensor in tensors.values()} - set(DTYPES.values())
    if len(dtypes) > 1 or (others and isinstance(architecture, Architecture)):
        found = ", ".join([*dtypes, *sorted(others - set(dtypes))])
        raise UserError(f"weights: found {found}; allowed: one of {', '.join(DTYPES.values())}")
    return Checkpoint(
        files=[file.name for file in files],
        dtype=dtypes[0],
        tensor_bytes=sum(tensor.size * BYTES.get(tensor.dtype, LARGEST_BYTES) for tensor in tensors.values()),
        architecture=architecture,
        matrices=matrices,
    )


def check_file(file: Path) -> None:
    """Raise UserError for a safetensors file that is damaged, cut off or not one."""
    check_pointer(file)
    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: not a safetensors file: {' '.join(str(error).split())}") from None


def check_vocabulary(tokens: int, rows: int) -> None:
    """Raise UserError when a tokenizer with `tokens` tokens does not fit an embedding with `rows` rows."""
    if tokens > rows:
        raise UserError(
            f"the tokenizer has {tokens} tokens, the model's embedding {rows} rows; "
            "the tokenizer must not have more"
        )


def check_shapes(architecture: Architecture, tensors: dict[Part, Tensor], names: dict[Part, str]) -> None:
    """Raise UserError unless the files hold what the configuration asks for, in its shapes, and no more."""
    shapes = shapes_of(architecture)
    for part, name in names.items():
        alike = part if part.layer is None else Part(0, part.name, part.kind)
        if alike not in shapes or (part.layer or 0) >= architecture.layers:
            layers = f" of {architecture.layers} layers" if part.layer is not None else ""
            raise UserError(f"{name}: found {part}{layers}, which config.json does not ask for")
    optional = set()
    if architecture.tied and (EMBEDDING in tensors or HEAD in tensors):
        optional = {EMBEDDING, HEAD}  # each stands for the other
    elif HEAD not in tensors and EMBEDDING in tensors:
        raise UserError("no head, and config.json does not tie it to the embedding (tie_word_embeddings)")
    for layer in chain([None], range(architecture.layers)):
        for alike, shape in shapes.items():
            if (alike.layer is None) != (layer is None):
                continue
            part = Part(layer, alike.name, alike.kind)
            found = tensors[part].shape if part in tensors else None
            if found != shape and not (found is None and part in optional):
                has = "none" if found is None else list(found)
                raise UserError(f"{part}: found {has}, config.json asks for {list(shape)}")
