"""Known sequences in NumPy's files: arrays of token ids, rows × tokens, that are joined row by row."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np

from memprune.corpus.documents import Document
from memprune.corpus.known_rows import check_vocabulary
from memprune.disk import UNREADABLE
from memprune.errors import UserError


def array_rows(files: Sequence[str], vocabulary: int) -> Iterator[Document]:
    """A document a row, named by the last file and its number from 0: the arrays' tokens, one after another.

    So lm-extraction-benchmark has 100 tokens before the prefix, the prefix and the suffix, 50 each, in a file
    each. Where there are several, the suffix begins with the last one's tokens. Rows are read as they are
    asked for. Raises UserError for a file that cannot be read, holds no rows of whole numbers, has not as
    many rows as the first, or ids that are not of the vocabulary.
    """
    arrays = [read_array(file) for file in files]
    for file, array in zip(files, arrays, strict=True):
        if len(array) != len(arrays[0]):
            raise UserError(
                f"{file}: found {len(array)} rows, allowed: as many as {files[0]} has, {len(arrays[0])}"
            )
    prefix = sum(array.shape[1] for array in arrays[:-1]) if len(arrays) > 1 else None
    for number in range(len(arrays[0])):
        ids = [token for array in arrays for token in array[number].tolist()]
        name = f"{Path(files[-1]).name}:{number}"
        check_vocabulary(ids, f"{files[-1]}: row {number}", vocabulary)
        yield Document(name, "all", "", None, ids, prefix=prefix)


def read_array(file: str) -> np.ndarray:
    """An array of whole numbers, rows × tokens, mapped from its file; raises UserError for anything else."""
    if not os.path.isfile(file):
        raise UserError(f"{file}: no such file")
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except (*UNREADABLE, EOFError, SyntaxError, TokenError) as error:  # NumPy reads headers as Python's
        reason = " ".join(str(error).split())[:160]
        if "Python objects" in reason:
            reason = "it holds Python objects; are its rows of mixed lengths?"
        raise UserError(f"{file}: not a .npy file of numbers ({reason})") from None
    if array.ndim != 2:
        raise UserError(f"{file}: found {array.ndim} dimensions, expected an array of rows × tokens")
    if array.size == 0:
        raise UserError(f"{file}: found {array.shape[0]} rows of {array.shape[1]} tokens, expected some")
    if array.dtype.kind not in "iu":
        raise UserError(f"{file}: found {array.dtype}, expected token ids, which are whole numbers")
    return array
