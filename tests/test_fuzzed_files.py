"""Files with bytes changed, lost and inserted: whatever reads them gives a result or one line."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpora import json_lines
from experiments import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from small_changes import TENSORS, about, manifest_in

from memprune.config.experiment import load
from memprune.config.published_figures import load_published
from memprune.corpus.drawn import read_drawn
from memprune.corpus.sources import sequences, tokens
from memprune.corpus.sources.files import read_files
from memprune.corpus.task_files import read_task_file
from memprune.errors import UserError
from memprune.methods.activations import count_tokens, read_activations, write_activations
from memprune.metrics.score_files import read_windows
from memprune.models.checkpoint import check_file
from memprune.models.manifest import read_manifest
from memprune.models.weights import read_header
from memprune.store import entries
from memprune.variants.changes import write_change
from memprune.variants.masks import read_mask
from memprune.variants.weights_of_variant import weights_of_variant

# The same examples each time; FUZZ=2000 in the environment looks at as many others.
EXAMPLES = int(os.environ.get("FUZZ", "60"))
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
TEXTS = [
    {"text": f"Some words, {n} of them. " * 9, "meta": {"pile_set_name": "A", "duplicates": n}}
    for n in range(9)
]
ROWS = np.random.default_rng(0).integers(0, 300, (3, 64))
IDS = pa.array(ROWS.tolist(), pa.list_(pa.int32()))
NUMBERS = [0, 1, 2]
DOCUMENTS = pa.table({"text": [row["text"] for row in TEXTS], "meta": [row["meta"] for row in TEXTS]})


def read_tokens(path: Path) -> list:
    corpus = {"dataset": str(path.parent), "revision": "main", "files": path.name}
    return list(tokens.read(corpus | {"window": 64, "offset": 0, "vocabulary": 300}, [], "train", 0))


def read_sequences(path: Path) -> list:
    corpus = {"arrays": [str(path)]} if path.suffix == ".npy" else {"files": [str(path)], "tokens": "ids"}
    return list(sequences.read(corpus | {"vocabulary": 300}, [], "train", 0))


def write_change_of(kind: str) -> Callable[[Path], None]:
    return lambda path: write_change(about(kind), TENSORS[kind].items(), path)


def change_bits(path: Path) -> np.ndarray:
    return weights_of_variant(manifest_in(path.parent), [path]).bits("w")


def write_windows(path: Path) -> None:
    """A score file of two perplexity windows."""
    told = {
        "shards": json.dumps([{"rows": 2}]),
        "achieved": json.dumps({"sparsity": 0.5, "removed": 0.5, "variant_bytes": 9}),
    }
    columns = {"target": pa.array([None, None], pa.string()), "tokens": [2, 1]}
    columns["log_probability"] = pa.array([[-1.0, -2.0], [-3.0]], pa.list_(pa.float32()))
    pq.write_table(pa.table(columns).replace_schema_metadata(told), path)


# What writes a file of a name, and what reads it.
FILES = {
    "my.yaml": (lambda path: path.write_bytes((ROOT / "config/embedded.yaml").read_bytes()), load),
    "mine.yaml": (
        lambda path: path.write_bytes((ROOT / "resources/tasks/verse_cloze.yaml").read_bytes()),
        lambda path: read_task_file(str(path)),
    ),
    "paper.yaml": (
        lambda path: path.write_bytes(next((ROOT / "config/published").glob("*.yaml")).read_bytes()),
        load_published,
    ),
    "a.jsonl": (lambda path: path.write_bytes(json_lines(TEXTS)), lambda path: list(read_files([str(path)]))),
    "a.jsonl.zst": (
        lambda path: path.write_bytes(zstandard.compress(json_lines(TEXTS))),
        lambda path: list(read_files([str(path)])),
    ),
    "a.parquet": (lambda path: pq.write_table(DOCUMENTS, path), lambda path: list(read_files([str(path)]))),
    "tokens.bin": (lambda path: path.write_bytes(np.ones(3 * 2049, "<u2").tobytes()), read_tokens),
    "tokens.parquet": (
        lambda path: pq.write_table(pa.table({"uid": NUMBERS, "batch_idx": NUMBERS, "token_ids": IDS}), path),
        read_tokens,
    ),
    "known.jsonl": (
        lambda path: path.write_bytes(json_lines([{"ids": row} for row in ROWS.tolist()])), read_sequences,
    ),
    "known.parquet": (lambda path: pq.write_table(pa.table({"ids": IDS}), path), read_sequences),
    "known.npy": (lambda path: np.save(path, ROWS.astype(np.uint16)), read_sequences),
    "samples.parquet": (lambda path: pq.write_table(pa.table({"tokens": IDS}), path), read_drawn),
    "model.safetensors": (
        lambda path: save_file({"a": np.ones(9, np.float32), "b": np.ones((2, 3), np.float16)}, path),
        lambda path: (check_file(path), read_header(path)),
    ),
    "mask.safetensors": (write_change_of("mask"), read_mask),
    **{f"{kind}.safetensors": (write_change_of(kind), change_bits) for kind in TENSORS if kind != "mask"},
    "activations.safetensors": (
        lambda path: write_activations({"a": np.ones(9, np.float32)}, 5, path),
        lambda path: (read_activations(path), count_tokens(path)),
    ),
    "manifest.json": (
        lambda path: path.write_text(json.dumps(asdict(manifest_in(path.parent)), indent=1)), read_manifest,
    ),
    "scores.parquet": (write_windows, read_windows),
}  # fmt: skip


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """A file's bytes with up to three changes."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["bit", "byte", "cut", "lost", "more", "again"]))
        if kind == "bit" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and content:
            content[place] = draw(st.sampled_from([0x00, 0x7F, 0x80, 0xFF, *b'0"[{-']))
        elif kind == "cut":
            del content[place:]
        elif kind == "lost":
            del content[place : place + draw(st.integers(1, 9))]
        elif kind == "more":
            content[place:place] = draw(st.binary(min_size=1, max_size=9))
        else:
            content[place:place] = content[place : place + draw(st.integers(1, 99))]
    return bytes(content)


