"""Documents from every source, and the one line for each file that is not what its name says."""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from memprune.corpora.files import read_files
from memprune.corpora.hub import read
from memprune.documents import Document
from memprune.errors import UserError

ROWS = [
    {"text": "Fünf Wörter stehen hier.", "meta": {"pile_set_name": "Books3"}},
    {"text": "x = 1\n", "meta": {"pile_set_name": "Github", "document": "a.py", "duplicates": 8}},
]


def json_lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def write(path, rows: list[dict] = ROWS) -> str:
    """Write rows in the format that the path's ending names."""
    if path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.name.endswith(".zst"):
        path.write_bytes(zstandard.compress(json_lines(rows)))
    else:
        path.write_bytes(json_lines(rows))
    return str(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.parquet"])
def test_files_in_the_piles_form(name, tmp_path):
    assert list(read_files([write(tmp_path / name)])) == [
        Document(f"{name}:0", "Books3", "Fünf Wörter stehen hier.", None),
        Document("a.py", "Github", "x = 1\n", 8),
    ]


def test_files_follow_one_another(tmp_path):
    files = [write(tmp_path / "a.jsonl", ROWS[:1]), write(tmp_path / "b.jsonl", ROWS[:1])]
    assert [document.document for document in read_files(files)] == ["a.jsonl:0", "b.jsonl:0"]


def test_rows_without_meta_are_one_subset(tmp_path):
    [document] = read_files([write(tmp_path / "a.jsonl", [{"text": "plain"}])])
    assert document.subset == "all"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"PAR1 this is no JSON\n", "a.jsonl: not a .jsonl file as its name says"),
        ("a.jsonl.zst", json_lines(ROWS), "a.jsonl.zst: not a .jsonl.zst file as its name says"),
        (
            "a.jsonl.zst",
            zstandard.compress(b"no JSON at all"),
            "a.jsonl.zst: not a .jsonl.zst file as its name says",
        ),
        ("a.jsonl.zst", zstandard.compress(json_lines(ROWS * 500))[:-20], "a.jsonl.zst: not a .jsonl.zst"),
        ("a.parquet", json_lines(ROWS), "a.parquet: not a .parquet file as its name says"),
        ("a.txt", b"text", "a.txt: unknown ending; allowed: .jsonl, .jsonl.zst, .parquet"),
        ("a.jsonl", json_lines([{"content": "x"}]), "has no text in column text; found content"),
        ("a.jsonl", json_lines([{"text": 5}]), "a.jsonl:0 has no text in column text; found int there"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_files([str(tmp_path / name)]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_without_text(tmp_path):
    path = write(tmp_path / "a.parquet", [{"content": "x"}])
    with pytest.raises(UserError, match=r"a.parquet: no column text; found content"):
        list(read_files([path]))


def test_a_missing_file_is_found_before_the_first_is_read(tmp_path):
    documents = read_files([write(tmp_path / "a.jsonl"), str(tmp_path / "none.jsonl")])
    with pytest.raises(UserError, match=r"none.jsonl: no such file"):
        next(documents)


@pytest.fixture
def data_set(tmp_path) -> str:
    """A folder laid out as a data set of the Hub, with two splits and the text in `content`."""
    folder = tmp_path / "data"
    for split, count in {"train": 300, "test": 20}.items():
        rows = [{"content": f"{split} {i}", "meta": {"pile_set_name": "Books3"}} for i in range(count)]
        (folder / "data").mkdir(parents=True, exist_ok=True)
        write(folder / f"data/{split}-00000-of-00001.parquet", rows)
    return str(folder)


def settings(data_set: str) -> dict:
    """The settings of a corpus of the Hub, whose splits have their usual names."""
    splits = {split: split for split in ("train", "validation", "test")}
    return {"dataset": data_set, "revision": "main", "text": "content", "shuffle_buffer": 1000} | splits


def test_a_data_set_is_shuffled_by_the_seed(data_set):
    first, again, other = (list(read(settings(data_set), [], "train", seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    # The name is the split, the file and the row there, whatever the seed.
    assert all(d.document == d.text.replace(" ", ":0:") for d in first + other)
    assert {d.text for d in first} == {d.text for d in other} == {f"train {i}" for i in range(300)}
    assert first[0].subset == "Books3"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test": "dev"}, ": no split dev; found train, test"),
        ({"text": "text"}, "has no text in column text; found content"),
        (
            {"dataset": "nobody/nothing"},
            "data set nobody/nothing, revision main: the Hub cannot be reached; on a machine with network",
        ),
    ],
)
def test_a_data_set_that_cannot_be_read(data_set, changed, message, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as caught:
        list(read(settings(data_set) | changed, [], "test", seed=0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
