"""Random rows of a Megatron token stream: uint16 rows of one length, cut by bytes into `.bin` files.

So EleutherAI publishes what each Pythia model was trained on, in the order of training: rows of 2,049 tokens
(2,048 to predict from, and the one after each), 1,024 rows a step.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, count

import numpy as np

from memprune.corpus.documents import Document, rank, window_start
from memprune.corpus.token_files import TokenFiles, check_window, in_parallel, read_range
from memprune.errors import UserError

ROW = 2049  # tokens
TOKEN = np.dtype("<u2")
ROWS_A_STEP = 1024
REQUESTS = 16  # at a time


def stream_rows(files: TokenFiles, seed: int, window: int, offset: int | None) -> Iterator[Document]:
    """Rows in an order fixed by the seed, none twice; of each only its window is read.

    Raises UserError when the files are no whole number of rows, or the window does not fit into a row.
    """
    rows = row_count(files)
    check_window(files.place, "a row", ROW, window, offset)
    borders = [0, *accumulate(files.sizes)]

    def read_row(number: int) -> Document:
        name = f"row {number}"
        start = window_start(seed, name, ROW, window, offset)
        first = (number * ROW + start) * TOKEN.itemsize
        content = read_stream(files, borders, first, first + window * TOKEN.itemsize)
        tokens = np.frombuffer(content, TOKEN).tolist()
        return Document(name, "all", "", None, tokens, start, number // ROWS_A_STEP)

    return in_parallel(read_row, random_rows(rows, seed), REQUESTS)


def row_count(files: TokenFiles) -> int:
    """How many rows the files hold; raises UserError when that is no whole number."""
    rows, rest = divmod(sum(files.sizes), ROW * TOKEN.itemsize)
    if rest:
        raise UserError(
            f"{files.place}: its {len(files.paths)} .bin files have {sum(files.sizes)} bytes, which is no "
            f"multiple of {ROW * TOKEN.itemsize}, a row of {ROW} tokens; is a part missing, or one too many?"
        )
    return rows


def random_rows(rows: int, seed: int) -> Iterator[int]:
    """All numbers below `rows` in an order fixed by the seed, without holding more than were asked for."""
    drawn: set[int] = set()
    for attempt in count():
        if len(drawn) == rows:
            return
        number = rank(seed, "row", str(attempt)) % rows
        if number not in drawn:
            drawn.add(number)
            yield number


def read_stream(files: TokenFiles, borders: list[int], start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of the stream, from one part or several; `borders` are where parts begin."""
    pieces = []
    while start < stop:
        part = bisect_right(borders, start) - 1
        end = min(stop, borders[part + 1])
        pieces.append(read_range(files, files.paths[part], start - borders[part], end - borders[part]))
        start = end
    return b"".join(pieces)
