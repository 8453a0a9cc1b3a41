"""Documents from every source, and the one line for each file that is not what its name says."""

import json
import os
from datetime import datetime
from itertools import count, pairwise

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpora import ROWS, corpus_of, json_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.corpus.documents import Document, as_document, shuffled
from memprune.corpus.sources.files import read_files, short_names
from memprune.corpus.sources.hub import read
from memprune.errors import UserError


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
