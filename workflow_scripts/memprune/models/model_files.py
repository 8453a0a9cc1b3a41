"""Which files of a model folder make the model: those that transformers loads, and no others beside them."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from memprune.errors import UserError
from memprune.models.tokenizer_files import TOKENIZER_FILES, VOCABULARY_FILES

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLED, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
ADAPTER = "adapter_config.json"
# Files of a distributed checkpoint, which transformers reads before all others.
DISTRIBUTED = re.compile(r"shard-[0-9]{5}-model-[0-9]{5}-of-[0-9]{5}\.safetensors")
POINTER = b"version https://git-lfs"


def weight_files(folder: str | Path) -> list[Path]:
    """The safetensors files that transformers loads: `model.safetensors`, else those that the index names.

    Raises UserError where it would load none or other ones, and for an index that is broken or names a file
    that is not there.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir())
    if ADAPTER in names:
        raise UserError(
            f"{folder}: found an adapter ({ADAPTER}), allowed: a whole model; merge it with PEFT's "
            "`merge_and_unload` and save that, or move the adapter's files away"
        )
    if distributed := list(filter(DISTRIBUTED.fullmatch, names)):
        raise UserError(f"{folder}: found a distributed checkpoint ({distributed[0]}), allowed: {WEIGHTS}")
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return [folder / name for name in shards(folder / INDEX)]
    raise UserError(f"{folder}: {no_weights(names, f'MODEL={folder}')}")


def no_weights(names: Sequence[str], model: str) -> str:
    """What is wrong with a model of files of these names, and the way out, where `make` is told `model`."""
    other = any(name.endswith(".safetensors") for name in names)
    lacking = f"no {WEIGHTS} and no {INDEX}" if other else "no safetensors file"
    if PICKLED in names or PICKLED_INDEX in names:
        way = f"write it anew: `make convert {model} TO=FOLDER`, and give that folder as path"
    else:
        way = "convert the model: load it with transformers and `save_pretrained` it"
    found = ", ".join(names) or "nothing"
    return f"{lacking}; found {found}; another revision may have one, or {way}"


def shards(index: Path, ending: str = ".safetensors") -> list[str]:
    """The files that an index names; raises UserError for a broken index, and for files that are absent."""
    content = read_json(index)
    # Without `metadata` transformers does not load it.
    for key in ("weight_map", "metadata"):
        if not isinstance(content.get(key), dict):
            raise UserError(f"{index}: {key}: found {content.get(key)!r:.80}, allowed: names and values")
    files = list(content["weight_map"].values())
    for file in files:
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(ending):
            raise UserError(f"{index}: found the file {file!r:.80}, allowed: {ending[1:]} beside the index")
    if not files:
        raise UserError(f"{index}: weight_map: found no file")
    absent = sorted(file for file in set(files) if not (index.parent / file).is_file())
    if absent:
        raise UserError(f"{index}: names {', '.join(absent)}, which {index.parent} lacks")
    return sorted(set(files))


def input_files(folder: str | Path) -> list[Path]:
    """All files of a local folder that decide what its model computes or which ids its tokenizer gives.

    Of a folder that is not whole, those that are there.
    """
    folder = Path(folder)
    found = {folder / CONFIG, folder / INDEX, folder / WEIGHTS}
    found.update(path for pattern in TOKENIZER_FILES for path in folder.glob(pattern))
    with suppress(UserError, OSError):  # the check of the model says what is wrong
        found.update(weight_files(folder))
    return sorted(path for path in found if path.is_file())


def needed_files(folder: str | Path) -> list[str]:
    """The files without which a model is not whole, as far as what lies in its folder tells."""
    folder = Path(folder)
    if (folder / INDEX).is_file() and not (folder / WEIGHTS).is_file():
        weights = [INDEX, *named_by(folder / INDEX)]
    else:
        weights = [WEIGHTS]
    vocabulary = next((name for name in VOCABULARY_FILES if (folder / name).is_file()), VOCABULARY_FILES[0])
    return [CONFIG, *weights, vocabulary]


def named_by(index: Path) -> list[str]:
    """The files that an index names, there or not; none where the index is broken."""
    try:
        return sorted({str(file) for file in read_json(index)["weight_map"].values()})
    except (UserError, KeyError, AttributeError):
        return []


def missing_files(folder: str | Path) -> list[str]:
    """The files that a model folder lacks, by name; of the Hub's cache, those that were cleaned away too."""
    return [name for name in needed_files(folder) if not (Path(folder) / name).is_file()]


def read_config(folder: str | Path) -> dict:
    """The model's config.json; raises UserError when the folder or the file is missing, or not JSON."""
    path = Path(folder) / CONFIG
    if not path.parent.is_dir():
        raise UserError(f"{folder}: no such folder, expected one with safetensors, {CONFIG} and tokenizer")
    if not path.is_file():
        raise UserError(f"{folder}: no {CONFIG}")
    return read_json(path)


def read_json(path: Path) -> dict:
    """The object in a JSON file. Raises UserError for anything else, and for a Git LFS pointer."""
    check_pointer(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}, expected a JSON object")
    return content


def check_pointer(path: Path) -> None:
    """Raise UserError for a Git LFS pointer in place of a file, and for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if start == POINTER:
        raise UserError(f"{path}: found a Git LFS pointer; fetch the file itself (git lfs pull)")
