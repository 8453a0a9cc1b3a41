"""Corpora of tokens: random rows of Megatron streams and of Parquet tables, local and from the Hub."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from corpora import documents
from hub_server import every
from hypothesis import given
from hypothesis import strategies as st
from project import snakemake
from tiny_models import reference_model, tiny_model

from memprune.corpus import token_table
from memprune.corpus.documents import Document
from memprune.corpus.draw_samples import draw_samples
from memprune.corpus.sources import tokens
from memprune.corpus.token_stream import ROW, random_rows
from memprune.errors import UserError

VOCABULARY = 50304
ROWS = (np.random.default_rng(0).zipf(1.2, (2100, ROW)) % VOCABULARY).astype(np.uint16)
PARTS = 3
GROUP = 170  # rows of a row group, no multiple of the rows read together
FORMS = {"stream": "document-*.bin", "table": "data/*.parquet"}


def lay_out_stream(folder: Path, rows: np.ndarray = ROWS) -> None:
    """The rows as one stream, cut by bytes into parts that end inside of rows, even inside of a token."""
    folder.mkdir(parents=True, exist_ok=True)
    content = rows.astype("<u2").tobytes()
    size = len(content) // PARTS | 1
    for part in range(PARTS):
        piece = content[part * size : (part + 1) * size] if part < PARTS - 1 else content[part * size :]
        (folder / f"document-{part:05d}-of-{PARTS - 1:05d}.bin").write_bytes(piece)


def lay_out_table(folder: Path, rows: np.ndarray = ROWS, files: int = 3) -> None:
    """The rows as Parquet files of several row groups."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    own = len(rows) // files
    for file in range(files):
        numbers = np.arange(file * own, (file + 1) * own)
        lists = pa.FixedSizeListArray.from_arrays(rows[numbers].reshape(-1).astype(np.int32), rows.shape[1])
        table = pa.table(
            {"uid": numbers, "batch_idx": numbers // 1024, "token_ids": lists.cast(pa.list_(pa.int32()))}
        )
        # Pages as small beside these files as pages of 1 MB are beside those that the Hub has.
        path = folder / f"data/train-{file:06d}.parquet"
        pq.write_table(table, path, row_group_size=GROUP, data_page_size=2**14)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A local folder with both forms of the rows."""
    folder = tmp_path_factory.mktemp("data")
    lay_out_stream(folder)
    lay_out_table(folder)
    return folder


def read(
    dataset, files: str, count: int | None = None, seed=0, window=64, offset=None, vocabulary=VOCABULARY
) -> list[Document]:
    corpus = {"dataset": str(dataset), "revision": "main", "files": files}
    settings = {"window": window, "offset": offset, "vocabulary": vocabulary}
    return list(islice(tokens.read(corpus | settings, [], "train", seed), count))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", [None, 0, ROW - 64])
def test_every_row_comes_once_as_its_window_and_step(data, form, offset):
    found = read(data, FORMS[form], offset=offset)
    assert sorted(row.document for row in found) == sorted(f"row {n}" for n in range(len(ROWS)))
    for row in found:
        number = int(row.document.removeprefix("row "))
        assert row.tokens == ROWS[number, row.start : row.start + 64].tolist()
        assert row.step == number // 1024
        assert row.duplicates is None
    starts = {row.start for row in found}
    assert starts == {offset} if offset is not None else len(starts) > 500


@pytest.mark.parametrize("form", FORMS)
def test_the_seed_orders_the_rows_and_more_keep_the_first(data, form):
    some, more, other = (read(data, FORMS[form], n, seed) for n, seed in [(60, 0), (130, 0), (60, 1)])
    assert more[:60] == some
    assert {row.document for row in other} != {row.document for row in some}


def test_a_few_rows_of_a_table_come_from_all_its_files(data):
    files = [int(row.document.removeprefix("row ")) // 700 for row in read(data, FORMS["table"], 150)]
    assert [files.count(file) for file in range(3)] == [50, 50, 50]


@given(st.integers(1, 60), st.integers(0, 5))
def test_random_rows_are_all_rows(rows, seed):
    assert sorted(random_rows(rows, seed)) == list(range(rows))


@pytest.mark.parametrize(("form", "share"), [("stream", 0.01), ("table", 0.25)])
def test_the_hub_gives_the_rows_of_a_local_copy_for_a_share_of_the_bytes(
    hub, data, monkeypatch, tmp_path, form, share
):
    hub.point(monkeypatch, tmp_path / "home")
    (hub.root / "datasets/someone").mkdir(parents=True)
    (hub.root / "datasets/someone/pile").symlink_to(data)
    monkeypatch.setattr(token_table, "BUFFER", 2**14)  # as small beside these files
    local = read(data, FORMS[form], 200)
    assert read("someone/pile", FORMS[form], 200) == local
    whole = sum(path.stat().st_size for path in data.glob(FORMS[form]))
    assert hub.sent < share * whole
    hub.fails, hub.breaks = every(23), every(11)
    hub.point(monkeypatch, tmp_path / "home")
    assert read("someone/pile", FORMS[form], 200) == local


def broken(folder: Path, case: str) -> tuple[str, dict]:
    """What is wrong in the folder, as the files to ask for and what is asked."""
    few = ROWS[:20]
    if case == "size":
        lay_out_stream(folder, few)
        (folder / f"document-{PARTS - 1:05d}-of-{PARTS - 1:05d}.bin").unlink()
        return "*.bin", {}
    if case in ("column", "kind"):
        content = {"uid": [0], "batch_idx": [0], "ids" if case == "column" else "token_ids": ["x"]}
        pq.write_table(pa.table(content), folder / "a.parquet")
        return "*.parquet", {}
    if case in ("uid", "step", "null", "tokens", "repeated"):
        content = {"uid": [0, 1], "batch_idx": [0, 0], "token_ids": [[1] * 64] * 2}
        content |= {
            "uid": {"uid": ["0", "1"]},
            "step": {"batch_idx": [0.0, 0.5]},
            "null": {"token_ids": [[1] * 64, None]},
            "tokens": {"token_ids": [[1] * 63 + [None]] * 2},
            "repeated": {"uid": [0, 0]},
        }[case]
        pq.write_table(pa.table(content), folder / "a.parquet")
        return "*.parquet", {}
    if case == "short":
        lay_out_table(folder, few[:, :40])
        return "data/*", {}
    if case in ("window", "offset"):
        lay_out_stream(folder, few)
        return "*.bin", {"window": ROW + 1} if case == "window" else {"offset": ROW - 63}
    if case == "vocabulary":
        lay_out_stream(folder, few)
        return "*.bin", {"vocabulary": 300, "window": ROW}
    if case == "parquet":
        (folder / "a.parquet").write_bytes(b"no Parquet" * 10)
        return "*.parquet", {}
    lay_out_stream(folder, few)
    (folder / "a.parquet").touch()
    (folder / "a.idx").touch()
    return {"mixed": "*a*", "ending": "*.idx", "none": "*.json", "folder": "none/*.bin"}[case], {}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("size", "bytes, which is no multiple of 4098, a row of 2049 tokens; is a part missing"),
        ("column", "a.parquet: no column token_ids; found uid, batch_idx, ids"),
        ("kind", "a.parquet: found string in column token_ids, expected lists of whole numbers"),
        ("uid", "a.parquet: found string in column uid, expected whole numbers"),
        ("step", "a.parquet: found double in column batch_idx, expected whole numbers"),
        ("null", "row 1 lacks a value in column token_ids"),
        ("tokens", "row 0 lacks a value in column token_ids"),
        ("repeated", "row 0 comes twice; uid must number the rows of all files"),
        ("short", "has 40 tokens; samples.context_lengths + suffix, from samples.offset on, ask for 64"),
        (
            "window",
            "a row has 2049 tokens; samples.context_lengths + suffix, from samples.offset on, ask for 2050",
        ),
        ("offset", "from samples.offset on, ask for 2050"),
        ("vocabulary", "the model has 0 to 299; are these another tokenizer's?"),
        ("parquet", "a.parquet: cannot be read (Parquet magic bytes not found"),
        ("mixed", "corpus.files *a* matches files that end in .idx, .parquet; allowed: all of one ending"),
        ("ending", "matches files that end in .idx; allowed: all of one ending, .bin or .parquet"),
        ("none", "no file matches corpus.files *.json"),
        ("folder", "no file matches corpus.files none/*.bin"),
    ],
)
def test_each_mistake_gives_its_line(tmp_path, case, message):
    files, asked = broken(tmp_path, case)
    with pytest.raises(UserError) as caught:
        read(tmp_path, files, **asked)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"corpus.dataset {tmp_path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "gated", "message"),
    [
        ("someone/none", False, "corpus.dataset someone/none, revision main: no such dataset on the Hub"),
        ("someone/pile", True, "corpus.dataset someone/pile, revision main: gated; ask for access"),
    ],
)
def test_a_repository_that_cannot_be_read(hub, monkeypatch, tmp_path, dataset, gated, message):
    hub.point(monkeypatch, tmp_path / "home")
    lay_out_stream(hub.root / "datasets/someone/pile", ROWS[:1])
    hub.gated = {dataset} if gated else set()
    with pytest.raises(UserError) as caught:
        read(dataset, "*.bin")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_samples_keep_where_rows_stood_in_training(data):
    rows = read(data, FORMS["stream"], 12)
    table = draw_samples(rows, None, 64, 10, 0, "member")
    assert table["step"].to_pylist() == [row.step for row in rows[:10]]
    assert table["offset"].to_pylist() == [row.start for row in rows[:10]]
    assert table["document"].to_pylist() == [row.document for row in rows[:10]]
    assert table["tokens"].to_pylist() == [row.tokens for row in rows[:10]]


@pytest.mark.slow
def test_published_counts_are_compared_with_local_token_files(tmp_path):
    """Of 30 rows the model continues 12 as they go on: 12 of 30 are extracted, beside what is published."""
    tiny_model("gpt_neox", "float32", tmp_path / "models/tiny", layers=2)
    model = reference_model(tmp_path / "models/tiny", None, "float32")
    rows = np.random.default_rng(1).integers(1, 256, (30, ROW))
    memorized = np.random.default_rng(2).choice(30, 12, replace=False)
    starts = torch.from_numpy(rows[memorized, :32])
    whole = model.generate(starts, max_new_tokens=32, do_sample=False, eos_token_id=VOCABULARY)
    rows[memorized, :64] = whole.numpy()
    lay_out_stream(tmp_path / "tokens", rows)
    texts = "".join(json.dumps({"text": document.text}) + "\n" for document in documents(40))
    (tmp_path / "texts.jsonl").write_text(texts)
    content = {
        "experiment": "published",
        "corpus": {"source": "tokens", "dataset": "tokens", "files": "document-*.bin"},
        "held_out": {"source": "files"}
        | {split: ["texts.jsonl"] for split in ("train", "validation", "test")},
        "samples": {
            "members": 30,
            "non_members": 3,
            "context_lengths": [32],
            "suffix": 32,
            "offset": 0,
            "perplexity_windows": 4,
            "perplexity_window": 32,
        },
        "models": {"pythia-70m": {"path": "models/tiny"}},
        "strategies": {},
    }
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    run = snakemake(tmp_path, "--configfile", "published.yaml", "--", "tables")
    assert run.returncode == 0, run.stderr
    results = tmp_path / "results/published"
    published = pd.read_csv(results / "tables/published.csv")
    assert set(published.status) == {"compared", "not run"}
    [row] = published[(published.source == "pythia-memorized-evals") & published.ours.notna()].to_dict(
        "records"
    )
    assert (row["model"], row["variant"]) == ("EleutherAI/pythia-70m", "pythia-70m/dense")
    assert (row["extracted"], row["samples"], row["ours"]) == (12, 30, 0.4)
    assert row["published"] == pytest.approx(463953 / 146432000)
    assert row["deviations"] == (
        "samples 30, published 146432000; "
        "corpus tokens, published EleutherAI/pile-standard-pythia-preshuffled; "
        "decoding greedy, published greedy without the end-of-text token; dtype float32, published float16"
    )
    samples = pd.read_parquet(results / "samples/samples.parquet").set_index("split")
    assert sorted(samples.document["member"]) == sorted(f"row {number}" for number in range(30))
    assert set(samples.offset) == {0}
    assert set(samples.step["member"]) == {0}
    assert samples.step["non_member"].isna().all()
    assert not list((results / "figures").glob("sparsity*"))
    again = snakemake(tmp_path, "--configfile", "published.yaml", "--", "tables")
    assert "Nothing to be done" in again.stdout + again.stderr
