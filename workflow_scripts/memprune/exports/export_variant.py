"""Write a variant of a model as a folder that transformers loads: the model's files, masked while copied.

Layout, names, shapes and dtypes stay as they are; only the weights that the mask removes become zero.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from memprune.disk import existing_part
from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.models.weights import Tensor, new_buffer, read, read_tensors, slices
from memprune.store.fingerprints import unchanged
from memprune.variants.masks import about_mask, read_bits, unpack

CHUNK = 2**22  # bytes that are copied at one time
# What decides no number, and what a model should not travel without.
COMPANIONS = ("generation_config.json", "chat_template.jinja")
LICENCES = ("license", "licence", "notice")  # how the names of their files begin


def export_variant(manifest: Manifest, mask: Path | None, folder: Path) -> dict[str, bool]:
    """Write a model with a mask applied, or dense without one, into an existing folder.

    Returns the names of the files, each with whether a weight in it was removed; all others are the model's
    to the byte. Memory is bounded: weights pass through in slices. Raises UserError when the disk has no
    room, the mask is of other weights, or the model's files are not those of the manifest.
    """
    source = Path(manifest.folder)
    names = [*manifest.hashes, *companions(source, manifest.hashes)]
    check_room(sum((source / name).stat().st_size for name in names if (source / name).is_file()), folder)
    masked = masked_tensors(manifest, mask)
    changed = {tensor.file.name for tensor in masked.values()}
    with unchanged({source / name: content for name, content in manifest.hashes.items()}):
        for name in names:
            if name in changed:
                own = {matrix: tensor for matrix, tensor in masked.items() if tensor.file.name == name}
                write_masked(source / name, own, mask, folder / name)
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


def masked_tensors(manifest: Manifest, mask: Path | None) -> dict[str, Tensor]:
    """The tensors that a mask is for, by name; none without a mask."""
    if mask is None:
        return {}
    about = about_mask(mask)
    if about["fingerprint"] != manifest.fingerprint:
        raise UserError(
            f"{mask}: found a mask of other weights ({about['fingerprint']:.12}) than those of "
            f"{manifest.model} ({manifest.fingerprint:.12}); run again"
        )
    tensors = read_tensors(manifest)
    return {name: tensors[name] for name in about["shapes"]}


def write_masked(source: Path, tensors: Mapping[str, Tensor], mask: Path, target: Path) -> None:
    """Copy a safetensors file with the mask applied to some of its tensors; its header stays as it is."""
    buffer = new_buffer()
    with source.open("rb") as original, target.open("wb") as copy:
        for name, tensor in sorted(tensors.items(), key=lambda item: item[1].offset):
            copy_bytes(original, copy, tensor.offset - copy.tell())
            kept = read_bits(mask, name)
            for part in slices(tensor.size):
                bits = read(tensor, part, buffer)
                copy.write(np.multiply(bits, unpack(kept, part), out=bits))
            original.seek(copy.tell())
        copy_bytes(original, copy, source.stat().st_size - copy.tell())


def copy_bytes(original: BinaryIO, copy: BinaryIO, count: int) -> None:
    """Copy so many bytes from where a file is read to where another one is written."""
    for start in range(0, count, CHUNK):
        copy.write(original.read(min(CHUNK, count - start)))
