"""Documents from every source, and the one line for each file that is not what its name says."""

import bz2
import gzip
import json
import os
from datetime import datetime
from itertools import count, pairwise
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.corpora.files import read_files, short_names
from memprune.corpora.hub import read
from memprune.documents import Document, as_document, shuffled
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
    for split, size in {"train": 300, "test": 20}.items():
        rows = [{"content": f"{split} {i}", "meta": {"pile_set_name": "Books3"}} for i in range(size)]
        (folder / "data").mkdir(parents=True, exist_ok=True)
        write(folder / f"data/{split}-00000-of-00001.parquet", rows)
    return str(folder)


def corpus_of(data_set: str) -> dict:
    """The settings of a corpus of the Hub, whose splits have their usual names."""
    splits = {split: split for split in ("train", "validation", "test")}
    return {"dataset": data_set, "revision": "main", "text": "content", "shuffle_buffer": 1000} | splits


def test_a_data_set_is_shuffled_by_the_seed(data_set):
    first, again, other = (list(read(corpus_of(data_set), [], "train", seed)) for seed in (0, 0, 1))
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
        list(read(corpus_of(data_set) | changed, [], "test", seed=0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


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


MANY = [{"text": f"text {i}", "meta": {"pile_set_name": "A"}, "n": i} for i in range(40_000)]
LATE = [*MANY, {"text": "last", "meta": {"pile_set_name": "B", "duplicates": 3}, "n": "x", "more": [1]}]


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
    corpus = data_set_of(tmp_path, **{name: compress(json_lines(LATE))})
    documents = {d.document: d for d in read(corpus, [], "train", 0)}
    assert len(documents) == len(LATE)
    assert documents["train:0:40000"] == Document("train:0:40000", "B", "last", 3)
    assert documents["train:0:7"] == Document("train:0:7", "A", "text 7", None)


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


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a\ud800b"}, r"a.jsonl:0 is not Unicode: '\ud800' at character 1"),
        ({"text": "a", "meta": {"pile_set_name": "\udfff"}}, r"a.jsonl:0 is not Unicode: '\udfff' at char"),
        ({"text": "a", "meta": {"document": "\udfff"}}, r"a.jsonl:0 is not Unicode: '\udfff' at character 0"),
        (
            {"text": "a", "meta": {"pile_set_name": ["x"]}},
            "a.jsonl:0 has list in meta.pile_set_name, expected",
        ),
        ({"text": "a", "meta": {"document": {}}}, "a.jsonl:0 has dict in meta.document, expected a text"),
        ({"text": "a", "meta": {"duplicates": "often"}}, "has 'often' in meta.duplicates, expected a whole"),
        ({"text": "a", "meta": {"duplicates": -1}}, "a.jsonl:0 has -1 in meta.duplicates, expected a whole"),
        (
            {"text": "a", "meta": {"duplicates": 1.5}},
            "a.jsonl:0 has 1.5 in meta.duplicates, expected a whole",
        ),
        ({"text": "a", "meta": {"duplicates": True}}, "a.jsonl:0 has True in meta.duplicates, expected a"),
        ({"text": "a", "meta": {"duplicates": 2**31}}, "a.jsonl:0 has 2147483648 in meta.duplicates"),
        ({"text": None}, "a.jsonl:0 has no text in column text; found NoneType there"),
    ],
)
def test_what_is_read_of_a_row_must_be_right(row, message, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError) as caught:
        list(read_files([str(tmp_path / "a.jsonl")]))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "a.jsonl"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "x"}\nnull\n', "row 1: found NoneType, expected an object"),
        (b'{"text": "x"}\n[1]\n', "row 1: found list, expected an object"),
        (b'{"text": "x"}\n{"text": "y"', "row 1: Expecting ',' delimiter"),
        (b'{"text": "x"}\n{"text": "\xff"}\n', "row 1: 'utf-8' codec can't decode byte 0xff"),
        (b'{"text": "x"}\n' + b"[" * 10**5, "row 1: maximum recursion depth exceeded"),
        (b'{"text": "x"}\r{"text": "y"}', "row 0: Extra data"),
        ('{"text": "x"}'.encode("utf-16"), "row 0: 'utf-8' codec can't decode byte 0xff"),
        (b"", "it is empty"),
    ],
)
def test_a_broken_row_is_named(content, message, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_files([str(path)]))
    assert f"{path}: not a .jsonl file as its name says ({message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(UserError, match=r"a\.jsonl: found a folder, expected a file"):
        list(read_files([str(tmp_path / "a.jsonl")]))


paths = st.lists(
    st.tuples(st.lists(st.sampled_from("xyz"), max_size=3), st.sampled_from(["a.jsonl", "b.jsonl"])).map(
        lambda parts: "/".join([*parts[0], parts[1]])
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


@given(paths)
def test_namesakes_have_names_of_their_own_which_move_with_the_corpus(files):
    here, there = (short_names([f"{root}/{file}" for file in files]) for root in ("data", "/other/place"))
    assert here == there
    assert len(set(here)) == len(files)
    names = [os.path.basename(file) for file in files]
    for file, name in zip(files, here, strict=True):
        assert f"/{file}".endswith(f"/{name}")
        assert (name == os.path.basename(file)) or names.count(os.path.basename(file)) > 1


@given(
    paths.filter(lambda files: len(files) > 1),
    st.lists(
        st.sampled_from(["", "own", "other", "a.jsonl:1", "x/a.jsonl:0", "b.jsonl:0", None]),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=30, deadline=None)
def test_no_two_documents_have_one_name(tmp_path_factory, files, given_names):
    folder, texts = tmp_path_factory.mktemp("names"), map(str, count())
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        rows = [{"text": next(texts), "meta": {"document": name}} for name in given_names]
        write(folder / file, rows)
    documents = list(read_files([str(folder / file) for file in files]))
    assert [document.text for document in documents] == [str(i) for i in range(len(documents))]
    names = [document.document for document in documents]
    assert len(set(names)) == len(names)
    # The first of a name keeps it, whatever follows.
    for name in {"own", "other"} & set(given_names):
        assert names.index(name) == given_names.index(name)


def test_namesakes_are_drawn_apart(tmp_path):
    files = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        files.append(write(tmp_path / folder / "a.jsonl", [{"text": f"{folder} {i}"} for i in range(100)]))
    order = [document.text.split() for document in shuffled(read_files(files), 0)]
    pairs = sum(first[1] == second[1] for first, second in pairwise(order))
    assert pairs < 20  # of 199, some 1 by chance; all 100 when rows of both are ranked alike


def test_a_file_given_twice_is_one_line(tmp_path):
    file = write(tmp_path / "a.jsonl")
    with pytest.raises(UserError, match=r"a\.jsonl: given twice"):
        list(read_files([file, os.path.join(tmp_path, ".", "a.jsonl")]))


def test_what_is_no_number_is_not_known():
    for value in (None, float("nan"), ""):
        assert as_document({"text": "x", "meta": {"duplicates": value}}, "text", "0", "").duplicates is None
    for value in (0, 3, 3.0, "3"):
        row = {"text": "x", "meta": {"duplicates": value, "date": datetime.now()}}
        assert as_document(row, "text", "0", "").duplicates == int(value)
