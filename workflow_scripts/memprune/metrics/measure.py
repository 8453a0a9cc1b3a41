"""Measure a variant: a row a sample and context length with a column a metric, and a row a window.

A metric is a module of this package: `measure(rows, **settings)` gives one value a row, and `LESS_MEMORIZED`
says which way less memorization lies: `lower`, `higher` or `neither`. Tables count what is true, and average
what is a number (see `docs/metrics.md`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from memprune.metrics.score_files import EVIDENCE, Rows, column_of, read_samples, read_windows


def measure_samples(
    scores: Path,
    columns: Sequence[tuple[str, Mapping]],
    output: Path,
    read: Callable[[Path], tuple[pa.Table, Rows]] = read_samples,
) -> None:
    """Write the measures of a score file's samples: what identifies a row, and a column a metric and setting.

    `columns` are names of metrics with settings, `read` reads the file. The metadata holds `evidence`,
    a digest of all evidence. Raises UserError when the score file is damaged.
    """
    described, rows = read(scores)
    for name, settings in columns:
        metric = import_module(f"memprune.metrics.{name}")
        values = metric.measure(rows, **settings)
        assert values.shape == (len(described),), (name, values.shape)
        column = column_of(values)
        about = {"less_memorized": metric.LESS_MEMORIZED}
        field = pa.field(column_name(name, settings), column.type, metadata=about)
        described = described.append_column(field, column)
    write_measures(described, [getattr(rows, name) for name in EVIDENCE], output)


def column_name(metric: str, settings: Mapping) -> str:
    """The column of a metric under some settings, which stand behind its name: `discoverable_n10_p0.5`."""
    return "_".join([metric, *(f"{key}{value!r}" for key, value in settings.items())])


def measure_windows(scores: Path, output: Path) -> None:
    """Write the measures of a score file's windows: what identifies a window, and `nll`.

    They are windows of documents or of concatenated text. `nll` is the negative log-likelihood of all its
    scored tokens, float64, in nats. The file's metadata holds `evidence` as that of samples. Raises UserError
    when the score file is damaged.
    """
    described, log_probabilities = read_windows(scores)
    nll = np.array([-own.astype(np.float64).sum() for own in log_probabilities])
    field = pa.field("nll", pa.float64(), metadata={"better": "lower"})
    write_measures(described.append_column(field, column_of(nll)), log_probabilities, output)


def write_measures(measures: pa.Table, evidence: Sequence[np.ndarray], output: Path) -> None:
    """Write measures with the SHA-256 of the evidence: variants of which it is equal have equal scores."""
    digest = hashlib.sha256()
    for values in evidence:
        digest.update(np.ascontiguousarray(values))
    about = {"evidence": digest.hexdigest()}
    pq.write_table(measures.replace_schema_metadata(about), output, compression="zstd")
