"""Score files: evidence as it was scored, beside what identifies its rows, and how it was made."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_models import tiny_model, write_mask_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.evaluation.columns import suffix_columns, window_columns
from memprune.evaluation.evaluate import write_scores
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.tasks import memorization_tasks, perplexity_task
from memprune.models.resolve_model import resolve_model
from memprune.scoring.evidence import Evidence
from memprune.variants.achieved import Achieved, achieved

SUFFIX, LENGTHS = 4, [3, 6]
REACHED = Achieved(sparsity=0.3, removed=0.1, variant_bytes=1000)


def random_evidence(rows: int) -> Evidence:
    generator = np.random.default_rng(rows)
    floats = generator.normal(size=(2, rows, SUFFIX)).astype(np.float32)
    return Evidence(*floats, generator.integers(0, 2**16, (rows, SUFFIX)).astype(np.uint16))


def samples() -> pa.Table:
    rows, length = 7, max(LENGTHS) + SUFFIX
    tokens = pa.array(np.random.default_rng(0).integers(0, 200, rows * length).astype(np.int32))
    return pa.table(
        {
            "sample": range(rows),
            "split": ["member"] * 4 + ["non_member"] * 3,
            "seed": [0] * rows,
            "pooled": [True] * rows,
            "subset": ["a"] * rows,
            "document": [f"d{i}" for i in range(rows)],
            "duplicates": pa.array([1, None, 3, 4, 1, 1, 1], pa.int32()),
            "tokens": pa.FixedSizeListArray.from_arrays(tokens, length),
        }
    )


@pytest.fixture(autouse=True)
def small_shards(monkeypatch, tmp_path):
    monkeypatch.setattr("memprune.evaluation.shards.SHARD_ROWS", 2)
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))


@pytest.mark.parametrize("anchor", ["suffix", "prefix"])
def test_a_score_file_has_all_evidence_and_says_how_each_shard_was_made(anchor, tmp_path):
    given, places = [], iter(range(100))

    def score(tokens, lengths, advance):
        given.append(random_evidence(len(tokens) * len(lengths)))
        how = {"device": f"gpu {next(places)}", "batch_tokens": "800"}
        return pa.table(suffix_columns(given[-1])).replace_schema_metadata(how)

    tasks = memorization_tasks(samples(), LENGTHS, SUFFIX, anchor, {}, score)
    path = tmp_path / "scores.parquet"
    for _ in range(2):  # scored, then from the store
        write_scores(tasks, score_shards(tasks), "m", "global@0.3", 0.3, REACHED, path)
        table = pq.read_table(path)
        for name in ("log_probability", "margin", "rank"):
            found = np.stack(table[name].to_numpy())
            expected = np.concatenate([getattr(evidence, name) for evidence in given])
            assert (found.dtype, table.schema.field(name).type.list_size) == (expected.dtype, SUFFIX)
            np.testing.assert_array_equal(found, expected)
        assert table.column_names[:4] == ["model", "strategy", "level", "target"]
        assert set(table["level"].to_pylist()) == {0.3}
        assert json.loads(table.schema.metadata[b"achieved"]) == vars(REACHED)
        shards = json.loads(table.schema.metadata[b"shards"])
        assert [shard["rows"] for shard in shards] == [len(evidence.rank) for evidence in given]
        assert [shard["device"] for shard in shards] == [f"gpu {i}" for i in range(len(given))]
        assert set(table["context_length"].to_pylist()) == set(LENGTHS)
        one = table.to_pandas().groupby("context_length").duplicates
        assert all(rows.isna().sum() == 1 for _, rows in one)


def test_windows_keep_each_scored_tokens_log_probability(tmp_path):
    generator = np.random.default_rng(1)
    scored = [5, 1, 9]
    windows = pa.table(
        {
            "window": range(3),
            "document": ["a", "a", "b"],
            "subset": ["a"] * 3,
            "tokens": pa.array([[1] * 6, [2] * 6, [3] * 10], pa.list_(pa.int32())),
            "scored": pa.array(scored, pa.int32()),
            "bytes": pa.array([1] * 3, pa.int32()),
            "words": pa.array([1] * 3, pa.int32()),
        }
    )
    given = [generator.normal(size=count).astype(np.float32) for count in scored]
    rows = iter(given)

    def score(tokens, counts, advance):
        return pa.table(window_columns([next(rows)[:count] for count in counts]), metadata={"device": "cpu"})

    task = perplexity_task(windows, {}, score)
    write_scores([task], score_shards([task]), "m", "dense", 0.0, REACHED, tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    for found, expected in zip(table["log_probability"].to_pylist(), given, strict=True):
        np.testing.assert_array_equal(np.float32(found), expected)
    assert table["tokens"].to_pylist() == scored


@pytest.mark.parametrize("matrices", ["all", "attention"])
def test_what_a_mask_has_achieved_is_counted(matrices, family, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float16", tmp_path / "model"))
    assert achieved(manifest, []) == Achieved(0.0, 0.0, manifest.tensor_bytes)
    mask = tmp_path / "mask.safetensors"
    write_mask_of(manifest, PruneStrategy(matrices=matrices, allocation="global").selection, 0.3, mask)
    found = achieved(manifest, [mask])
    roles = ("query_key_value", "query", "key", "value", "output")
    own = [m.weights for m in manifest.matrices if matrices == "all" or m.role in roles]
    removed = round(0.3 * sum(own))
    assert found.sparsity == removed / sum(own)
    assert found.removed == removed / sum(m.weights for m in manifest.matrices)
    bits = sum(-(-weights // 8) for weights in own)
    assert found.variant_bytes == manifest.tensor_bytes - 2 * removed + bits


def test_a_models_bytes_are_those_of_its_tensors(family, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float32", tmp_path))
    file = tmp_path / "model.safetensors"
    header = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    assert manifest.tensor_bytes == file.stat().st_size - header
