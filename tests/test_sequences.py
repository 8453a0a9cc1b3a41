"""Known sequences: rows of files, arrays and data sets, each a sample as long as it is."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import every
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_tokenizer

from memprune.config.experiment import check
from memprune.corpus.draw_samples import draw
from memprune.corpus.drawn import filling, own_tokens, paddings
from memprune.corpus.sources import sequences
from memprune.corpus.taken import RUN, read_taken
from memprune.errors import UserError
from memprune.evaluation.tasks import memorization_tasks
from memprune.planning.draws import draw_files, draw_settings

TOKENIZER = tiny_tokenizer()
SIZE = len(TOKENIZER)
LENGTHS, SUFFIX = [5, 20], 10
WINDOW = max(LENGTHS) + SUFFIX
SPEC = {
    "kind": "member",
    "known": True,
    "window": WINDOW,
    "context_lengths": LENGTHS,
    "suffix": SUFFIX,
    "offset": None,
    "seed": 0,
    "count": 100,
}
DATA_SET = {"dataset": "someone/known", "revision": "main", "split": "train", "shuffle_buffer": 50}


def ids_of(*lengths: int, seed: int = 0) -> list[list[int]]:
    """Rows of so many random token ids."""
    generator = np.random.default_rng(seed)
    return [generator.integers(1, SIZE, length).tolist() for length in lengths]


def written(folder: Path, rows: list[dict], name: str = "a.jsonl") -> dict:
    """The settings of a corpus of one file with these rows."""
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"files": [str(path)]}


def saved(folder: Path, *arrays: np.ndarray) -> dict:
    """The settings of a corpus of arrays."""
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array)
    return {"arrays": [str(folder / f"{number}.npy") for number in range(len(arrays))]}


def read(corpus: dict, seed: int = 0) -> list:
    return list(sequences.read({"source": "sequences", "vocabulary": SIZE, **corpus}, [], "train", seed))


def drawn(corpus: dict, **changed) -> pa.Table:
    """The samples of a corpus."""
    spec = SPEC | {"corpus": {"source": "sequences", **corpus}} | changed
    return draw(read(corpus, spec["seed"]), TOKENIZER, spec)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_rows_come_with_what_their_columns_say(name, tmp_path):
    [first, second] = ids_of(30, 40)
    rows = [
        {"Tokens": first, "Counts": 3, "kind": "code", "70M": 1.0, "1.4B": 0.25, "Index": 7},
        {"Tokens": second, "Counts": None, "kind": None, "70M": 0.0, "1.4B": None, "Index": 8},
    ]
    columns = {"tokens": "Tokens", "duplicates": "Counts", "category": "kind"}
    columns["published"] = {"big": "1.4B", "none": 1.0, "small": "70M"}
    found = {row.document: row for row in read(written(tmp_path, rows, name) | columns)}
    assert [found[f"{name}:{n}"].tokens for n in (0, 1)] == [first, second]
    assert [found[f"{name}:{n}"].duplicates for n in (0, 1)] == [3, None]
    assert [found[f"{name}:{n}"].category for n in (0, 1)] == ["code", None]
    assert [found[f"{name}:{n}"].published for n in (0, 1)] == [(0.25, 1.0, 1.0), (None, 1.0, 0.0)]


def test_a_text_is_tokenized_and_a_prefix_ends_before_the_token_that_reaches_beyond_it(tmp_path):
    text = "In the beginning was the word, and the word was with them."
    ids = TOKENIZER(text)["input_ids"]
    table = drawn(written(tmp_path, [{"text": text}]), context_lengths=[5], suffix=3, window=8, offset=0)
    assert own_tokens(table) == [ids[:8]]
    spans = TOKENIZER(text, return_offsets_mapping=True)["offset_mapping"]
    place = next(n for n, (start, end) in enumerate(spans) if n > 5 and end - start > 1)
    inside = spans[place][0] + 1  # within a token
    rows = [{"p": text[:inside], "s": text[inside:]}]
    corpus = written(tmp_path, rows) | {"prefix": "p", "suffix": "s"}
    [tokens] = own_tokens(drawn(corpus, context_lengths=[5], suffix=3, window=8))
    assert tokens == ids[place - 5 : place + 3]


def test_arrays_are_joined_and_the_last_one_begins_with_the_suffix(tmp_path):
    before, prefix, suffix = (
        np.array(ids_of(*[width] * 6, seed=width), np.uint16) for width in (15, 10, SUFFIX)
    )
    table = drawn(saved(tmp_path, before, prefix, suffix))
    whole = np.concatenate([before, prefix, suffix], axis=1)[:, -WINDOW:].tolist()
    named = dict(zip(table["document"].to_pylist(), own_tokens(table), strict=True))
    assert named == {f"2.npy:{n}": row for n, row in enumerate(whole)}
    assert not paddings(table).any()
    corpus = saved(tmp_path, np.concatenate([before, prefix], axis=1))
    alone = drawn(corpus, offset=2, context_lengths=[5], window=15)
    assert set(alone["offset"].to_pylist()) == {2}


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.one_of(st.none(), st.integers(0, 8)))
def test_each_row_is_scored_where_it_is_long_enough_and_counted_where_not(lengths, offset):
    rows = ids_of(*lengths)
    documents = read_rows(rows)
    first = offset or 0
    long = {f"r{n}" for n, length in enumerate(lengths) if length - first >= max(LENGTHS) + SUFFIX}
    some = {f"r{n}" for n, length in enumerate(lengths) if length - first >= min(LENGTHS) + SUFFIX}
    spec = SPEC | {"corpus": {}, "offset": offset}
    if not long:
        with pytest.raises(UserError, match="no sequence"):
            draw(documents, TOKENIZER, spec)
        return
    table = draw(documents, TOKENIZER, spec)
    assert int(table.schema.metadata[b"too_short"]) == len(rows) - len(some)
    assert set(table["document"].to_pylist()) == some
    assert set(filling(table)["document"].to_pylist()) == long
    for name, start, own in zip(
        table["document"].to_pylist(), table["offset"].to_pylist(), own_tokens(table), strict=True
    ):
        row = rows[int(name[1:])]
        assert own == row[start : start + len(own)]
        assert len(own) == (WINDOW if name in long else len(row) - first)
        assert start == offset or (offset is None and (name in long or start == 0))


def read_rows(rows: list[list[int]]) -> list:
    from memprune.corpus.documents import Document

    return [Document(f"r{n}", "all", "", None, ids) for n, ids in enumerate(rows)]


@pytest.mark.parametrize("anchor", ["suffix", "prefix"])
def test_no_token_of_the_padding_is_scored(anchor):
    """Every pass is given a row's own tokens: those before its end, or those from its beginning."""
    rows = ids_of(*range(10, 45))
    table = draw(read_rows(rows), TOKENIZER, SPEC | {"corpus": {}, "offset": 0})
    table = table.append_column("seed", pa.array([0] * len(table), pa.int64()))
    table = table.append_column("pooled", pa.array([True] * len(table)))
    seen = []

    def score(tokens, lengths, advance):
        seen.append((tokens, lengths))
        return pa.table({})

    for task in memorization_tasks(table, LENGTHS, SUFFIX, anchor, {"a": 1}, score):
        described = task.described.to_pandas()
        task.score(slice(0, len(described)), lambda tokens: None)
        tokens, lengths = seen[-1]
        by_row = described.document.to_numpy().reshape(-1, len(lengths))[:, 0]
        for name, own in zip(by_row, tokens.tolist(), strict=True):
            row = rows[int(name[1:])][:WINDOW]
            window = max(lengths) + SUFFIX
            assert own == (row[:window] if anchor == "prefix" else row[-window:])
    scored = [(len(tokens), length) for tokens, lengths in seen for length in lengths]
    counts = {k: sum(n for n, length in scored if length == k) for k in LENGTHS}
    assert counts == {k: sum(len(row) >= k + SUFFIX for row in rows) for k in LENGTHS}


