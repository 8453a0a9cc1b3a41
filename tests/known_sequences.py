"""Known sequences in files, and the samples that are drawn from them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tiny_models import tiny_tokenizer

from memprune.corpus.draw_samples import draw
from memprune.corpus.sources import sequences

TOKENIZER = tiny_tokenizer()
SIZE = len(TOKENIZER)
LENGTHS, SUFFIX = [5, 20], 10
WINDOW = max(LENGTHS) + SUFFIX
SPEC = {
    "kind": "member",
    "known": True,
    "window": WINDOW,
    "context_lengths": LENGTHS,
    "suffix": SUFFIX,
    "offset": None,
    "seed": 0,
    "count": 100,
}
DATA_SET = {"dataset": "someone/known", "revision": "main", "split": "train", "shuffle_buffer": 50}


def ids_of(*lengths: int, seed: int = 0) -> list[list[int]]:
    """Rows of so many random token ids."""
    generator = np.random.default_rng(seed)
    return [generator.integers(1, SIZE, length).tolist() for length in lengths]


def written(folder: Path, rows: list[dict], name: str = "a.jsonl") -> dict:
    """The settings of a corpus of one file with these rows."""
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"files": [str(path)]}


def saved(folder: Path, *arrays: np.ndarray) -> dict:
    """The settings of a corpus of arrays."""
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array)
    return {"arrays": [str(folder / f"{number}.npy") for number in range(len(arrays))]}


def read(corpus: dict, seed: int = 0) -> list:
    return list(sequences.read({"source": "sequences", "vocabulary": SIZE, **corpus}, [], "train", seed))


def drawn(corpus: dict, **changed) -> pa.Table:
    """The samples of a corpus."""
    spec = SPEC | {"corpus": {"source": "sequences", **corpus}} | changed
    return draw(read(corpus, spec["seed"]), TOKENIZER, spec)
