"""Measure a variant on whole windows: a row a sample, with a column a score that tells members."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from memprune.corpus.drawn import filling
from memprune.disk import readable
from memprune.errors import UserError
from memprune.metrics.measure import write_measures
from memprune.metrics.membership.membership_scores import MEMBER, membership_scores
from memprune.metrics.score_files import column_of, read, with_achieved

EVIDENCE = ("log_probability", "mean", "deviation")
KEY = ["split", "seed", "sample", "document"]


def measure_membership(
    scores: Path,
    samples: Path,
    reference: Path | None,
    decode: Callable[[list[int]], str],
    share: float,
    output: Path,
) -> None:
    """Write the membership scores of a score file's samples, of all seeds.

    `samples` has the windows' tokens, of which `decode` makes text; `reference` is the score file of the
    reference model, dense. No model is a reference for itself: there the score is null, as without one.
    Each score's column says in its metadata on which side of it members lie (`member`: lower or higher).
    Raises UserError when a file is damaged, or is not of the same samples.
    """
    described, evidence = read_evidence(scores)
    with readable(samples):
        windows = filling(pq.read_table(samples, filters=pc.field("split") != "fitted"))
    check_same(described, windows, samples)
    other = None
    if reference is not None:
        dense, found = read_evidence(reference)
        check_same(described, dense, reference)
        if dense["model"][0] != described["model"][0]:
            other = found["log_probability"]
    texts = [decode(tokens) for tokens in windows["tokens"].to_pylist()]
    for name, values in membership_scores(evidence, texts, share, other).items():
        column = column_of(values)
        column = pa.nulls(len(column), column.type) if np.isnan(values).all() else column
        field = pa.field(name, column.type, metadata={"member": MEMBER[name]})
        described = described.append_column(field, column)
    write_measures(described, list(evidence.values()), output)


def read_evidence(path: Path) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """What identifies the windows of a score file, and their evidence: float32, windows × tokens.

    Raises UserError when the file is damaged.
    """
    with readable(path):
        table, _ = read(path)
        evidence = {name: windows_by_tokens(table, name) for name in EVIDENCE}
        return with_achieved(table.drop_columns([*EVIDENCE, "tokens"])), evidence


def windows_by_tokens(table: pa.Table, name: str) -> np.ndarray:
    """A column of lists as an array. Raises ValueError unless all have the length that `tokens` says."""
    lists, lengths = table[name].combine_chunks(), set(table["tokens"].to_pylist())
    if lists.type != pa.list_(pa.float32()) or {*lists.value_lengths().to_pylist()} != lengths:
        raise ValueError(f"{name}: {lists.type} of other lengths than tokens")
    return np.from_dlpack(lists.flatten()).reshape(len(table), -1)


def check_same(described: pa.Table, other: pa.Table, path: Path) -> None:
    """Raise UserError unless another file has the same samples in the same order."""
    if described.select(KEY) != other.select(KEY).replace_schema_metadata():
        raise UserError(f"{path}: found other samples than were scored, allowed: the same; run again")
