"""The local files that a corpus is read from, found without reading them."""

import glob
import os
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

LAYOUT = ".huggingface.yaml"  # the one hidden file that datasets reads


def local_files(corpus, split: str) -> list[str]:
    """The files that a draw from a split of `corpus`, a part of the configuration, can depend on; sorted.

    Files of mini-pile may have to be built first. What the Hub has is no local file.
    """
    if corpus.source == "embedded":
        return [f"results/mini-pile/{split}.jsonl.zst"]
    if corpus.source == "files":
        return sorted(getattr(corpus, split))
    if corpus.source == "sequences" and corpus.dataset is None:
        return sorted(corpus.files or corpus.arrays)
    if not os.path.isdir(corpus.dataset):
        return []
    if corpus.source == "tokens":
        return matching_files(corpus.dataset, corpus.files)
    return visible_files(corpus.dataset)


def matching_files(folder: str, pattern: str) -> list[str]:
    """The files of a folder whose place in it matches `pattern`; sorted."""
    whole = os.path.join(glob.escape(folder), pattern)
    found = [os.path.relpath(path, folder) for path in LocalFileSystem().glob(whole)]
    paths = [os.path.join(folder, place) for place in found if not is_hidden(place, pattern)]
    return sorted(filter(os.path.isfile, paths))


def is_hidden(path: str, pattern: str) -> bool:
    """Whether a path has parts that begin with a dot, which a pattern without such parts does not mean."""
    hidden_path, hidden_pattern = (
        any(part.startswith(".") for part in Path(place).parts) for place in (path, pattern)
    )
    return hidden_path and not hidden_pattern


def visible_files(folder: str) -> list[str]:
    """The files of a folder that datasets may read: no hidden ones, none in hidden folders or `__…`."""
    found, seen = [os.path.join(folder, LAYOUT)], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(place))
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__")) and os.path.realpath(os.path.join(place, name)) not in seen
        ]
        found += [os.path.join(place, name) for name in files if not name.startswith(".")]
    return sorted(filter(os.path.isfile, found))
