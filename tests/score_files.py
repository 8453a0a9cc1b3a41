"""Score files as an evaluation writes them, with evidence that nobody has computed."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from memprune.scoring.evidence import Evidence

HOW = {"weights_dtype": "float16", "device": "cpu", "residency": "resident", "batch_tokens": 2048}
TYPES = {"model": pa.string(), "strategy": pa.string(), "level": pa.float64(), "target": pa.string()}
DENSE = {"sparsity": 0.0, "removed": 0.0, "variant_bytes": 1000}


def evidence_of(margins: np.ndarray, log_probabilities: np.ndarray | None = None) -> Evidence:
    """Evidence with these margins (rows × suffix), ranks that fit, and log-probabilities, else -1 each."""
    margins = np.asarray(margins, dtype=np.float32)
    if log_probabilities is None:
        log_probabilities = np.full(margins.shape, -1)
    ranks = np.where(margins < 0, 1, 0).astype(np.uint16)
    return Evidence(np.asarray(log_probabilities, dtype=np.float32), margins, ranks)


def random_evidence(rows: int, suffix: int, seed: int = 0) -> Evidence:
    """Evidence of which some rows are extracted and most are not."""
    generator = np.random.default_rng(seed)
    ease = generator.normal(1, 2, (rows, 1))
    margins = generator.normal(ease, 1, (rows, suffix))
    return evidence_of(margins, -generator.exponential(np.exp(-ease), (rows, suffix)))


def write_sample_scores(
    path: Path,
    evidence: Evidence,
    variant: tuple[str, str, float] = ("m", "dense", 0.0),
    achieved: Mapping = DENSE,
    compute_dtypes: Mapping[str, int] | None = None,
    **columns,
) -> None:
    """Write the scores of samples of a variant (model, strategy, level), a row for each row of evidence.

    `compute_dtypes` gives the number of rows of each shard; `columns` replace what describes rows otherwise.
    """
    rows = len(evidence.rank)
    described = {
        "sample": pa.array(range(rows), pa.int64()),
        "split": ["member"] * rows,
        "seed": pa.array([0] * rows, pa.int64()),
        "pooled": [True] * rows,
        "subset": ["ABC"[row % 3] for row in range(rows)],
        "document": [f"d{row}" for row in range(rows)],
        "duplicates": pa.array([2 ** (row % 8) for row in range(rows)], pa.int32()),
        "context_length": pa.array([50] * rows, pa.int32()),
    }
    lists = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        for name, values in vars(evidence).items()
    }
    shards = compute_dtypes or {"float32": rows}
    write(path, variant, {**described, **columns, **lists}, shards, achieved)


def write_window_scores(
    path: Path,
    log_probabilities: list[np.ndarray],
    variant: tuple[str, str, float] = ("m", "dense", 0.0),
    achieved: Mapping = DENSE,
) -> None:
    """Write the scores of perplexity windows, of which each has the log-probabilities of its tokens."""
    tokens = [len(own) for own in log_probabilities]
    columns = {
        "window": pa.array(range(len(tokens)), pa.int64()),
        "document": [f"d{row}" for row in range(len(tokens))],
        "subset": ["A"] * len(tokens),
        "tokens": pa.array(tokens, pa.int32()),
        "bytes": pa.array([4 * count for count in tokens], pa.int32()),
        "words": pa.array([max(1, count // 2) for count in tokens], pa.int32()),
        "log_probability": pa.array(log_probabilities, pa.list_(pa.float32())),
    }
    write(path, variant, columns, {"float32": len(tokens)}, achieved)


def write(path: Path, variant: tuple, columns: Mapping, shards: Mapping[str, int], achieved: Mapping) -> None:
    """Write a table of a variant with its metadata."""
    rows = sum(shards.values())
    named = dict(zip(("model", "strategy", "level"), variant, strict=True)) | {"target": None}
    metadata = {
        "shards": json.dumps([{"rows": n, "compute_dtype": dtype, **HOW} for dtype, n in shards.items()]),
        "achieved": json.dumps(achieved),
    }
    first = {name: pa.array([value] * rows, TYPES[name]) for name, value in named.items()}
    table = pa.table({**first, **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")
