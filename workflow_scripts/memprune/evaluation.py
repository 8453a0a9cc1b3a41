"""Turn what scoring says of one variant into the two tables that everything else is derived from."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedModel

from memprune.config import split_variant
from memprune.files import written_whole
from memprune.scoring import score_memorization, score_perplexity


def memorization_scores(
    model: PreTrainedModel, samples: pa.Table, context_lengths: Iterable[int], suffix: int, batch_tokens: int
) -> pa.Table:
    """One row per sample and context length: the sample's columns but its tokens, then the scores."""
    flat = samples["tokens"].combine_chunks()
    tokens = flat.flatten().to_numpy().reshape(len(samples), flat.type.list_size)
    described = samples.select(["sample", "split", "subset", "document", "duplicates"])
    parts = []
    for context_length in context_lengths:
        part = described.append_column(
            "context_length", pa.array(np.full(len(samples), context_length, np.int32))
        )
        scores = score_memorization(model, tokens, context_length, suffix, batch_tokens)
        for name, values in scores.items():
            part = part.append_column(name, pa.array(values))
        parts.append(part)
    return pa.concat_tables(parts)


def perplexity_scores(model: PreTrainedModel, windows: pa.Table, batch_tokens: int) -> pa.Table:
    """One row per perplexity window: document, summed NLL (nats), and the tokens, bytes and words scored."""
    tokens = [np.asarray(row) for row in windows["tokens"].to_pylist()]
    nll = score_perplexity(model, tokens, windows["scored"].to_numpy(), batch_tokens)
    table = windows.select(["window", "document", "subset"]).append_column("nll", pa.array(nll))
    for name, column in {"tokens": "scored", "bytes": "bytes", "words": "words"}.items():
        table = table.append_column(name, windows[column])
    return table


def write_scores(scores: pa.Table, model: str, variant: str, how: dict[str, str], path: Path) -> None:
    """Write scores as Parquet, with model, strategy and level as first columns and `how` as metadata."""
    strategy, level = split_variant(variant)
    first = {"model": model, "strategy": strategy, "level": level}
    for position, (name, value) in enumerate(first.items()):
        scores = scores.add_column(position, name, pa.array([value] * len(scores)))
    with written_whole(path) as temporary:
        pq.write_table(scores.replace_schema_metadata(how), temporary, compression="zstd")
