"""Corpora as people have them: of a row only what is asked for is read, whatever else it holds."""

import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpora import ROWS, corpus_of, json_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.corpus.documents import Document
from memprune.corpus.sources.files import read_files
from memprune.corpus.sources.hub import read
from memprune.errors import UserError

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
words = st.text(max_size=12)
keys = st.text(max_size=6).filter(lambda key: key not in ("text", "meta"))
metas = st.fixed_dictionaries(
    {},
    optional={
        "pile_set_name": words | st.none(),
        "duplicates": st.integers(0, 2**31 - 1) | st.none(),
        "id": anything,
        "x": anything,
    },
)


@st.composite
def json_rows(draw) -> list[dict]:
    """Rows in the Pile's form, whose `meta` may be whatever, with columns of any kind, and what is read."""
    rows = []
    for others in draw(st.lists(st.dictionaries(keys, anything, max_size=3), min_size=1, max_size=6)):
        meta = draw(metas)
        row = others | {"text": draw(words)}
        place = draw(st.sampled_from(["absent", "as it is", "text of JSON", "text of Python", "other"]))
        if place != "absent":
            row["meta"] = {
                "as it is": meta,
                "text of JSON": json.dumps(meta),
                "text of Python": repr(
                    {k: v for k, v in meta.items() if k in ("pile_set_name", "duplicates")}
                ),
                "other": draw(st.sampled_from([None, 5, [], ["a"], "", "some words", "{", "[1]", True])),
            }[place]
        known = meta if place not in ("absent", "other") else {}
        rows.append((row, known))
    return rows


def expected_documents(rows: list[tuple[dict, dict]], place: str) -> list[Document]:
    return [
        Document(f"{place}:{i}", known.get("pile_set_name") or "all", row["text"], known.get("duplicates"))
        for i, (row, known) in enumerate(rows)
    ]


@given(
    json_rows(),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n  \r\n"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_columns_that_nobody_asks_for_decide_nothing(tmp_path_factory, rows, end, mark, last, plain_ascii):
    lines = [json.dumps(row, ensure_ascii=plain_ascii) for row, _ in rows]
    content = b"\xef\xbb\xbf" * mark + (end.join(lines) + end * last).encode()
    folder = tmp_path_factory.mktemp("texts")
    frames = zstandard.compress(content[:9]) + zstandard.compress(content[9:])
    for name, written in {"a.jsonl": content, "a.jsonl.zst": frames}.items():
        (folder / name).write_bytes(written)
        assert list(read_files([str(folder / name)])) == expected_documents(rows, name)


def data_set_of(folder: Path, **files: bytes) -> dict:
    """The settings of a corpus that is a local folder of these files."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return corpus_of(str(folder)) | {"text": "text"}


@given(st.lists(json_rows(), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_a_data_set_has_the_same_freedom(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("data")
    corpus = data_set_of(
        folder,
        **{
            f"train-{i}__jsonl": "\n".join(json.dumps(row) for row, _ in rows).encode()
            for i, rows in enumerate(files)
        },
    )
    found = sorted(read(corpus, [], "train", 0), key=lambda document: document.document)
    expected = [d for i, rows in enumerate(files) for d in expected_documents(rows, f"train:{i}")]
    assert found == sorted(expected, key=lambda document: document.document)


# Three million bytes before the last row, which is of another kind.
MANY = [{"text": f"text {i} " * 60, "meta": {"pile_set_name": "A"}, "n": i} for i in range(5000)]
LATE = json_lines(
    [*MANY, {"text": "last", "meta": {"pile_set_name": "B", "duplicates": 3}, "n": "x", "more": [1]}]
)


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("train__jsonl", bytes),
        ("train__json", lambda content: b"[" + b",".join(content.split(b"\n")[:-1]) + b"]"),
        ("train__jsonl__gz", gzip.compress),
        ("train__json__bz2", bz2.compress),
        (
            "train__jsonl__zst",
            lambda content: zstandard.compress(content[:5000]) + zstandard.compress(content[5000:]),
        ),
    ],
)
def test_keys_that_come_late_in_a_data_set(name, compress, tmp_path):
    corpus = data_set_of(tmp_path, **{name: compress(LATE)})
    documents = {d.document: d for d in read(corpus, [], "train", 0)}
    assert len(documents) == len(MANY) + 1
    assert documents["train:0:5000"] == Document("train:0:5000", "B", "last", 3)
    assert documents["train:0:7"] == Document("train:0:7", "A", "text 7 " * 60, None)


def test_other_forms_of_data_sets_are_read_too(tmp_path):
    corpus = data_set_of(tmp_path, train__csv=b"text,n\nsome words,1\nothers,2\n")
    assert {(d.document, d.text) for d in read(corpus, [], "train", 0)} == {
        ("train:0:0", "some words"),
        ("train:0:1", "others"),
    }


def test_a_data_set_that_breaks_off_is_one_line(tmp_path):
    corpus = data_set_of(tmp_path, train__jsonl__zst=zstandard.compress(json_lines(ROWS * 5000))[:-9])
    with pytest.raises(UserError, match=r"file 0 of train: cannot be read \(Truncated compressed stream\)"):
        list(read(corpus, [], "train", 0))


# A column that cannot be read as Python values, as few are, and others of all sorts.
COLUMNS = {
    "date": pa.array([2**40, None], pa.timestamp("s")),
    "nested": pa.array([[{"a": 1}], []], pa.list_(pa.struct({"a": pa.int8()}))),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
    "null": pa.nulls(2),
}
TEXTS = ["some", "words"]


@pytest.mark.parametrize(
    ("meta", "subsets", "duplicates"),
    [
        (None, ["all", "all"], [None, None]),
        (pa.array([{"pile_set_name": "A"}, None]), ["A", "all"], [None, None]),
        (pa.array([{"duplicates": 4.0, "n": 1}, {"duplicates": None, "n": 2}]), ["all", "all"], [4, None]),
        (
            pa.StructArray.from_arrays([COLUMNS["date"], pa.array(["A", "B"])], ["date", "pile_set_name"]),
            ["A", "B"],
            [None, None],
        ),
        (pa.array(['{"pile_set_name": "A"}', "{'duplicates': 2}"]), ["A", "all"], [None, 2]),
        (pa.array(['{"duplicates": "2"}', ""]).dictionary_encode(), ["all", "all"], [2, None]),
        (COLUMNS["date"], ["all", "all"], [None, None]),
        (COLUMNS["nested"], ["all", "all"], [None, None]),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_of_a_parquet_file_only_what_is_asked_for_is_read(meta, subsets, duplicates, kind, tmp_path):
    columns = COLUMNS | {"text": pa.array(TEXTS).cast(kind)} | ({} if meta is None else {"meta": meta})
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table(columns), path)
    expected = list(zip(TEXTS, subsets, duplicates, strict=True))
    found = list(read_files([str(path)]))
    assert [(d.text, d.subset, d.duplicates) for d in found] == expected
    assert [d.document for d in found] == ["train.parquet:0", "train.parquet:1"]
    streamed = read(corpus_of(str(tmp_path)) | {"text": "text"}, [], "train", 0)
    assert sorted((d.document, d.text, d.subset, d.duplicates) for d in streamed) == [
        (f"train:0:{i}", *row) for i, row in enumerate(expected)
    ]