def result_or_line(read: Callable, path: Path) -> object:
    """What is read; None where it is refused in one line."""
    try:
        return read(path)
    except UserError as error:
        [line] = str(error).splitlines()
        assert line.isprintable()
        return None


@pytest.mark.parametrize("name", FILES)
@FUZZED
@given(data=st.data())
def test_what_was_damaged_is_read_or_refused_in_one_line(name, data, tmp_path):
    path, (write, read) = tmp_path / name, FILES[name]
    write(path)
    assert read(path) is not None
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    result_or_line(read, path)


@FUZZED
@given(data=st.data())
def test_a_frame_with_a_checksum_is_read_as_it_was_or_not_at_all(data, tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(json_lines(TEXTS)))
    expected = list(read_files([str(path)]))
    content = data.draw(damaged(path.read_bytes()))
    path.write_bytes(content)
    found = result_or_line(lambda path: list(read_files([str(path)])), path)
    assert found is None or found[: len(expected)] == expected


@FUZZED
@given(data=st.data())
def test_a_mask_keeps_as_many_weights_as_it_tells(data, tmp_path):
    path = tmp_path / "mask.safetensors"
    write_change(about("mask"), TENSORS["mask"].items(), path)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    found = result_or_line(change_bits, path)
    assert found is None or np.count_nonzero(found) in (11, 12)  # the first weight is 0 itself


@FUZZED
@given(data=st.data())
def test_a_result_whose_content_is_recorded_is_never_read_otherwise(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMPRUNE_STORE", str(folder / "store"))
        path, content = folder / "samples.parquet", json_lines(TEXTS)
        entries.provide("kind", {"a": 1}, lambda own: (own / "a").write_bytes(content), {"a": path})
        changed = data.draw(damaged(content))
        path.write_bytes(changed)
        found = result_or_line(entries.content, path)
        assert (found is None) == (changed != content)