def test_more_members_keep_the_first_and_fewer_than_asked_are_all(tmp_path):
    corpus = written(tmp_path, [{"t": ids} for ids in ids_of(*[40] * 30)]) | {"tokens": "t"}
    some, all_of_them = drawn(corpus, count=8), drawn(corpus)
    assert (len(some), len(all_of_them)) == (8, 30)
    assert all_of_them["document"].to_pylist()[:8] == some["document"].to_pylist()
    assert drawn(corpus, count=8, seed=1)["document"] != some["document"]


def test_what_text_for_methods_may_not_share_is_as_short_as_the_shortest_sequence(tmp_path):
    rows = ids_of(18, 40)
    table = draw(read_rows(rows), TOKENIZER, SPEC | {"corpus": {}})
    pq.write_table(table, tmp_path / "member.parquet")
    taken = read_taken([tmp_path / "member.parquet"], [], 2048)
    assert taken.length == 18 < RUN
    assert taken.has_run_of([7, 7, *rows[0], 7])
    assert not taken.has_run_of([7, 7, *rows[0][1:], 7])
    assert not taken.has_run_of([0] * 12 + rows[0][:6])  # the padding is no text


def lay_out(folder: Path) -> list[list[int]]:
    """A data set of two files as datasets writes them, in row groups, with its rows."""
    rows = ids_of(*[64] * 600)
    (folder / "data").mkdir(parents=True)
    for file in range(2):
        numbers = list(range(file * 300, file * 300 + 300))
        table = pa.table({"index": numbers, "tokens": [rows[n] for n in numbers]})
        name = f"duped.1.4b-{file:05d}-of-00002-0123456789abcdef.parquet"
        pq.write_table(table, folder / "data" / name, row_group_size=50)
    pq.write_table(table, folder / "data/deduped.70m-00000-of-00001-0123456789abcdef.parquet")
    return rows


