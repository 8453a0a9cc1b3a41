"""Write a variant of a model as a folder that transformers loads: the model's files, changed while copied.

Layout, names, shapes and dtypes stay as they are; only tensors that a change names become others.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from memprune.disk import existing_part
from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.models.weights import new_buffer, slices
from memprune.store.fingerprints import unchanged
from memprune.variants.changes import about_change
from memprune.variants.weights_of_variant import Weights, weights_of_variant

CHUNK = 2**22  # bytes that are copied at one time
# What decides no number, and what a model should not travel without.
COMPANIONS = ("generation_config.json", "chat_template.jinja")
LICENCES = ("license", "licence", "notice")  # how the names of their files begin


def export_variant(manifest: Manifest, changes: Sequence[Path], folder: Path) -> dict[str, bool]:
    """Write a model after a chain of changes, dense without any, into an existing folder.

    Returns the names of the files, each with whether a tensor in it was changed; all others are the model's
    to the byte. Memory is bounded: weights pass through in slices. Raises UserError when the disk has no
    room, a change is of other weights, or the model's files are not those of the manifest.
    """
    source = Path(manifest.folder)
    names = [*manifest.hashes, *companions(source, manifest.hashes)]
    check_room(sum((source / name).stat().st_size for name in names if (source / name).is_file()), folder)
    changed: dict[str, set[str]] = {}
    with unchanged({source / name: content for name, content in manifest.hashes.items()}):
        weights = weights_of_variant(manifest, changes)
        for tensor in {name for change in changes for name in about_change(change).shapes}:
            changed.setdefault(weights.tensors[tensor].file.name, set()).add(tensor)
        for name in names:
            if name in changed:
                write_changed(source / name, weights, changed[name], folder / name)
            else:
                shutil.copyfile(source / name, folder / name)
    return {name: name in changed for name in sorted(names)}


def companions(source: Path, deciding: Mapping[str, str]) -> list[str]:
    """The files of a model that are carried over beside those that decide what it is, if it has them."""
    names = [path.name for path in source.iterdir() if path.is_file() and path.name not in deciding]
    return sorted(name for name in names if name in COMPANIONS or name.lower().startswith(LICENCES))


def check_room(needed: int, folder: Path) -> None:
    """Raise UserError when a folder's disk has less room than that many bytes."""
    free = shutil.disk_usage(existing_part(folder)).free
    if needed > free:
        raise UserError(
            f"{folder.parent}: an export takes {needed / 1e9:.1f} GB, found {free / 1e9:.1f} GB free on its "
            "disk; free space there"
        )


def write_changed(source: Path, weights: Weights, names: Collection[str], target: Path) -> None:
    """Copy a safetensors file with some of its tensors as a variant has them; its header stays as it is."""
    buffer = new_buffer()
    with source.open("rb") as original, target.open("wb") as copy:
        for name in sorted(names, key=lambda name: weights.tensors[name].offset):
            tensor = weights.tensors[name]
            copy_bytes(original, copy, tensor.offset - copy.tell())
            for part in slices(tensor.size):
                copy.write(weights.read(name, part, buffer))
            original.seek(copy.tell())
        copy_bytes(original, copy, source.stat().st_size - copy.tell())


def copy_bytes(original: BinaryIO, copy: BinaryIO, count: int) -> None:
    """Copy so many bytes from where a file is read to where another one is written."""
    for start in range(0, count, CHUNK):
        copy.write(original.read(min(CHUNK, count - start)))
