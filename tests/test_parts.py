"""A variant's shards in parts: each in one part, wherever blocks were cut before, and the same scores."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from experiments import experiment
from tiny_models import tiny_model

from memprune.corpus.draw_samples import WINDOWS_SCHEMA
from memprune.errors import UserError
from memprune.evaluation import shards
from memprune.evaluation.receipts import device_of, part_of
from memprune.evaluation.tasks import memorization_tasks
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.planning.parts import parts_of
from memprune.store import deletion, entries, roots

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"
MEMBERS, NON_MEMBERS, WINDOWS = 5, 3, 4
LENGTHS, SUFFIX = [4, 8], 4
SPEC = {
    "context_lengths": LENGTHS, "suffix": SUFFIX, "anchor": "suffix", "device": "cpu", "dtype": "float32",
    "batch_tokens": 128, "residency": "auto", "memory": None,
}  # fmt: skip


def drawn(members: int = MEMBERS) -> pa.Table:
    """Samples of random tokens; more members keep the first ones."""
    rows = [
        np.random.default_rng([seed, i]).integers(0, 200, max(LENGTHS) + SUFFIX)
        for seed, count in enumerate((members, NON_MEMBERS))
        for i in range(count)
    ]
    count = members + NON_MEMBERS
    tokens = pa.array(np.concatenate(rows).astype(np.int32))
    return pa.table(
        {
            "sample": [*range(members), *range(NON_MEMBERS)],
            "split": ["member"] * members + ["non_member"] * NON_MEMBERS,
            "seed": [0] * count,
            "pooled": [True] * count,
            "subset": ["a"] * count,
            "document": ["d"] * count,
            "duplicates": pa.array([1] * count, pa.int32()),
            "tokens": pa.FixedSizeListArray.from_arrays(tokens, max(LENGTHS) + SUFFIX),
        }
    )


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    """Blocks of two rows, and a store of the test's own."""
    for module in ("memprune.evaluation.shards", "memprune.evaluation.receipts"):
        monkeypatch.setattr(f"{module}.SHARD_ROWS", 2)
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))


def tasks_of(members: int) -> list:
    return memorization_tasks(drawn(members), LENGTHS, SUFFIX, "suffix", {"a": 1}, None)


def rows_of(tasks) -> list[set[int]]:
    """The rows of each task that the shards cover."""
    return [{row for s in task.shards for row in range(s.rows.start, s.rows.stop)} for task in tasks]


@pytest.mark.parametrize("parts", [1, 2, 3, 50])
def test_each_row_is_in_one_part(parts):
    tasks = tasks_of(MEMBERS)
    of_parts = [rows_of(part_of(tasks, part, parts)) for part in range(parts)]
    for number, task in enumerate(tasks):
        rows = [row for part in of_parts for row in part[number]]
        assert sorted(rows) == list(range(len(task.lengths)))


def test_the_configuration_tells_how_many_parts_there_are():
    # 2 context lengths × (3 blocks of members and 2 of others) and 2 blocks of windows
    samples = {"members": 5, "non_members": 3, "context_lengths": LENGTHS, "perplexity_windows": 4}
    blocks = sum(shards.block_count(len(task.lengths)) for task in tasks_of(MEMBERS)) + shards.block_count(4)
    for shards_per_job, parts in {None: 1, 1: 12, 5: 3, 12: 1}.items():
        config = experiment(shards_per_job=shards_per_job)
        config = config.model_copy(update={"samples": config.samples.model_copy(update=samples)})
        assert parts_of(config) == parts
    assert blocks == 12


def test_blocks_that_have_grown_since_they_were_stored_stay_in_their_part():
    fresh = [rows_of(part_of(tasks_of(6), part, 3)) for part in range(3)]
    for task in tasks_of(MEMBERS):  # the last block of members has one row
        for shard in task.shards:
            entries.obtain(shard.name, shard.determinants, lambda folder: None)
    grown = tasks_of(6)
    assert [len(task.shards) for task in grown] == [4, 2, 4, 2]
    assert [rows_of(part_of(grown, part, 3)) for part in range(3)] == fresh


