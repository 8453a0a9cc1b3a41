"""Known sequences and settings that cannot be: each mistake is one line, before anything is scored."""

import numpy as np
import pytest
from known_sequences import SIZE, drawn, saved, written

from memprune.config.experiment import check
from memprune.errors import UserError
from memprune.planning.draws import draw_files, draw_settings

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
