"""Write a checkpoint of pickled weights (`pytorch_model.bin`) anew as safetensors, which all jobs read.

Nothing but tensors is unpickled (`weights_only`), and no code of the model is run. Names, shapes, dtypes and
the cut into files stay as they are.
"""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from memprune.errors import UserError
from memprune.exports.export_variant import check_room, companions
from memprune.models.model_files import (
    CONFIG,
    INDEX,
    PICKLED,
    PICKLED_INDEX,
    WEIGHTS,
    check_pointer,
    read_config,
    shards,
)
from memprune.models.tokenizer_files import TOKENIZER_FILES


def convert_checkpoint(source: Path, folder: Path) -> list[str]:
    """Write the model of a folder into another one that exists: weights, configuration, tokenizer, licence.

    Returns the names of the files. Tensors that share memory are written as a copy each, as transformers
    reads them. It takes memory for the largest file about twice. Raises UserError when there are safetensors
    already, no pickled weights or no configuration; when a file holds anything but tensors by name, or two
    files one tensor; and when the disk has no room.
    """
    read_config(source)
    pickled = pickled_files(source)
    check_room(sum(path.stat().st_size for path in pickled), folder)
    written = {}
    for number, path in enumerate(pickled, start=1):
        tensors = read_tensors(path)
        name = WEIGHTS if len(pickled) == 1 else f"model-{number:05}-of-{len(pickled):05}.safetensors"
        write_tensors(tensors, folder / name, path)
        written[name] = {tensor: own.nbytes for tensor, own in tensors.items()}
    if len(written) > 1:
        write_index(written, folder / INDEX)
    names = {path.name for pattern in (CONFIG, *TOKENIZER_FILES) for path in source.glob(pattern)}
    for name in (kept := sorted(names | set(companions(source, {})))):
        shutil.copyfile(source / name, folder / name)
    return [*written, *([INDEX] if len(written) > 1 else []), *kept]


def pickled_files(source: Path) -> list[Path]:
    """The files that transformers would unpickle: `pytorch_model.bin`, else those that its index names."""
    names = sorted(path.name for path in source.iterdir())
    if WEIGHTS in names or INDEX in names:
        raise UserError(f"{source}: found safetensors already, which are read as they are")
    if PICKLED in names:
        return [source / PICKLED]
    if PICKLED_INDEX in names:
        return [source / name for name in shards(source / PICKLED_INDEX, ".bin")]
    raise UserError(f"{source}: no {PICKLED} and no {PICKLED_INDEX}; found {', '.join(names) or 'nothing'}")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a pickled file by name, those that share memory as copies; nothing else is unpickled."""
    check_pointer(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # there is hardly one that a broken pickle does not raise
        named = re.search(r"GLOBAL (\S+) was not an allowed global", str(error))
        reason = f"it names {named[1]}" if named else " ".join(str(error).split())[:160] or "it breaks off"
        raise UserError(f"{path}: refused, allowed: pickled tensors and nothing else ({reason})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}, allowed: tensors by name")
    for name, value in content.items():
        if not (isinstance(name, str) and is_plain(value)):
            found = type(value).__name__
            raise UserError(f"{path}: found {found} as {name!r:.80}, allowed: a plain tensor for each name")
    storages = Counter(tensor.untyped_storage().data_ptr() for tensor in content.values())
    return {
        name: alone(tensor.detach(), storages[tensor.untyped_storage().data_ptr()] > 1)
        for name, tensor in content.items()
    }


def is_plain(value: object) -> bool:
    """Whether a value is a tensor whose numbers lie in memory as they are: not sparse, not quantized."""
    return isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized


def alone(tensor: torch.Tensor, is_shared: bool) -> torch.Tensor:
    """A tensor in memory of its own, in order."""
    return tensor.clone(memory_format=torch.contiguous_format) if is_shared else tensor.contiguous()


def write_tensors(tensors: dict[str, torch.Tensor], target: Path, path: Path) -> None:
    """Write tensors as safetensors; raises UserError for one that they cannot hold."""
    try:
        save_file(tensors, target, metadata={"format": "pt"})
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: cannot be written as safetensors ({reason})") from None


def write_index(written: dict[str, dict[str, int]], target: Path) -> None:
    """Write which file has which tensor; raises UserError where two have one."""
    places: dict[str, str] = {}
    for file, tensors in written.items():
        for name in tensors:
            if (other := places.setdefault(name, file)) != file:
                raise UserError(f"{name}: found in two files, {other} and {file}; allowed: in one")
    size = sum(sum(tensors.values()) for tensors in written.values())
    content = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
    target.write_text(json.dumps(content, indent=1) + "\n")
