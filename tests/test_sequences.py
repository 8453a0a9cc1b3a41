"""Known sequences: rows of files, arrays and data sets, each a sample as long as it is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import every
from hypothesis import given, settings
from hypothesis import strategies as st
from known_sequences import (
    DATA_SET,
    LENGTHS,
    SPEC,
    SUFFIX,
    TOKENIZER,
    WINDOW,
    drawn,
    ids_of,
    read,
    saved,
    written,
)

from memprune.corpus.draw_samples import draw
from memprune.corpus.drawn import filling, own_tokens, paddings
from memprune.corpus.taken import RUN, read_taken
from memprune.errors import UserError
from memprune.evaluation.tasks import memorization_tasks


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
