"""Selection output by output: of each row of weights that one output is made with, some go.

The keys of a block of rows are looked at at one time; where a checkpoint stores input × output, of a whole
matrix.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from memprune.methods.selection_engine import Keys
from memprune.models import weights
from memprune.models.manifest import Matrix
from memprune.variants.regions import Region

BLOCK = 2**18  # weights looked at at one time: smaller ones leave threads waiting for the interpreter
EIGHT = 8  # rows: their bits end where a byte does, whatever the length of a row
# Of keys, outputs × inputs in scope, gives which stay, bool.
Choose = Callable[[np.ndarray], np.ndarray]


def drop_by_output(
    packed: Mapping[str, np.ndarray],
    region: Region,
    input_first: bool,
    keys: Keys,
    choose: Choose,
    threads: int,
) -> None:
    """Take those weights of a region that `choose` does not keep out of their matrix' mask.

    `input_first` says that the matrix is stored input × output. `choose` sees keys as uint32, and rows in
    any portions.
    """
    matrix = region.matrix
    mask = packed[matrix.name]

    def keep_rows(rows: slice) -> tuple[slice, np.ndarray]:
        """The bytes of the mask that some stored rows have, and their new bits."""
        kept = keep(read_rows(keys, matrix, rows), within(region, rows))
        start = rows.start * matrix.shape[1]
        return slice(start // 8, (start + kept.size + 7) // 8), np.packbits(kept, bitorder="little")

    def keep(values: np.ndarray, lines: tuple | None) -> np.ndarray:
        if lines is None:
            return choose(values.T).T if input_first else choose(values)
        kept = np.ones(values.shape, dtype=np.bool_)
        if (chosen := values[lines]).size:
            kept[lines] = choose(chosen.T).T if input_first else choose(chosen)
        return kept

    portions = [slice(0, matrix.shape[0])] if input_first else list(blocks_of_rows(matrix))
    with ThreadPoolExecutor(threads) as pool:
        for place, kept in pool.map(keep_rows, portions):
            mask[place] &= kept


def blocks_of_rows(matrix: Matrix) -> Iterator[slice]:
    """Stored rows in portions of about a block of weights."""
    rows, columns = matrix.shape
    step = max(EIGHT, BLOCK // columns // EIGHT * EIGHT)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def read_rows(keys: Keys, matrix: Matrix, rows: slice) -> np.ndarray:
    """The keys of some stored rows, rows × columns, uint32, in an array of their own."""
    columns = matrix.shape[1]
    start, stop = rows.start * columns, rows.stop * columns
    values = np.empty(stop - start, dtype=np.uint32)
    for piece in weights.slices(stop - start):
        values[piece] = keys.of(matrix, slice(start + piece.start, start + piece.stop))
    return values.reshape(-1, columns)


def within(region: Region, rows: slice) -> tuple | None:
    """Where a region lies in some stored rows of its matrix, as an index of rows × columns; None: all."""
    if region.lines is None:
        return None
    lines = np.array(region.lines)
    if region.axis == 1:
        return (slice(None), lines)
    return (lines[(lines >= rows.start) & (lines < rows.stop)] - rows.start, slice(None))
