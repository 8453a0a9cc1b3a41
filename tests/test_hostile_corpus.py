"""Files of texts and of tokens, clumsy or hostile: each is read right, or one line without much memory."""

import gzip
import json
import os
import resource

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from memprune.corpus import text_rows
from memprune.corpus.drawn import read_drawn, read_sample_length
from memprune.corpus.sources import sequences, tokens
from memprune.corpus.sources.files import read_files
from memprune.errors import UserError

ROW = b'{"text": "x"}\n'
FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(range(256)) + ROW * 100)


def with_meta(**meta) -> bytes:
    return json.dumps({"text": "x", "meta": meta}).encode()


def as_text(meta: str) -> bytes:
    """A row whose `meta` is text."""
    return json.dumps({"text": "x", "meta": meta}).encode()


LINES = {
    "not a number as text": ("a.jsonl", b'{"text": NaN}', "a.jsonl:0 has no text in column text; found flo"),
    "infinitely often": ("a.jsonl", with_meta(duplicates=1e400), "has inf in meta.duplicates, expected"),
    "often as a list": ("a.jsonl", with_meta(duplicates=[1]), "has [1] in meta.duplicates, expected a"),
    "often as a power": ("a.jsonl", with_meta(duplicates="1e3"), "has '1e3' in meta.duplicates, expected a"),
    "a number of 5000 digits": ("a.jsonl", b'{"text": "x", "n": ' + b"9" * 5000 + b"}", "row 0: Exceeds the"),
    "null bytes": ("a.jsonl", bytes(1000), "row 0: Expecting value"),
    "a list cut off": ("a.jsonl", b"[" + ROW + b",", "Expecting value: line 2 column 2"),
    "a list of more than rows": ("a.jsonl", b"[" + ROW + b", 3]", "row 1: found int, expected an object"),
    "a deep row": ("a.jsonl", ROW + b'{"a": ' + b"[" * 10**5, "row 1: maximum recursion depth exceeded"),
    "gzip by another name": ("a.jsonl", gzip.compress(ROW), "row 0: 'utf-8' codec can't decode byte 0x8b"),
    "gzip as zstd": ("a.jsonl.zst", gzip.compress(ROW), "Unknown frame descriptor"),
    "an empty frame": ("a.jsonl.zst", b"", "it is empty"),
    "three bytes of a frame": ("a.jsonl.zst", FRAME[:3], "Truncated compressed stream"),
    "a frame cut off": ("a.jsonl.zst", FRAME[:-1], "Truncated compressed stream"),
    "a frame and more": ("a.jsonl.zst", zstandard.compress(ROW) + b"more", "Unknown frame descriptor"),
    "a frame with a byte changed": ("a.jsonl.zst", FRAME[:50] + b"\0" + FRAME[51:], "ZSTD decompress failed"),
    "a frame for more memory": ("a.jsonl.zst", b"\x28\xb5\x2f\xfd\x00\xff" + bytes(9), "too much memory"),
    "Latin-1 in a frame": ("a.jsonl.zst", zstandard.compress(b'{"text": "\xff"}'), "row 0: 'utf-8' codec"),
    "marks of Parquet alone": ("a.parquet", b"PAR1PAR1", "Parquet file size is 8 bytes, smaller than"),
    "a footer of 2 GB": ("a.parquet", b"PAR1\xff\xff\xff\x7fPAR1", "smaller than the size reported by foote"),
}  # fmt: skip


def line_of(action) -> str:
    """The one line that an action is refused with."""
    with pytest.raises(UserError) as caught:
        action()
    [line] = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("case", LINES)
def test_files_that_hold_no_texts(case, tmp_path):
    name, content, message = LINES[case]
    (tmp_path / name).write_bytes(content)
    line = line_of(lambda: list(read_files([str(tmp_path / name)])))
    assert line.startswith(f"{tmp_path / name}: ")
    assert message in line