def test_a_data_set_gives_each_row_of_a_split_once_from_all_its_row_groups(hub, monkeypatch, tmp_path):
    hub.point(monkeypatch, tmp_path / "home")
    rows = lay_out(hub.root / "datasets/someone/known")
    corpus = DATA_SET | {"split": "duped.1.4b", "tokens": "tokens"}
    found = read(corpus)
    numbers = [300 * int(row.document.split(":")[1]) + int(row.document.split(":")[2]) for row in found]
    assert sorted(numbers) == list(range(600))
    assert all(row.tokens == rows[number] for row, number in zip(found, numbers, strict=True))
    assert numbers != [
        300 * int(r.document.split(":")[1]) + int(r.document.split(":")[2]) for r in read(corpus, 1)
    ]
    groups = pd.Series(numbers[:200]) // 50
    assert groups.nunique() > 2
    hub.fails, hub.breaks = every(7), every(5)
    hub.point(monkeypatch, tmp_path / "home")
    assert read(corpus) == found


ROW = {"text": "In the beginning was the word, and the word was with them. " * 3}
IDS = list(range(1, 41))
MISTAKES = {
    "no column": ([ROW], {"text": "texts"}, "a.jsonl:0 has no column texts; found text"),
    "no score": ([ROW], {"published": {"m": "70M"}}, "a.jsonl:0 has no column 70M; found text"),
    "no text": ([{"text": 3}], {}, "has int in column text, expected a text"),
    "ids as a text": ([{"text": IDS}], {}, "has list in column text, expected a text; name token ids by"),
    "text as ids": ([ROW], {"tokens": "text"}, "has str, expected a list of token ids; name texts by"),
    "floats as ids": ([{"t": [1.0, 2.0]}], {"tokens": "t"}, "has 1.0 among token ids, expected whole"),
    "truth as ids": ([{"t": [True]}], {"tokens": "t"}, "has True among token ids, expected whole numbers"),
    "nothing as ids": ([{"t": [1, None]}], {"tokens": "t"}, "has None among token ids, expected whole"),
    "ids below 0": ([{"t": [-1, 5]}], {"tokens": "t"}, f"tokens from -1 to 5, the model has 0 to {SIZE - 1}"),
    "ids beyond": ([{"t": [1, SIZE]}], {"tokens": "t"}, f"tokens from 1 to {SIZE}, the model has 0 to"),
    "a huge id": ([{"t": [2**80]}], {"tokens": "t"}, "are these another tokenizer's?"),
    "a count": ([ROW | {"n": "many"}], {"duplicates": "n"}, "has 'many' in column n, expected a whole"),
    "a category": ([ROW | {"c": [1]}], {"category": "c"}, "has list in column c, expected a text"),
    "a score": ([ROW | {"s": 1.5}], {"published": {"m": "s"}}, "has 1.5 in column s, expected a score"),
    "a score in words": ([ROW | {"s": "1"}], {"published": {"m": "s"}}, "has '1' in column s, expected"),
    "half a pair": ([{"text": "\ud800"}], {}, "is not Unicode"),
    "a short prefix": (
        [{"p": IDS[:4], "s": IDS}], {"prefix": "p", "suffix": "s"},
        "a.jsonl:0: found a prefix of 4 tokens, allowed: at least the shortest of samples.context_lengths, 5",
    ),
    "a short suffix": (
        [{"p": IDS, "s": IDS[:9]}], {"prefix": "p", "suffix": "s"},
        "a.jsonl:0: found 9 tokens after the prefix, allowed: at least samples.suffix, 10",
    ),
    "a prefix of ids, a suffix of text": (
        [{"p": IDS, "s": "a"}], {"prefix": "p", "suffix": "s"}, "has list in column p, expected a text",
    ),
    "all too short": ([{"t": IDS[:14]}], {"tokens": "t"}, "corpus: found no sequence of at least 15 tokens"),
    "one length too long": (
        [{"t": IDS[:25]}, {"t": IDS[:18]}], {"tokens": "t"},
        "samples.context_lengths: found 20, but no sequence has so many tokens before its suffix; allowed: "
        "at most 15",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize("case", MISTAKES)
def test_each_mistake_gives_its_line(case, name, tmp_path):
    rows, settings, message = MISTAKES[case]
    if name.endswith("parquet"):
        if case in ("a huge id", "half a pair"):
            pytest.skip("Parquet holds no such value")
        missing = case in ("no column", "no score")
        message = message.replace("a.jsonl:0 has no", "a.parquet: no").replace("a.jsonl", "a.parquet")
        message = message if not missing else message.split(";")[0]
    with pytest.raises(UserError) as caught:
        drawn(written(tmp_path, rows, name) | settings)
    [line] = str(caught.value).splitlines()
    assert message in line


WHOLE = np.ones((3, 40), np.uint16)
ARRAYS = {
    "floats": ([WHOLE.astype(np.float32)], "found float32, expected token ids, which are whole numbers"),
    "truth": ([WHOLE.astype(bool)], "found bool, expected token ids"),
    "one row": ([WHOLE[0]], "found 1 dimensions, expected an array of rows × tokens"),
    "nothing": ([WHOLE[:, :0]], "found 3 rows of 0 tokens, expected some"),
    "fewer rows": ([WHOLE, WHOLE[:2]], "1.npy: found 2 rows, allowed: as many as"),
    "mixed lengths": ([np.array([[1], [1, 2]], dtype=object)], "are its rows of mixed lengths?"),
    "ids beyond": ([WHOLE * 60000], f"row 0 has tokens from 60000 to 60000, the model has 0 to {SIZE - 1}"),
    "ids below 0": ([-WHOLE.astype(np.int64)], "row 0 has tokens from -1 to -1, the model has"),
    "a short prefix": ([WHOLE[:, :4], WHOLE], "1.npy:0: found a prefix of 4 tokens, allowed: at least"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_hold_no_sequences(case, tmp_path):
    arrays, message = ARRAYS[case]
    with pytest.raises(UserError) as caught:
        drawn(saved(tmp_path, *arrays))
    [line] = str(caught.value).splitlines()
    assert message in line


def test_tokens_that_the_tokenizer_has_not_are_another_ones(tmp_path):
    """An embedding has more rows than there are tokens."""
    corpus = written(tmp_path, [{"t": [SIZE] * 40}]) | {"tokens": "t", "vocabulary": SIZE + 20}
    with pytest.raises(
        UserError, match=f"found token {SIZE}, but the tokenizer has 0 to {SIZE - 1}; are these"
    ):
        drawn(corpus)


BASE = {
    "experiment": "e",
    "corpus": {"source": "sequences", "files": ["a.jsonl"]},
    "held_out": {"source": "files", "validation": ["b.jsonl"], "test": ["b.jsonl"]},
    "models": {"m": {"path": "m"}, "other": {"path": "o"}},
    "strategies": {},
}
SETTINGS = {
    "no place": ({"files": None}, {}, "corpus: found none of dataset, files and arrays; give one of them"),
    "two places": ({"dataset": "a/b"}, {}, "corpus: found dataset and files of dataset, files and arrays"),
    "no file": ({"files": []}, {}, "corpus.files: found []; value should have at least 1"),
    "a split of files": ({"split": "train"}, {}, "corpus: found split with files, which have none"),
    "another array": ({"files": None, "arrays": ["a.npz"]}, {}, "found a.npz among arrays; allowed: .npy"),
    "a column of arrays": (
        {"files": None, "arrays": ["a.npy"], "category": "c"}, {}, "found category with arrays, which have",
    ),
    "scores of arrays": (
        {"files": None, "arrays": ["a.npy"], "published": {"m": "s"}}, {}, "found published with arrays",
    ),
    "text and tokens": ({"text": "t", "tokens": "i"}, {}, "found text and tokens; allowed: text, or tokens,"),
    "a prefix alone": ({"prefix": "p"}, {}, "corpus: found prefix; allowed: text, or tokens, or prefix and"),
    "an unknown key": ({"columns": "t"}, {}, "corpus.columns: unknown key"),
    "a model": (
        {"published": {"mine": "s"}}, {},
        "corpus.published: found scores of mine, allowed: models of the experiment: m, other",
    ),
    "a score": ({"published": {"m": 2}}, {}, "corpus.published.m: found 2"),
    "nothing held out": ({}, {"held_out": None}, "held_out: missing, and known sequences have no text for"),
    "sequences held out": ({}, {"held_out": {"source": "sequences", "files": ["a"]}}, "held_out: found"),
    "an offset": (
        {"prefix": "p", "suffix": "s"}, {"samples": {"offset": 0}},
        "samples.offset: found 0, but each row of corpus tells where its suffix begins; leave it out",
    ),
    "duplicates of no column": (
        {}, {"samples": {"balance_duplicates": True}}, "but corpus.duplicates names no column that counts",
    ),
    "no text for methods": ({}, {"calibration": {}}, "held_out.train: found no file, but calibration is"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_what_a_configuration_cannot_say(case):
    corpus, others, message = SETTINGS[case]
    whole = {key: value for key, value in (BASE["corpus"] | corpus).items() if value is not None}
    content = {key: value for key, value in (BASE | {"corpus": whole} | others).items() if value is not None}
    with pytest.raises(UserError) as caught:
        check(content, "my.yaml")
    [line] = str(caught.value).splitlines()
    assert line.startswith("my.yaml: ")
    assert message in line


def test_text_for_methods_is_held_out_text():
    held_out = BASE["held_out"] | {"train": ["c.jsonl"]}
    config = check(BASE | {"held_out": held_out, "calibration": {}}, "my.yaml")
    assert draw_files(config, "calibration-0-0") == ["c.jsonl"]
    assert draw_files(config, "member-0-0") == ["a.jsonl"]
    assert draw_settings(config, "calibration-0-0")["corpus"] == {"source": "files", "train": ["c.jsonl"]}
    drawn_spec = draw_settings(config, "member-0-0")
    assert (drawn_spec["context_lengths"], drawn_spec["suffix"]) == ([50, 100, 200, 500], 50)
