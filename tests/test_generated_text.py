"""Metrics of generated text are what libraries and plain loops say of the same text and tokens."""

import difflib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from nltk import edit_distance as nltk_edit_distance
from rouge_score.rouge_scorer import RougeScorer
from tiny_models import tiny_model
from tokenizer_folders import FORMS, SPECIAL, edit, lay_out, several_files

from memprune.metrics.generated.continuation import Continuation
from memprune.metrics.generated.measure_continuations import COLUMNS
from memprune.models.decoding import text_decoder
from memprune.models.tokenization import load_tokenizer


def value(metric: str, tokens=(), suffix=(), text: str = "", suffix_text: str = ""):
    module, given_settings = COLUMNS[metric]
    return module.measure(Continuation(list(tokens), list(suffix), text, suffix_text), **given_settings)


words = st.lists(st.sampled_from(["the", "The", "word", "was,", "—", "in 7", "ü", "", "end."]), max_size=12)
tokens = st.lists(st.integers(0, 5), min_size=1, max_size=20)
pairs = st.integers(1, 20).flatmap(
    lambda n: st.tuples(*2 * [st.lists(st.integers(0, 3), min_size=n, max_size=n)])
)


@given(words.map(" ".join), words.map(" ".join))
def test_rouge_and_bleu_are_the_libraries_own(text, true):
    expected = RougeScorer(["rougeL"], use_stemmer=False).score(true, text)["rougeL"].fmeasure
    assert value("rouge_l", text=text, suffix_text=true) == expected
    expected = sacrebleu.BLEU(effective_order=True).sentence_score(text, [true]).score
    assert value("bleu", text=text, suffix_text=true) == expected


def test_a_perfect_and_a_strange_text():
    text = "In the beginning was the word."
    assert value("rouge_l", text=text, suffix_text=text) == 1
    assert value("bleu", text=text, suffix_text=text) == pytest.approx(100)
    assert value("rouge_l", text="xyz", suffix_text=text) == value("bleu", text="", suffix_text=text) == 0


@given(pairs)
def test_distances_and_runs_are_those_of_other_libraries(pair):
    own, suffix = pair
    distance = nltk_edit_distance(own, suffix)
    assert value("edit_distance", own, suffix) == pytest.approx(distance / len(suffix))
    assert value("near_verbatim_10", own, suffix) == (10 * distance <= len(suffix))
    assert value("near_verbatim_5", own, suffix) == (20 * distance <= len(suffix))
    assert value("exact", own, suffix) == (distance == 0)
    matcher = difflib.SequenceMatcher(None, own, suffix, autojunk=False)
    assert value("longest_run", own, suffix) == matcher.find_longest_match().size / len(suffix)


def test_near_verbatim_counts_the_tokens_that_differ():
    suffix = list(range(50))
    for wrong, within_5, within_10 in (
        (2, True, True),
        (3, False, True),
        (5, False, True),
        (6, False, False),
    ):
        own = [-1] * wrong + suffix[wrong:]
        assert value("near_verbatim_5", own, suffix) is within_5
        assert value("near_verbatim_10", own, suffix) is within_10
        assert value("longest_run", own, suffix) == (50 - wrong) / 50


@given(tokens)
def test_repeated_and_distinct_grams_are_those_that_a_loop_counts(own):
    seen, repeated = set(), 0
    for i in range(len(own) - 3):
        gram = tuple(own[i : i + 4])
        repeated += gram in seen
        seen.add(gram)
    expected = None if len(own) < 4 else pytest.approx(repeated / (len(own) - 3))
    assert value("repeated_4grams", own) == expected
    bigrams = list(pairwise(map(str, own)))
    assert value("distinct_2", own) == (len(dict.fromkeys(bigrams)) / len(bigrams) if bigrams else None)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tokenizer_class", ["TokenizersBackend", "GPTNeoXTokenizerFast", "LlamaTokenizer"])
def test_text_is_what_transformers_decodes(form, tokenizer_class, tmp_path):
    folder = lay_out(tmp_path, form, SPECIAL["two tokens"])
    edit(folder / "tokenizer_config.json", tokenizer_class=tokenizer_class)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt_neox"}))
    check_decoding(folder)


def test_text_of_a_tokenizer_in_several_files(tmp_path):
    check_decoding(several_files(tmp_path / "tokenizer"))


def test_text_of_every_familys_tokenizer(family, tmp_path):
    check_decoding(tiny_model(family, "float32", tmp_path))


def check_decoding(folder: Path) -> None:
    """Ids of all tokens in some order, and one that no tokenizer has."""
    tokenizer = load_tokenizer(folder)
    tokens = [*np.random.default_rng(0).permutation(len(tokenizer)).tolist(), 10**6]
    assert text_decoder(folder)(tokens) == tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
