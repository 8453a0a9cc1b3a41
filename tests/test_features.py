"""Features of samples against zlib, scipy and plain counting, and what is a template."""

import string
import zlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from memprune.corpus.features import (
    compression_ratio,
    digits,
    form,
    punctuation,
    taxonomy,
    token_4grams,
    token_entropy,
)
from memprune.corpus.features.compute_features import compute_features
from memprune.corpus.features.sample_window import SampleWindow
from memprune.corpus.features.templates import LEFT_OFF, increments, repeats

tokens = st.lists(st.integers(0, 5), min_size=1, max_size=60)
CODE = """
    def draw(self, count: int = 0) -> list[int]:
        # the first rows
        rows = self.table.rows[:count]
        return [row.start_place for row in rows if row.is_whole]
"""
PROSE = """Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my
purse, and nothing particular to interest me on shore, I thought I would sail about a little."""


def window(text: str = "", ids=(1, 2, 3), duplicates: int | None = None) -> SampleWindow:
    return SampleWindow(tuple(ids), text, duplicates)


@given(st.text())
def test_shares_of_characters_and_the_ratio_are_those_of_plain_counting(text):
    found = compression_ratio.describe(window(text)), digits.describe(window(text))
    if not text:
        assert found == (None, None)
        return
    assert found[0] == len(zlib.compress(text.encode())) / len(text.encode())
    assert found[1] == sum(character.isdecimal() for character in text) / len(text)


@given(st.text(string.printable, min_size=1))
def test_punctuation_of_ascii_is_pythons(text):
    expected = sum(character in string.punctuation for character in text) / len(text)
    assert punctuation.describe(window(text)) == expected


def test_punctuation_and_digits_of_other_scripts_count():
    assert punctuation.describe(window("«да»—")) == 3 / 5
    assert digits.describe(window("٣ ab")) == 1 / 4


@given(tokens)
def test_entropy_is_scipys_and_repeated_4grams_are_counted(ids):
    counts = np.unique(ids, return_counts=True)[1]
    assert token_entropy.describe(window(ids=ids)) == pytest.approx(entropy(counts, base=2), abs=1e-12)
    grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
    repeated = [gram for place, gram in enumerate(grams) if gram in grams[:place]]
    share = token_4grams.describe(window(ids=ids))
    assert share == (pytest.approx(len(repeated) / len(grams)) if grams else None)


def test_code_and_prose_are_told_apart():
    c = "static int read(struct file *in) {\n  int left = in->size;\n  return left >= 0 ? left : -1;\n}\n"
    assert [form.describe(window(text)) for text in (CODE, c, PROSE)] == ["code", "code", "prose"]
    assert form.describe(window(" \n")) is None


def has_period(ids: list[int]) -> bool:
    """By trial of all that may be left off and all chunks that stand twice or more, the last one in part."""
    return any(
        all(here == before for here, before in zip(own[period:], own, strict=False))
        for start in range(max(len(ids) // 2, 1))
        for end in range(len(ids) - LEFT_OFF, len(ids) + 1)
        if len(own := ids[start : max(end, 0)]) >= 2
        for period in range(1, len(own) // 2 + 1)
    )


chunks = st.tuples(
    st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), min_size=1, max_size=9)
)


@given(st.one_of(tokens, chunks.map(lambda own: own[0] + own[1] * 3 + own[1][: len(own[1]) // 2])))
def test_what_repeats_is_found_as_by_trial_of_all_chunks(ids):
    assert repeats(ids) == has_period(ids)


@given(st.lists(st.integers(0, 9), min_size=4, max_size=20), st.integers(0, 2))
def test_a_chunk_that_stands_twice_repeats_whatever_stands_at_the_end(chunk, more):
    assert repeats([*chunk, *chunk, *range(100, 100 + more)])


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(8, 30), st.sampled_from([", ", "\n", " - "]))
def test_numbers_that_count_up_or_down_increment(first, step, count, between):
    numbers = [first + step * place for place in range(count)]
    for own in (numbers, numbers[::-1]):
        assert increments(between.join(map(str, own)))
        assert increments(between.join(f"{number}: 7" for number in own))
    assert not increments(between.join("7" for _ in numbers))


@given(st.permutations(range(12)))
def test_numbers_in_no_order_do_not_increment(numbers):
    inner = numbers[1:-1]
    in_turns = [inner[turn::turns] for turns in range(1, 4) for turn in range(turns)]
    steady = [len({a < b for a, b in pairwise(own)}) == 1 for own in in_turns]
    expected = steady[0] or all(steady[1:3]) or all(steady[3:])
    assert increments(", ".join(map(str, numbers))) == expected


@pytest.mark.parametrize("text", ["", "1 2 3 4", "word " * 60 + "1 2 3 4 5 6 7 8", "1" * 400 + " 2" * 9])
def test_few_numbers_do_not_increment(text):
    assert not increments(text)


def test_the_taxonomy_asks_for_duplicates_first():
    counting, repeated = "1, 2, 3, 4, 5, 6, 7, 8, 9", [1, 2] * 8
    plain = list(range(20))
    assert taxonomy.describe(window(PROSE, plain, 11)) == "recited"
    assert taxonomy.describe(window(counting, plain, 11)) == "recited"
    assert taxonomy.describe(window(counting, plain, 10)) == "reconstructed"
    assert taxonomy.describe(window(PROSE, repeated, 1)) == "reconstructed"
    assert taxonomy.describe(window(PROSE, plain, 10)) == "recollected"
    assert taxonomy.describe(window(counting, repeated, None)) is None


def test_features_have_a_row_a_sample_and_what_samples_say_of_themselves():
    columns = {
        "sample": [0, 1, 0], "split": ["member", "member", "non_member"], "duplicates": [None, 64, 0],
        "tokens": [[1, 2, 3, 4], [5, 5, 5, 5], [1, 1, 2, 2]],
    }  # fmt: skip
    samples = pa.table(columns)
    table = compute_features(samples, lambda ids: " ".join(map(str, ids)))
    assert table.column_names == [
        "sample", "split", "compression_ratio", "token_entropy", "repeated_4grams", "digits", "punctuation",
        "form", "taxonomy",
    ]  # fmt: skip
    assert table["taxonomy"].to_pylist() == [None, "recited", "reconstructed"]
    assert table["token_entropy"].to_pylist() == [2, 0, 1]
    named = samples.append_column("category", pa.array(["lyrics", None, None]))
    assert compute_features(named, str)["category"].to_pylist() == ["lyrics", None, None]
