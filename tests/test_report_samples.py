"""What the report says of samples: the evidence's numbers, the tokenizer's text, none where it may not."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_results import HOSTILE, SUFFIX, fabricate
from tokenizer_folders import FORMS, new_backend

from memprune import results
from memprune.report.page_samples import sample_blobs
from memprune.report.sample_choice import choose
from memprune.report.sample_continuations import parted
from memprune.report.sample_evidence import GREEDY, LOWEST, NO_SHADE, SHADES, cells, shades_of
from memprune.report.sample_texts import own_decoder, texts_of
from memprune.results import Results

LENGTHS = [10, 30]


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Results:
    folder = tmp_path_factory.mktemp("report") / "fabricated"
    fabricate(folder, lengths=LENGTHS)
    return results.load(folder)


@pytest.fixture(scope="module")
def blobs(own) -> dict[str, object]:
    return sample_blobs(own, 1000, texts=True)


@cache
def decoder(form: str):
    backend = new_backend(form)
    return lambda ids: backend.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_parts_joined_are_the_decoded_text(form, data):
    lengths, suffix = data.draw(st.sampled_from([([2, 5], 4), ([3], 1), ([1, 2, 3], 6)]))
    size = new_backend(form).get_vocab_size()
    window = st.lists(st.integers(0, size), min_size=max(lengths) + suffix, max_size=max(lengths) + suffix)
    windows = data.draw(st.lists(window, min_size=1, max_size=4))
    texts = texts_of(windows, lengths, suffix, decoder(form))
    for ids, context, tokens in zip(windows, texts["contexts"], texts["suffixes"], strict=True):
        assert (len(context), len(tokens)) == (len(lengths), suffix)
        assert "".join(context + tokens) == decoder(form)(ids)


@given(st.text(alphabet="aé€👩\u200d\u05d0 \n", min_size=6, max_size=12))
def test_a_characters_bytes_stand_with_the_last_of_its_tokens(text):
    backend = new_backend("bytes")
    ids = [one for letter in text for one in backend.encode(letter).ids]
    tokens = texts_of([ids], [1], len(ids) - 1, decoder("bytes"))
    parts = tokens["contexts"][0] + tokens["suffixes"][0]
    assert "".join(parts) == text
    ends = np.cumsum([len(backend.encode(letter).ids) for letter in text])
    assert ["".join(parts[:end]) for end in ends] == [text[: n + 1] for n in range(len(text))]
    assert all(len(part) <= 1 or part.isascii() for part in parts)


def test_contexts_and_suffixes_are_those_that_models_saw(own, blobs):
    decode = own_decoder(own.manifest("small"))
    texts = blobs["samples-texts"]
    for ids, context, tokens in zip(own.samples.tokens, texts["contexts"], texts["suffixes"], strict=True):
        assert "".join(context + tokens) == decode(ids.tolist())
        alone = decode(ids[-SUFFIX - min(LENGTHS) : -SUFFIX].tolist()), decode(ids[-SUFFIX:].tolist())
        if "\ufffd" not in "".join(alone):  # else a cut is within a character
            assert (context[-1], "".join(tokens)) == alone


def test_matched_tokens_and_shades_are_the_evidences(own, blobs):
    models = blobs["samples"]["models"]
    assert [model["name"] for model in models] == ["small", "large"]
    matched = np.frombuffer(blobs["samples-matched"], np.uint8)
    matched = matched.reshape(len(models), -1, len(LENGTHS), len(own.samples))
    for place, model in enumerate(models):
        names = model["variants"]["values"][0]
        assert names == own.variants(model["name"])[:1] + names[1:]
        assert sorted(names) == sorted(own.variants(model["name"]))
        for variant, name in enumerate(names):
            rows, evidence = own.evidence(model["name"], name)
            expected = np.logical_and.accumulate(evidence.rank == 0, axis=1).sum(axis=1)
            for length, k in enumerate(LENGTHS):
                at = (rows.context_length == k).to_numpy()
                assert (rows["sample"][at].to_numpy() == own.samples["sample"].to_numpy()).all()
                assert (matched[place, variant, length] == expected[at]).all()
                shades = np.frombuffer(blobs[f"samples-shading-{place}-{length}"], np.uint8)
                shades = shades.reshape(len(own.samples), SUFFIX, len(names))[:, :, variant]
                assert (shades // GREEDY == (evidence.rank[at] == 0)).all()
                shown = LOWEST + shades % GREEDY * -LOWEST / (SHADES - 1)
                given_values = evidence.log_probability[at].clip(LOWEST, 0)
                assert np.abs(shown - given_values).max() <= -LOWEST / (SHADES - 1) / 2 + 1e-5


@given(st.floats(allow_nan=True, allow_infinity=True, width=32))
def test_every_log_probability_has_a_shade(value):
    [shade] = shades_of(np.float32([value]))
    assert 0 <= shade < SHADES < GREEDY
    assert not value >= 0 or shade == SHADES - 1
    assert not value <= LOWEST or shade == 0


def test_rows_of_other_samples_and_lengths_are_left_out():
    samples = pd.DataFrame({"split": ["member", "non_member"], "seed": [0, 0], "sample": [3, 3]})
    rows = pd.DataFrame(
        {
            "split": ["non_member", "member", "member", "member"],
            "seed": [0, 0, 0, 1],
            "sample": [3, 3, 3, 3],
            "context_length": [50, 100, 70, 50],
        }
    )
    assert [list(own) for own in cells(rows, samples, [50, 100])] == [[0, 1], [1, 0], [0, 1]]


@given(st.lists(st.tuples(st.booleans(), st.integers(-1, 5)), max_size=30), st.integers(0, 40))
def test_the_most_reproduced_samples_are_chosen(drawn, count):
    samples = pd.DataFrame({"split": ["member" if member else "non_member" for member, _ in drawn]})
    best = np.array([value for _, value in drawn], dtype=int)
    chosen = choose(samples, best, count).tolist()
    order = sorted(range(len(drawn)), key=lambda n: (-drawn[n][1], not drawn[n][0], n))
    assert chosen == sorted(order[:count])


def test_a_bounded_report_has_the_same_of_fewer_samples(own, blobs):
    fewer = sample_blobs(own, 7, texts=True)
    assert fewer["samples"]["total"] == blobs["samples"]["total"] == len(own.samples)
    columns = fewer["samples"]["rows"]["columns"]
    kept = pd.DataFrame(dict(zip(columns, fewer["samples"]["rows"]["values"], strict=True)))
    everything = pd.DataFrame(dict(zip(columns, blobs["samples"]["rows"]["values"], strict=True)))
    assert len(kept) == 7
    at = everything.index[everything["sample"].isin(kept["sample"])].to_list()
    assert fewer["samples-texts"]["suffixes"] == [blobs["samples-texts"]["suffixes"][n] for n in at]
    counts = [np.frombuffer(own["samples-matched"], np.uint8) for own in (blobs, fewer)]
    every, few = (own.reshape(-1, size) for own, size in zip(counts, (len(everything), 7), strict=True))
    assert (every[:, at] == few).all()
    assert every.max(axis=0)[at].min() >= np.delete(every.max(axis=0), at).max()


def strings_of(content: object) -> list[str]:
    """All texts within JSON's values."""
    if isinstance(content, dict):
        return [text for key, value in content.items() for text in [key, *strings_of(value)]]
    if isinstance(content, list | tuple):
        return [text for value in content for text in strings_of(value)]
    return [content] if isinstance(content, str) else []


