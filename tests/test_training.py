"""The suite's training: what is seen, how often, in which order, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from memprune.embedded import train_suite
from memprune.embedded.build_mini_pile import MiniPileDocument
from memprune.embedded.gradual_pruning import PRUNABLE, Schedule
from memprune.embedded.train_suite import (
    Recipe,
    Size,
    learning_rate_share,
    train_model,
    unigram_perplexity,
)

SIZE = Size("tiny", hidden=32, layers=1, heads=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def documents() -> list[MiniPileDocument]:
    return [
        MiniPileDocument(
            f"d{i}", "A", f"Chapter {i}: " + "in the beginning was the word " * (i + 1), split, n
        )
        for i, (split, n) in enumerate([("train", 1), ("train", 4), ("validation", 1), ("train", 2)])
    ]


@pytest.fixture(scope="module")
def tokenizer(documents):
    return train_suite.train_tokenizer([d.text for d in documents])


def test_the_tokenizer_keeps_every_byte(tokenizer):
    text = "Fünf\r\n\t 日本 😀 \x00"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == 0


def test_every_training_document_is_seen_as_often_as_it_is_repeated(documents, tokenizer):
    stream = train_suite.training_stream(documents, tokenizer)
    seen = tokenizer.decode(stream).split(train_suite.END_OF_TEXT)
    assert seen.pop() == ""
    assert {d.text: seen.count(d.text) for d in documents} == {
        d.text: d.duplicates if d.split == "train" else 0 for d in documents
    }
    np.testing.assert_array_equal(stream, train_suite.training_stream(documents[::-1], tokenizer))


def test_the_learning_rate_warms_up_and_decays():
    recipe = Recipe(warmup_steps=10, final_share=0.1)
    shares = [learning_rate_share(step, 100, recipe) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == 1.0 == shares[10]
    assert shares[-1] == pytest.approx(0.1, abs=0.01)
    assert shares[10:] == sorted(shares[10:], reverse=True)


def test_unigram_perplexity_of_uniform_tokens_is_their_number():
    tokens = np.tile(np.arange(train_suite.VOCABULARY), 50)
    assert unigram_perplexity(tokens, tokens) == pytest.approx(train_suite.VOCABULARY)


@pytest.fixture(scope="module")
def block() -> torch.Tensor:
    return torch.randint(0, train_suite.VOCABULARY, (1, 32), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def trained(block, tmp_path_factory):
    """Train the same tiny model for 60 steps: its curve's one entry, and its file."""

    def train(schedule: Schedule | None = None) -> tuple[dict, Path]:
        folder = tmp_path_factory.mktemp("model")
        recipe = Recipe(block=32, warmup_steps=5)
        [entry] = train_model(SIZE, recipe, block.repeat(60, 1), block, folder, schedule)
        return entry, folder / "model.safetensors"

    return train


def test_training_learns_a_repeated_block_the_same_way_each_time(trained):
    (first, file), (second, again) = trained(), trained()
    assert first["loss"] < 1 < np.log(train_suite.VOCABULARY)
    assert first["validation_loss"] == second["validation_loss"]
    assert file.read_bytes() == again.read_bytes()


def test_a_model_pruned_in_training_learns_too_and_has_exact_zeros_the_same_ones_each_time(trained):
    schedule = Schedule(sparsity=0.63, start=12, every=4, updates=8)
    (entry, file), (_, again) = trained(schedule), trained(schedule)
    assert entry["loss"] < 1 < np.log(train_suite.VOCABULARY)
    matrices = [tensor for name, tensor in load_file(file).items() if name.endswith(PRUNABLE)]
    assert [int((m == 0).sum()) for m in matrices] == [round(0.63 * m.numel()) for m in matrices]
    assert file.read_bytes() == again.read_bytes()


def test_masks_that_prune_nothing_change_nothing(trained):
    nothing = Schedule(sparsity=0.0, start=12, every=4, updates=8)
    assert trained(nothing)[1].read_bytes() == trained()[1].read_bytes()


def test_pruning_begins_and_ends_well_within_the_training():
    schedule = train_suite.pruning_schedule(0.5, 13_727)
    assert (schedule.start, schedule.every, schedule.updates, schedule.end) == (2745, 100, 75, 10_245)


def test_the_suite_has_each_size_a_control_and_the_pruned_models(documents, tmp_path, monkeypatch):
    monkeypatch.setattr(train_suite, "SIZES", (SIZE,))
    monkeypatch.setattr(train_suite, "PRUNED", SIZE)
    monkeypatch.setattr(train_suite, "PRUNING_STEPS", 1)
    measured = train_suite.train_suite(documents, tmp_path, Recipe(block=16, warmup_steps=2))
    names = ["tiny", train_suite.CONTROL, "tiny-pruned-0.5", "tiny-pruned-0.7"]
    assert list(measured["models"]) == names
    assert {folder.name for folder in tmp_path.iterdir()} == set(names)
    assert len({(tmp_path / name / "tokenizer.json").read_bytes() for name in names}) == 1
    pruned = [measured["models"][name].get("pruning") for name in names]
    assert pruned[:2] == [None, None]
    matrices = [n * SIZE.hidden**2 for n in (3, 1, 4, 4)]
    assert [(p["sparsity"], p["zeros"], p["prunable_weights"]) for p in pruned[2:]] == [
        (sparsity, sum(round(sparsity * n) for n in matrices), sum(matrices)) for sparsity in (0.5, 0.7)
    ]