def test_parts_on_unlike_devices_are_an_error(tmp_path):
    for name in ("cpu", "cuda"):
        (tmp_path / name).write_text(json.dumps({"device": name, "shards": []}))
    assert device_of([tmp_path / "cuda"]) == "cuda"
    with pytest.raises(UserError, match=r"evaluation\.device: its parts were scored on cpu and cuda"):
        device_of([tmp_path / "cpu", tmp_path / "cuda"])


@pytest.fixture
def options(tmp_path) -> list[str]:
    """The options that say which variant is scored, with the files that they name."""
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2))
    write_manifest(manifest, tmp_path / "manifest.json")
    samples = drawn().replace_schema_metadata({"tokenizer": manifest.tokenizer})
    pq.write_table(samples, tmp_path / "samples.parquet")
    rows = [
        {"window": i, "document": "d", "subset": "a", "tokens": [i, *range(9)], "scored": 9, "bytes": 9,
         "words": 2}
        for i in range(WINDOWS)
    ]  # fmt: skip
    about = {"tokenizer": manifest.tokenizer, "prefix_token": "0"}
    windows = pa.Table.from_pylist(rows, WINDOWS_SCHEMA.with_metadata(about))
    pq.write_table(windows, tmp_path / "windows.parquet")
    return [
        "--model", "tiny", "--variant", "dense", "--manifest", str(tmp_path / "manifest.json"), "--samples",
        str(tmp_path / "samples.parquet"), "--windows", str(tmp_path / "windows.parquet"), "--threads", "1",
        "--spec", json.dumps(SPEC),
    ]  # fmt: skip


def command(script: str, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *options], capture_output=True, text=True, check=False
    )


def score_part(options: list[str], part: int, receipt: Path) -> str:
    own = ["--part", str(part), "--parts", "2", "--receipt", str(receipt)]
    done = command("score_shards.py", *options, *own)
    assert done.returncode == 0, done.stderr
    return done.stdout


def evaluate(options: list[str], folder: Path, *more: str) -> subprocess.CompletedProcess:
    outputs = ["--memorization", str(folder / "m.parquet"), "--perplexity", str(folder / "p.parquet")]
    return command("evaluate.py", *options, *outputs, *more)


@pytest.mark.slow
def test_parts_give_the_scores_of_one_job_and_leave_nothing_to_compute(options, tmp_path, monkeypatch):
    whole, apart = tmp_path / "whole", tmp_path / "apart"
    assert evaluate(options, whole).returncode == 0
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "another"))
    paths = [tmp_path / "0.json", tmp_path / "1.json"]
    # One shard for each context length and split, and one of windows: 3 and 2 of them.
    assert "0 of 3 shards found" in score_part(options, 0, paths[0])
    missing = evaluate(options, apart, "--parts", str(paths[0]))
    assert missing.returncode == 1
    assert "error: models.tiny, variant dense: " in missing.stderr
    assert "--forcerun score_shards" in missing.stderr
    assert "0 of 2 shards found" in score_part(options, 1, paths[1])
    assert "2 of 2 shards found" in score_part(options, 1, paths[1])
    done = evaluate(options, apart, "--parts", *map(str, paths))
    assert "5 of 5 shards found" in done.stdout, done.stderr
    for name in ("m.parquet", "p.parquet"):
        assert pq.read_table(apart / name).equals(pq.read_table(whole / name), check_metadata=True)
    shards = [shard for path in paths for shard in json.loads(path.read_text())["shards"]]
    assert {shard["name"] for shard in shards} <= roots.used(entries.folder())
    assert {shard["how"]["compute_dtype"] for shard in shards} == {"float32"}


@pytest.mark.slow
def test_a_killed_part_goes_on_after_its_last_shard(options, tmp_path):
    receipt = tmp_path / "0.json"
    score_part(options, 0, receipt)
    names = [shard["name"] for shard in json.loads(receipt.read_text())["shards"]]
    receipt.unlink()
    # As after a kill: earlier shards are stored, the last one and the receipt are not.
    assert deletion.delete(names[-1:]) == names[-1:]
    assert "2 of 3 shards found" in score_part(options, 0, receipt)
    assert [shard["name"] for shard in json.loads(receipt.read_text())["shards"]] == names