def test_without_texts_nothing_of_the_corpus_is_there(own, blobs):
    silent = sample_blobs(own, 1000, texts=False)
    assert "first" not in silent["samples"]["rows"]["columns"]
    assert set(blobs) - set(silent) == {"samples-texts", "samples-written-0", "samples-written-1"}
    known = {"member", "non_member", *own.samples.document, *own.samples.subset.dropna()}
    said = [text for content in silent.values() for text in strings_of(content) if text not in known]
    words = {text[place : place + 12] for text in HOSTILE for place in range(max(1, len(text) - 11))}
    assert not any(word in text for word in words for text in said)
    tokens = own.samples.tokens.iloc[0].tolist()
    assert json.dumps(tokens[:3])[1:-1] not in json.dumps(silent["samples"])
    for name, content in blobs.items():
        if isinstance(content, bytes):  # the numbers are the same
            assert silent[name] == content


def test_a_tokenizer_that_is_gone_or_another_gives_no_text(own, tmp_path):
    manifest = own.manifest("small")
    assert own_decoder(manifest) is not None
    assert own_decoder(type(manifest)(**{**vars(manifest), "folder": str(tmp_path / "gone")})) is None
    for path in Path(manifest.folder).glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    moved = type(manifest)(**{**vars(manifest), "folder": str(tmp_path)})
    assert own_decoder(moved) is not None
    (tmp_path / "tokenizer.json").write_text((tmp_path / "tokenizer.json").read_text() + " ")
    assert own_decoder(moved) is None


@pytest.mark.parametrize(
    ("text", "suffix", "truth", "expected"),
    [
        ("the word", "the word", "the word", (8, "")),
        ("the worm", "the word", "the word", (7, "m")),
        ("the", "the word", "the word", (3, "")),
        ("the word", "the word", " the word", (9, "")),
        ("👩 and", "👩 or", "👩 or", (3, "and")),
        ("", "", "", (0, "")),
    ],
)
def test_a_continuation_is_cut_where_it_leaves_the_truth(text, suffix, truth, expected):
    assert parted(text, suffix, truth) == expected
    units = truth.encode("utf-16-le")[: 2 * expected[0]].decode("utf-16-le")
    assert (units + expected[1]).endswith(text)


def test_what_was_not_scored_is_marked(own, tmp_path):
    assert NO_SHADE > GREEDY + SHADES - 1
    folder = tmp_path / "fewer"
    (folder / "tables").mkdir(parents=True)
    for name in ("models", "samples", "tables"):
        for path in (own.folder / name).rglob("*.*"):
            target = folder / path.relative_to(own.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    index = sample_blobs(results.load(folder), 10, texts=True)
    assert index == {"samples": {"models": [], "total": len(own.samples)}}