COLUMNS = {
    "bytes": ({"text": [b"\xff"]}, "a.parquet:0 has no text in column text; found bytes there"),
    "numbers": ({"text": [1]}, "a.parquet:0 has no text in column text; found int there"),
    "null": ({"text": ["a", None]}, "a.parquet:1 has no text in column text; found NoneType there"),
    "lists": ({"text": [["a"]]}, "a.parquet:0 has no text in column text; found list there"),
    "no column": ({}, "no column text; found "),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_parquet_that_holds_no_texts(case, tmp_path):
    columns, message = COLUMNS[case]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert message in line_of(lambda: list(read_files([str(tmp_path / "a.parquet")])))


def test_parquet_that_holds_texts_twice_or_bytes_as_text(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"]), path)
    assert "it has several columns text, expected one" in line_of(lambda: list(read_files([str(path)])))
    offsets = pa.py_buffer(np.array([0, 2], dtype=np.int32).tobytes())
    text = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(b"\xff\xfe"))
    pq.write_table(pa.table({"text": text}), path)
    assert "'utf-8' codec can't decode byte 0xff" in line_of(lambda: list(read_files([str(path)])))


READ = {
    "not counted": with_meta(duplicates=float("nan")),
    "a text of code": as_text("__import__('os').system('touch ran')"),
    "a power": as_text("9 ** 9 ** 9 ** 9"),
    "a set of a list": as_text("{[]: 1}"),
    "a deep text": as_text("[" * 10**5),
    "a deep sum": as_text("-" * 10**5 + "1"),
    "a number of 5000 digits": as_text('{"duplicates": ' + "9" * 5000 + "}"),
    "null bytes": as_text("{\0}"),
    "a list": b'{"text": "x", "meta": [1]}',
}


@pytest.mark.parametrize("case", READ)
def test_meta_that_tells_nothing_is_passed_over(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(READ[case])
    [document] = read_files(["a.jsonl"])
    assert (document.text, document.subset, document.duplicates) == ("x", "all", None)
    assert os.listdir() == ["a.jsonl"]


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "/dev/null", "absent"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.parquet"])
def test_what_stands_in_a_files_place(place, name, tmp_path):
    path = tmp_path / name
    os.mkfifo(path) if place == "pipe" else path.symlink_to(place)
    assert line_of(lambda: list(read_files([str(path)]))) == f"{path}: no such file"


@pytest.mark.parametrize("size", [200, 2000])
def test_a_row_without_an_end_takes_no_memory(size, tmp_path):
    """It is so many MB, compressed to almost nothing."""
    path = tmp_path / "a.jsonl.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        writer.write(ROW + b'{"text": "')
        for _ in range(size):
            writer.write(b"a" * 10**6)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = line_of(lambda: list(read_files([str(path)])))
    assert f"row 1: found {text_rows.LONGEST} bytes or more in one row" in line
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 3 * text_rows.LONGEST


def test_long_rows_and_lists_within_their_bounds_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(text_rows, "LONGEST", 100)
    monkeypatch.setattr(text_rows, "LARGEST", 300)
    path = tmp_path / "a.jsonl"
    rows = [json.dumps({"text": "ü" * size}, ensure_ascii=False).encode() for size in (1, 40, 43)]
    assert list(map(len, rows)) == [14, 92, 98]
    path.write_bytes(b"\n".join([*rows, b""]))
    assert [len(document.text) for document in read_files([str(path)])] == [1, 40, 43]
    path.write_bytes(b" " * 250 + b"\n" + rows[2] + b"\n")
    assert [len(document.text) for document in read_files([str(path)])] == [43]
    path.write_bytes(b"[" + b",".join(rows) + b"]")
    assert [len(document.text) for document in read_files([str(path)])] == [1, 40, 43]
    path.write_bytes(b"[" + b",".join(rows * 2) + b"]")
    assert "it is a list of more than 300 bytes; write a row a line" in line_of(
        lambda: list(read_files([str(path)]))
    )


TOKENS = {
    "a late step": ({"batch_idx": [2**40] * 3}, "row 0 has 1099511627776 in column batch_idx, allowed: 0 to"),
    "a step before the first": ({"batch_idx": [-1] * 3}, "row 0 has -1 in column batch_idx, allowed: 0 to"),
    "a token below 0": ({"token_ids": [[-1] * 64] * 3}, "row 0 has tokens from -1 to -1, the model has"),
    "a token of 62 bits": ({"token_ids": [[2**62] * 64] * 3}, "tokens from 4611686018427387904 to"),
    "tokens as numbers": ({"token_ids": [1, 2, 3]}, "found int64 in column token_ids, expected lists"),
    "rows without an end": ({"token_ids": [[1] * 63] * 3}, "row 0 has 63 tokens; samples.context_lengths"),
}  # fmt: skip


def read_tokens(folder, files: str) -> list:
    corpus = {"dataset": str(folder), "revision": "main", "files": files}
    return list(tokens.read(corpus | {"window": 64, "offset": 0, "vocabulary": 300}, [], "train", 0))


@pytest.mark.parametrize("case", TOKENS)
def test_tables_that_hold_no_tokens(case, tmp_path):
    columns, message = TOKENS[case]
    rows = {"uid": [0, 0, 0], "batch_idx": [0] * 3, "token_ids": [[1] * 64] * 3}
    pq.write_table(pa.table(rows | columns), tmp_path / "a.parquet")
    assert message in line_of(lambda: read_tokens(tmp_path, "*.parquet"))


def test_tables_with_a_column_twice(tmp_path):
    kinds = [pa.array([0]), pa.array([1]), pa.array([0]), pa.array([[1] * 64])]
    pq.write_table(
        pa.Table.from_arrays(kinds, ["uid", "uid", "batch_idx", "token_ids"]), tmp_path / "a.parquet"
    )
    assert "found several columns uid, expected one" in line_of(lambda: read_tokens(tmp_path, "*.parquet"))


def test_a_stream_of_no_rows_is_none(tmp_path):
    (tmp_path / "a.bin").touch()
    assert read_tokens(tmp_path, "*.bin") == []


def with_header(header: str, content: bytes = bytes(100)) -> bytes:
    """A file of NumPy's first version."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


HEADER = "{'descr': '<u2', 'fortran_order': False, 'shape': %s}"
ARRAYS = {
    "nothing": (b"", "not a .npy file of numbers (EOF"),
    "a pickle": (b"\x80\x04cposix\nsystem\n(S'touch ran'\ntR.", "the magic string is not correct"),
    "an archive": (b"PK\x05\x06" + bytes(18), "the magic string is not correct"),
    "more rows than bytes": (with_header(HEADER % "(10**9, 64)"), "malformed node or string on line 1"),
    "a terabyte": (with_header(HEADER % "(1000000000, 500)"), "mmap length is greater than file size"),
    "rows beyond count": (with_header(HEADER % "(9999999999999999999999, 2)"), "not a .npy file of numbers"),
    "a trillion empty rows": (with_header(HEADER % "(1000000000000, 0)"), "rows of 0 tokens"),
    "code": (with_header("__import__('os').system('touch ran')"), "malformed node or string"),
    "objects": (with_header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4)}"), "mixed lengths?"),
    "a header of 60 KB": (with_header("[" * 60000), "Header info length"),
    "another version": (b"\x93NUMPY\x09\x00" + bytes(100), "we only support format version"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_hold_no_rows_of_tokens(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = ARRAYS[case]
    (tmp_path / "a.npy").write_bytes(content)
    corpus = {"arrays": ["a.npy"], "vocabulary": 300}
    line = line_of(lambda: list(sequences.read(corpus, [], "train", 0)))
    assert line.startswith("a.npy: ")
    assert message in line
    assert os.listdir() == ["a.npy"]


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "absent"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.npy"])
def test_what_stands_in_the_place_of_known_sequences(place, name, tmp_path):
    path = tmp_path / name
    os.mkfifo(path) if place == "pipe" else path.symlink_to(place)
    key = "arrays" if name == "a.npy" else "files"
    corpus = {key: [str(path)], "vocabulary": 300}
    assert line_of(lambda: list(sequences.read(corpus, [], "train", 0))) == f"{path}: no such file"


IDS = pa.list_(pa.int32())
DRAWN = {
    "other tokens": ({"tokens": [[1, 2]], "split": ["a"]}, "found list<element: int64> in column tokens"),
    "tokens as text": ({"tokens": ["1 2"], "split": ["a"]}, "found string in column tokens, expected lists"),
    "no tokens": ({"split": ["member"]}, "no column tokens; found split"),
    "no splits": ({"tokens": pa.array([[1]], IDS)}, "no column split; found tokens"),
    "a null token": ({"tokens": pa.array([[1, None]], IDS), "split": ["a"]}, "found null in column tokens"),
    "a null row": ({"tokens": pa.array([None], IDS), "split": ["a"]}, "found null in column tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", DRAWN)
def test_samples_of_another_schema(case, tmp_path):
    columns, message = DRAWN[case]
    table = pa.table(columns).replace_schema_metadata({"tokenizer": "a"})
    pq.write_table(table, tmp_path / "samples.parquet")
    line = line_of(lambda: read_drawn(tmp_path / "samples.parquet", ["split"]))
    assert line.startswith(f"{tmp_path}/samples.parquet: cannot be read (")
    assert message in line


def test_samples_that_do_not_tell_their_tokenizer_or_their_length(tmp_path):
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.table({"tokens": pa.array([[1]], IDS)}), path)
    assert "its metadata do not tell tokenizer" in line_of(lambda: read_drawn(path, about=["tokenizer"]))
    assert "cannot be read" in line_of(lambda: read_sample_length(path))
    assert read_drawn(path).num_rows == 1
